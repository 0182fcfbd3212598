"""Values: equal when all their parts are equal, and never changed."""

from __future__ import annotations

from typing import Any, override

from pydantic import BaseModel, ConfigDict

from cqrs_ddd_core.domain.equality import hash_of
from cqrs_ddd_core.domain.state_types import known_value_types

__all__ = ["ValueObject"]


class ValueObject(BaseModel):
    """A value without identity: ``Money(amount=Decimal("9.90"), currency="EUR")``.

    Immutable; equal to another object of the same class with equal fields; hashable whatever is inside, lists,
    dicts and sets included. Change a value by making a new one: ``money.model_copy(update={…})``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        known_value_types.add(cls.__name__, cls)

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        assert isinstance(other, ValueObject)  # of the same class
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash((self.__class__, hash_of(self._parts())))

    def _parts(self) -> dict[str, Any]:
        """The fields, extra ones included; not what ``cached_property`` has put beside them."""
        values: dict[str, Any] = vars(self)
        fields = self.__class__.__pydantic_fields__
        if len(values) != len(fields):
            values = {name: values[name] for name in fields if name in values}
        return {**values, **self.__pydantic_extra__} if self.__pydantic_extra__ else values
