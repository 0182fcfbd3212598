"""Entities: things with an identity inside an aggregate."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict

__all__ = ["Entity"]


class Entity[ID: (str, int, UUID)](BaseModel):
    """A thing with an identity and a life inside one aggregate, such as the line of an order.

    Equal to another entity of the same class with the same id, whatever its other fields say.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    id: ID

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return bool(self.id == other.id)  # type: ignore[attr-defined]  # same class as self

    def __hash__(self) -> int:
        return hash((self.__class__, self.id))
