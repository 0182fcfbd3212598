"""States as plain values, and when two of them are the same."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from pydantic import BaseModel

__all__ = ["ABSENT", "NO_BASE", "Absent", "canonical", "identity_of", "look_up", "plain", "same"]


class Absent:
    """The type of two values that stand for no value. Compare with ``is``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name

    def __bool__(self) -> bool:
        return False


NO_BASE: Final = Absent("NO_BASE")
"""Nobody knows what the state was before both changes."""
ABSENT: Final = Absent("ABSENT")
"""There is no such key, or no such item."""


def plain(value: Any) -> Any:
    """The value with models and dataclasses as dicts, at every depth. Lists and dicts are copied."""
    kind: type[Any] = value.__class__
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in kind.model_fields if name in value.__dict__}
    if dataclasses.is_dataclass(kind):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(kind)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if kind is tuple:  # a named tuple stays what it is
        return tuple(plain(item) for item in value)
    return value


def same(first: Any, second: Any) -> bool:
    """Whether two plain values are the same: as ``==``, but True is not 1, and NaN is NaN."""
    return first is second or canonical(first) == canonical(second)


def canonical(value: Any) -> Hashable:
    """Something hashable that is equal for values that are the same, and for no others."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, float) and math.isnan(value):
        return ("nan",)
    if isinstance(value, Mapping):
        return ("dict", frozenset((canonical(key), canonical(item)) for key, item in value.items()))  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return ("list", tuple(map(canonical, value)))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, tuple):
        return ("tuple", tuple(map(canonical, value)))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, set | frozenset):
        return ("set", frozenset(map(canonical, value)))  # pyright: ignore[reportUnknownArgumentType]
    try:
        hash(value)
    except TypeError:
        return ("object", value.__class__, repr(value))
    return ("value", value)


def look_up(value: Any, key: str | Callable[[Any], Any]) -> Any:
    """What a value has under a key or as an attribute, or what a function finds in it; None when there is nothing."""
    if callable(key):
        return key(value)
    return value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def identity_of(item: Any, key: str | Callable[[Any], Any] | None) -> Hashable | Absent:
    """What makes an item of a list the same as another; ``ABSENT`` when it has nothing like that."""
    found = None if key is None else look_up(item, key)
    return ABSENT if found is None else canonical(found)
