"""Hashes that agree with equality, for values that Python cannot hash by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import BaseModel

__all__ = ["hash_of", "unique"]


def hash_of(value: Any) -> int:
    """A hash of any value: equal values have equal hashes, as long as nobody changes them.

    Lists, dicts and sets count with what is in them, in the order in which it matters to ``==``. Of an object of
    foreign make that has no hash, only the class counts.
    """
    whole: Any = value  # the patterns below would narrow it to containers of nobody knows what
    match value:
        case str() | bytes():
            return hash(value)
        case bytearray() | memoryview():
            return hash(bytes(whole))  # they may be equal to bytes
        case Counter():
            # To a Counter, what occurs no times is as good as absent.
            return hash(frozenset((key, hash_of(count)) for key, count in whole.items() if count))
        case Mapping():
            return hash(frozenset((key, hash_of(item)) for key, item in whole.items()))
        case AbstractSet():
            return hash(frozenset(whole))
        case Sequence():
            return hash(tuple(hash_of(item) for item in whole))
        case _:
            return _hash_of_object(value)


def _hash_of_object(value: Any) -> int:
    if isinstance(value, Hashable):
        try:
            return hash(value)
        except TypeError:
            pass  # frozen, with something in it that cannot be hashed
    cls: Any = value.__class__
    if isinstance(value, BaseModel):
        # pydantic takes Box(1) and Box[int](1) for equal.
        cls = cls.__pydantic_generic_metadata__["origin"] or cls
    return hash(cls)


def unique[T](values: Sequence[T]) -> list[T]:
    """The values without those that are equal to an earlier one, whether they can be hashed or not."""
    buckets: dict[int, list[T]] = {}
    found: list[T] = []
    for value in values:
        bucket = buckets.setdefault(hash_of(value), [])
        if value not in bucket:
            bucket.append(value)
            found.append(value)
    return found
