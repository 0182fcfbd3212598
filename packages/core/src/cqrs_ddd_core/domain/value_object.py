"""Values: equal when all their parts are equal, and never changed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["ValueObject"]


class ValueObject(BaseModel):
    """A value without identity: ``Money(amount=Decimal("9.90"), currency="EUR")``.

    Immutable; equal to another object of the same class with equal fields; hashable whatever is inside, lists,
    dicts and sets included. Change a value by making a new one: ``money.model_copy(update={…})``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((self.__class__, _hashable(self.__dict__)))


def _hashable(value: Any) -> Hashable:
    """Something that is hashable, and equal for equal values (the order of dicts and sets does not count)."""
    match value:
        case Mapping():
            return frozenset((key, _hashable(item)) for key, item in value.items())  # pyright: ignore[reportUnknownVariableType]
        case str() | bytes():
            return value
        case Sequence():
            return tuple(_hashable(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
        case AbstractSet():
            return frozenset(_hashable(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
        case BaseModel():
            # An entity may define equality its own way; equal objects have the same class, and that is enough here.
            return hash(value) if isinstance(value, ValueObject) else hash(value.__class__)
        case Hashable():
            return value
        case _:
            # Equal values must hash alike; of a mutable object of foreign make only the class is known to be stable.
            return hash(value.__class__)
