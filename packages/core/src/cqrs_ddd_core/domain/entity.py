"""Entities: things with an identity inside an aggregate."""

from __future__ import annotations

from typing import Any, override
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from cqrs_ddd_core.domain.state_types import known_value_types

__all__ = ["Entity"]


class Entity[ID: (str, int, UUID)](BaseModel):
    """A thing with an identity and a life inside one aggregate, such as the line of an order.

    Equal to another entity of the same class with the same id, whatever its other fields say. The id never changes.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    id: ID = Field(frozen=True)

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__pydantic_generic_metadata__["origin"] is None:  # else it is Entity[str] itself
            known_value_types.add(cls.__name__, cls)

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        assert isinstance(other, Entity)  # of the same class
        return bool(self.id == other.id)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]

    def __hash__(self) -> int:
        return hash((self.__class__, self.id))
