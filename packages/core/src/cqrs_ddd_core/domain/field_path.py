"""Reading a field of a candidate by its dotted path."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from cqrs_ddd_core.primitives.exceptions import FieldPathError

__all__ = ["FieldPath", "field_steps", "read_path"]

_LONGEST_PATH: Final = 500
_MOST_STEPS: Final = 32
_LISTS: Final = (list, tuple, set, frozenset)
# Values have no fields: what Python finds in them (``created_at.year``) is in no database.
_VALUES: Final = (str, bytes, bytearray, int, float, complex, Decimal, date, time, timedelta, UUID, Enum, type)

type _Reader = Callable[[Any], Any]


def field_steps(path: str) -> tuple[str, ...]:
    """The steps of a dotted path. Raises ``FieldPathError`` for one that is ill-formed."""
    if not isinstance(path, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # paths come from outside
        raise FieldPathError(repr(path), "it is a text such as 'customer.address.city'")
    if len(path) > _LONGEST_PATH:
        raise FieldPathError(path, f"it has at most {_LONGEST_PATH} characters, found {len(path)}")
    if not path.isprintable():
        raise FieldPathError(path, "it has a character in it that cannot be printed")
    steps = tuple(path.split("."))
    if not all(steps):
        raise FieldPathError(path, "between its dots, and at its ends, there are names")
    if len(steps) > _MOST_STEPS:
        raise FieldPathError(path, f"it has at most {_MOST_STEPS} steps, found {len(steps)}")
    return steps


class FieldPath:
    """A path that is read again and again: how each step is taken is found out once for each class.

    Steps go to the fields of models and dataclasses, to properties, to the attributes of other objects, and to the
    keys of dicts. A path comes from outside: it never reaches methods, class attributes and what begins with an
    underscore, nor into values (text has no fields). What it does not reach is missing, and missing is null.
    """

    __slots__ = ("_steps", "text")

    def __init__(self, text: str) -> None:
        """Raises ``FieldPathError`` for a path that is ill-formed."""
        self.text = text
        self._steps = tuple(_Step(name) for name in field_steps(text))

    def __repr__(self) -> str:
        return f"FieldPath({self.text!r})"

    def values(self, candidate: Any) -> Sequence[Any]:
        """The values at the path that are not null: none, one, or several where it goes through a list.

        A list on the way stands for its items; a list directly in a list does not. A list at the end is one value.
        """
        return self._values(candidate, 0)

    def _values(self, value: Any, start: int) -> Sequence[Any]:
        for index in range(start, len(self._steps)):
            if isinstance(value, _LISTS):
                return [
                    found
                    for item in value  # pyright: ignore[reportUnknownVariableType]
                    if not isinstance(item, _LISTS)
                    for found in self._values(item, index)
                ]
            value = self._steps[index](value)
            if value is None:
                return ()
        return (value,)

    def read(self, candidate: Any) -> Any:
        """The value at the path, or None. A list on the way gives the list of what its items have there."""
        value = candidate
        for step in self._steps:
            value = step.of_each(value)
            if value is None:
                return None
        return value


def read_path(candidate: Any, path: str) -> Any:
    """What ``FieldPath(path).read(candidate)`` gives."""
    return _field_path(path).read(candidate)


@functools.lru_cache(maxsize=256)
def _field_path(path: str) -> FieldPath:
    return FieldPath(path)


class _Step:
    """One name, and how it is read from each class that was met."""

    __slots__ = ("_name", "_readers")

    def __init__(self, name: str) -> None:
        self._name = name
        self._readers: dict[type[Any], _Reader] = {}

    def __call__(self, value: Any) -> Any:
        cls: type[Any] = value.__class__
        reader = self._readers.get(cls)
        if reader is None:
            reader = self._readers[cls] = _reader(cls, self._name)
        return reader(value)

    def of_each(self, value: Any) -> Any:
        if isinstance(value, _LISTS):
            return [self.of_each(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        return self(value)


def _reader(cls: type[Any], name: str) -> _Reader:
    if issubclass(cls, Mapping):
        return functools.partial(_read_key, name=name)
    if name.startswith("_") or issubclass(cls, _VALUES):
        return _nothing
    if issubclass(cls, BaseModel):
        return _model_reader(cls, name)
    found = inspect.getattr_static(cls, name, None)
    if _is_descriptor_of_a_value(found):
        return functools.partial(_read_attribute, name=name)
    if dataclasses.is_dataclass(cls) and name not in {field.name for field in dataclasses.fields(cls)}:
        return _nothing
    return functools.partial(_read_own_attribute, name=name)


def _model_reader(cls: type[BaseModel], name: str) -> _Reader:
    if name in cls.model_fields:
        return lambda value: value.__dict__.get(name)
    if not hasattr(BaseModel, name) and _is_descriptor_of_a_value(inspect.getattr_static(cls, name, None)):
        return functools.partial(_read_attribute, name=name)
    return functools.partial(_read_extra, name=name)


def _is_descriptor_of_a_value(found: Any) -> bool:
    """A property, a slot, a mapped column: something on the class that gives the value of an instance."""
    return (
        hasattr(found.__class__, "__get__")
        and not callable(found)
        and not isinstance(found, classmethod | staticmethod)
    )


def _nothing(value: Any) -> None:
    """What is read where there is nothing to read."""


def _read_key(value: Mapping[Any, Any], name: str) -> Any:
    found = value.get(name)
    if found is None and any(not isinstance(key, str) for key in value):
        # JSON has text keys only: a document keeps {1: …} as {"1": …}.
        found = next((item for key, item in value.items() if not isinstance(key, str) and _key_text(key) == name), None)
    return found


def _key_text(key: Any) -> str:
    return str(key.value if isinstance(key, Enum) else key)


def _read_extra(value: BaseModel, name: str) -> Any:
    extra: dict[str, Any] = value.__pydantic_extra__ or {}
    return extra.get(name)


def _read_attribute(value: Any, name: str) -> Any:
    return getattr(value, name, None)


def _read_own_attribute(value: Any, name: str) -> Any:
    """An attribute of the instance itself, not of its class."""
    return getattr(value, "__dict__", {}).get(name)
