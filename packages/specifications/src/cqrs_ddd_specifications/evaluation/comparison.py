"""Equality, order, ranges and sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from cqrs_ddd_core.domain.field_type import FieldKind, FieldType
from cqrs_ddd_core.domain.json_value import NOT_JSON, json_equal, to_json_value
from cqrs_ddd_core.domain.value_typing import cast_value, point_in_time
from cqrs_ddd_specifications.evaluation.value_test import Question, Test, never

__all__ = ["Document", "between", "compared", "equal", "finite", "one_of"]

type Document = Callable[[Any], Any]
"""Gives the JSON form in which lists and objects are compared; ``NOT_JSON`` for what has none."""

_SCALARS: Final = (str, bool, int, float, Decimal, datetime, date, time, timedelta, UUID, type(None))
_STRUCTURES: Final = frozenset({FieldKind.LIST, FieldKind.OBJECT})
_WITHOUT_ORDER: Final = frozenset({FieldKind.BOOLEAN, FieldKind.OPAQUE}) | _STRUCTURES


def equal(wanted: Any, document: Document) -> Question:
    """The same value; lists and objects are compared as documents."""

    def question(kind: FieldKind) -> Test:
        if kind in _STRUCTURES:
            return _same_structure([wanted], document)
        target = _target(kind, wanted)
        return never if target is None else _reading(kind, lambda value: bool(value == target))

    return question


def one_of(wanted: tuple[Any, ...], document: Document) -> Question:
    """The same as one of these. None among them does not count here."""

    def question(kind: FieldKind) -> Test:
        if kind in _STRUCTURES:
            return _same_structure(wanted, document)
        targets = frozenset(target for each in wanted if (target := _target(kind, each)) is not None)
        return _reading(kind, targets.__contains__) if targets else never

    return question


def compared(how: Callable[[Any, Any], bool], bound: Any) -> Question:
    """In this order with the bound: ``compared(operator.gt, 5)`` is above five."""

    def question(kind: FieldKind) -> Test:
        target = None if kind in _WITHOUT_ORDER else _target(kind, bound)
        return never if target is None else _reading(kind, lambda value: how(value, target))

    return question


def between(bounds: tuple[Any, Any], *, inside: bool) -> Question:
    """Within the bounds, they included; or outside of them."""

    def question(kind: FieldKind) -> Test:
        lower, upper = (None if kind in _WITHOUT_ORDER else _target(kind, bound) for bound in bounds)
        if lower is None or upper is None:
            return never
        return _reading(kind, lambda value: (lower <= value <= upper) is inside)

    return question


def finite(value: float | Decimal) -> bool:
    """Whether it is a number that JSON has; NaN and the infinities count as null."""
    return value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)


# ------------------------------------------------------------------------------------------------ what is compared


def _same_structure(wanted: list[Any] | tuple[Any, ...], document: Document) -> Test:
    targets = [document(each) for each in wanted if not isinstance(each, _SCALARS)]
    if not targets:
        return never

    def test(value: Any) -> bool:
        found = document(value)
        return found is not NOT_JSON and any(json_equal(found, target) for target in targets)

    return test


def _reading(kind: FieldKind, test: Test) -> Test:
    """The test, after values of this kind have been brought into the form in which they are compared."""
    read = _READERS.get(kind)
    if read is None:
        return test

    def reading(value: Any) -> bool:
        found = read(value)
        return found is not None and test(found)

    return reading


def _read_number[T: (float, Decimal)](value: T) -> T | None:
    return value if finite(value) else None


def _read_datetime(value: datetime) -> datetime | None:
    try:
        return point_in_time(value)
    except ValueError:
        return None


def _read_date(value: date) -> datetime:
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def _read_time(value: time) -> time:
    return value.replace(tzinfo=None)


_READERS: Final[Mapping[FieldKind, Callable[[Any], Any]]] = {
    FieldKind.FLOAT: _read_number,
    FieldKind.DECIMAL: _read_number,
    FieldKind.DATETIME: _read_datetime,
    # A day is its first moment: so it can be compared with points in time.
    FieldKind.DATE: _read_date,
    FieldKind.TIME: _read_time,
}


def _target(kind: FieldKind, wanted: Any) -> Any | None:
    """The value of the condition in the form in which values of this kind are compared; None if it has none."""
    if wanted is None:
        return None
    match kind:
        case FieldKind.TEXT:
            return _text_target(wanted)
        case FieldKind.BOOLEAN:
            return wanted if isinstance(wanted, bool) else None
        case FieldKind.INTEGER | FieldKind.FLOAT | FieldKind.DECIMAL:
            return _number_target(kind, wanted)
        case FieldKind.DATE:
            return _cast(FieldKind.DATETIME, wanted)
        case FieldKind.DATETIME | FieldKind.TIME | FieldKind.DURATION | FieldKind.UUID:
            return _cast(kind, wanted)
        case _:
            return None


def _text_target(wanted: Any) -> str | None:
    if isinstance(wanted, str):
        return wanted
    if isinstance(wanted, datetime | date | time | timedelta | UUID):
        text: str = to_json_value(wanted)
        return text
    return None


def _number_target(kind: FieldKind, wanted: Any) -> int | float | Decimal | None:
    if isinstance(wanted, bool) or not isinstance(wanted, int | float | Decimal):
        return None
    if kind is FieldKind.FLOAT and isinstance(wanted, Decimal):
        return float(wanted)
    if kind is FieldKind.DECIMAL and isinstance(wanted, float):
        return Decimal(repr(wanted))
    return wanted


def _cast(kind: FieldKind, wanted: Any) -> Any | None:
    try:
        return cast_value(wanted, FieldType(kind=kind))
    except ValueError:
        return None
