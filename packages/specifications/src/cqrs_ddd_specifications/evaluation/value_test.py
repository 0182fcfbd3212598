"""A test of values that is chosen by their class."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, SecretBytes, SecretStr

from cqrs_ddd_core.domain.field_type import FieldKind
from cqrs_ddd_core.domain.json_value import NOT_JSON, to_json_value

__all__ = ["Question", "Test", "always", "by_class", "by_json_class", "never"]

type Test = Callable[[Any], bool]
"""Asks one value, which is not null."""
type Question = Callable[[FieldKind], Test]
"""An operator with its value: gives the test for values of a kind."""

_KINDS: Final[tuple[tuple[type[Any], FieldKind], ...]] = (
    # In the order of the questions: a bool is an int, and a datetime is a date.
    (str, FieldKind.TEXT),
    (bool, FieldKind.BOOLEAN),
    (int, FieldKind.INTEGER),
    (float, FieldKind.FLOAT),
    (Decimal, FieldKind.DECIMAL),
    (datetime, FieldKind.DATETIME),
    (date, FieldKind.DATE),
    (time, FieldKind.TIME),
    (timedelta, FieldKind.DURATION),
    (UUID, FieldKind.UUID),
    (list, FieldKind.LIST),
    (tuple, FieldKind.LIST),
    (AbstractSet, FieldKind.LIST),
    (Mapping, FieldKind.OBJECT),
    (BaseModel, FieldKind.OBJECT),
    (bytes, FieldKind.OPAQUE),
    (bytearray, FieldKind.OPAQUE),
    (SecretStr, FieldKind.OPAQUE),
    (SecretBytes, FieldKind.OPAQUE),
)
_PLAIN: Final[Mapping[type[Any], FieldKind]] = {
    str: FieldKind.TEXT,
    bool: FieldKind.BOOLEAN,
    int: FieldKind.INTEGER,
    float: FieldKind.FLOAT,
    list: FieldKind.LIST,
    dict: FieldKind.OBJECT,
}


def never(_value: Any) -> bool:
    return False


def always(_value: Any) -> bool:
    return True


def by_class(question: Question, *, otherwise: Test | None = None) -> Test:
    """A test that finds out for each class once what kind of value it is.

    ``otherwise`` is for objects of no kind; without it they are asked as what JSON makes of them.
    """
    tests: dict[type[Any], Test] = {}

    def test(value: Any) -> bool:
        chosen = tests.get(value.__class__)
        if chosen is None:
            chosen = tests[value.__class__] = choose(value.__class__)
        return chosen(value)

    def choose(cls: type[Any]) -> Test:
        if issubclass(cls, Enum):
            return lambda value: test(value.value)
        for known, kind in _KINDS:
            if issubclass(cls, known):
                return question(kind)
        if dataclasses.is_dataclass(cls):
            return question(FieldKind.OBJECT)
        return as_json if otherwise is None else otherwise

    def as_json(value: Any) -> bool:
        plain = to_json_value(value)
        return plain is not None and plain is not NOT_JSON and test(plain)

    return test


def by_json_class(question: Question, *, otherwise: Test | None = None) -> Test:
    """The same where no type is declared: only what JSON has, and objects, can be asked; the rest is ``otherwise``."""
    tests: dict[type[Any], Test] = {cls: question(kind) for cls, kind in _PLAIN.items()}
    of_object = tests[dict]
    rest = never if otherwise is None else otherwise

    def test(value: Any) -> bool:
        cls: type[Any] = value.__class__
        chosen = tests.get(cls)
        if chosen is None:
            is_object = issubclass(cls, BaseModel) or dataclasses.is_dataclass(cls)
            chosen = tests[cls] = of_object if is_object else rest
        return chosen(value)

    return test
