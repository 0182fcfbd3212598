"""The order of values: one for memory and every database."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from cqrs_ddd_core.primitives.exceptions import FieldNotQueryableError

__all__ = ["SortKey", "check_one_kind", "sort_key"]

type SortKey = tuple[int, Any]
"""The kind of a value, and something that is ordered within the kind."""

# In the order of the questions: a bool is an int, and a datetime is a date.
_KINDS: tuple[tuple[type[Any] | tuple[type[Any], ...], int], ...] = (
    (str, 2),
    (bool, 0),
    ((int, float, Decimal), 1),
    (datetime, 5),
    (date, 4),
    (time, 6),
    (timedelta, 7),
    (UUID, 3),
)
_NUMBER = 1
_NOT_A_NUMBER = (1, 0)
"""Greater than every other number, which are ``(0, number)``."""


def sort_key(value: Any, path: str) -> SortKey:
    """Something to sort a value by that is not null: texts by code points, times by moment, enums by their value.

    A point in time without a zone is in UTC; of a time of day the offset does not count. False comes before true, what
    is not a number behind all numbers. ``path`` names the field in the ``FieldNotQueryableError`` for values without an
    order: lists, objects, bytes.
    """
    if isinstance(value, Enum):
        return sort_key(value.value, path)
    for cls, kind in _KINDS:
        if isinstance(value, cls):
            return kind, _comparable(value, kind)
    raise FieldNotQueryableError(path, f"values of type {type(value).__name__} have no order")


def _comparable(value: Any, kind: int) -> Any:
    if kind == _NUMBER:
        return _NOT_A_NUMBER if math.isnan(value) else (0, value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return value.replace(tzinfo=None) if isinstance(value, time) else value


def check_one_kind(keys: Iterable[SortKey], path: str) -> None:
    """Raise ``FieldNotQueryableError`` unless the keys are of one kind: what is declared nowhere may hold anything."""
    if len({kind for kind, _ in keys}) > 1:
        raise FieldNotQueryableError(path, "it holds values of different kinds, which have no common order")
