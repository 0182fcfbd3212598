"""Values of conditions, brought to the type of the field they are compared with: once, for memory and databases."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from cqrs_ddd_core.domain.condition import Condition
from cqrs_ddd_core.domain.condition_value import checked_scalar, shown
from cqrs_ddd_core.domain.field_type import FieldKind, FieldType, field_type
from cqrs_ddd_core.domain.json_value import to_json_value
from cqrs_ddd_core.domain.specification import ISpecification
from cqrs_ddd_core.domain.specification_operator import (
    EQUALITY_OPERATORS,
    GEOMETRY_OPERATORS,
    JSON_OPERATORS,
    LIST_OPERATORS,
    NULL_OPERATORS,
    ORDER_OPERATORS,
    TEXT_OPERATORS,
    SpecificationOperator,
)
from cqrs_ddd_core.primitives.exceptions import (
    FieldNotQueryableError,
    SpecificationNotSupportedError,
    SpecificationValueError,
    close_matches,
)

__all__ = ["cast_value", "check_specification", "point_in_time", "type_condition"]

_O = SpecificationOperator
_K = FieldKind


def type_condition(condition: Condition, declared: FieldType) -> Condition:
    """The condition with its value in the type of the field, and ``field_type`` set.

    Values become: text, int, float, ``Decimal``, bool, ``datetime`` in UTC, ``date``, naive ``time``, ``timedelta`` or
    ``UUID``; enums their values; items of lists what the items are. An undeclared field (``FieldKind.JSON``) is asked
    for what JSON has, and a ``Decimal`` is a number there. Typing what is typed already changes nothing.

    Raises ``FieldNotQueryableError`` for an operator that makes no sense for the field, and
    ``SpecificationValueError`` for a value that is none of its type.
    """
    operator, value = condition.operator, condition.value
    if isinstance(operator, SpecificationOperator):
        if value is None and operator in EQUALITY_OPERATORS:
            return dataclasses.replace(condition, field_type=declared)
        problem = _misfit(operator, declared)
        if problem:
            raise FieldNotQueryableError(condition.field, problem)
        try:
            value = _typed(operator, value, declared)
        except ValueError as error:
            raise SpecificationValueError(condition.field, operator.value, str(error)) from None
    return Condition(condition.field, operator, value, declared)


def check_specification(specification: ISpecification[Any], model: type[Any]) -> None:
    """Raise what ``field_type`` and ``type_condition`` raise for a condition that does not fit ``model``.

    Rules that exist as Python code only are passed over.
    """
    with contextlib.suppress(SpecificationNotSupportedError):
        specification.accept(_Check(model))


class _Check:
    def __init__(self, model: type[Any]) -> None:
        self._model = model

    def condition(self, condition: Condition, /) -> None:
        type_condition(condition, field_type(self._model, condition.field))

    def conjunction(self, parts: list[None], /) -> None:
        """Nothing to check: the parts have been."""

    def disjunction(self, parts: list[None], /) -> None:
        """Nothing to check."""

    def negation(self, part: None, /) -> None:
        """Nothing to check."""


# ----------------------------------------------------------------------------------------------- operator and field

_COMPARABLE: Final = frozenset(_K) - {_K.OPAQUE, _K.GEOMETRY}
_ORDERED: Final = _COMPARABLE - {_K.BOOLEAN, _K.LIST, _K.OBJECT}
_FITTING: Final[Mapping[SpecificationOperator, frozenset[FieldKind]]] = {
    **dict.fromkeys(NULL_OPERATORS, frozenset(_K)),
    **dict.fromkeys(EQUALITY_OPERATORS, _COMPARABLE),
    **dict.fromkeys(ORDER_OPERATORS, _ORDERED),
    **dict.fromkeys(TEXT_OPERATORS, frozenset({_K.TEXT, _K.JSON})),
    _O.CONTAINS: frozenset({_K.TEXT, _K.LIST, _K.JSON}),
    **dict.fromkeys(LIST_OPERATORS, frozenset({_K.LIST, _K.JSON})),
    **dict.fromkeys(JSON_OPERATORS, frozenset({_K.OBJECT, _K.JSON})),
    **dict.fromkeys(
        (_O.JSON_CONTAINS, _O.JSON_CONTAINED_BY, _O.JSON_PATH_EXISTS), frozenset({_K.OBJECT, _K.LIST, _K.JSON})
    ),
    **dict.fromkeys(GEOMETRY_OPERATORS, frozenset({_K.GEOMETRY, _K.OBJECT, _K.JSON})),
}


def _misfit(operator: SpecificationOperator, declared: FieldType) -> str:
    """Why the operator makes no sense for the field; empty when it does."""
    kinds = _FITTING[operator]
    if declared.kind not in kinds:
        wanted = ", ".join(kind.value for kind in _K if kind in kinds)
        return f"{operator.value} is for fields of the kind {wanted}; this one is of the kind {declared.kind.value}"
    if not declared.ordered and operator in EQUALITY_OPERATORS:
        return f"it is a set, and sets come in no order: use contains_all instead of {operator.value}"
    return ""


def _typed(operator: SpecificationOperator, value: Any, declared: FieldType) -> Any:
    """The value of a condition with its parts cast. Raises ``ValueError``."""
    if operator in {_O.IN, _O.NOT_IN}:
        return tuple(None if item is None else cast_value(item, declared) for item in value)
    if operator in EQUALITY_OPERATORS:
        return cast_value(value, declared)
    if operator in ORDER_OPERATORS:
        return _typed_order(value, dataclasses.replace(declared, choices=()))
    if operator is _O.CONTAINS:
        return _typed_item(value, declared)
    if operator in LIST_OPERATORS:
        return tuple(_typed_item(item, declared) for item in value)
    return value


def _typed_order(value: Any, declared: FieldType) -> Any:
    if not isinstance(value, tuple):
        return cast_value(value, declared)
    lower, upper = (cast_value(bound, declared) for bound in value)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(lower, str) is not isinstance(upper, str):
        raise ValueError(f"its bounds are both text or both numbers, found {shown(value)}")  # pyright: ignore[reportUnknownArgumentType]
    return lower, upper


def _typed_item(value: Any, declared: FieldType) -> Any:
    """What is looked for in a list, or in a text."""
    return cast_value(value, dataclasses.replace(declared, choices=()) if declared.items is None else declared.items)


# ----------------------------------------------------------------------------------------------------------- values


def cast_value(value: Any, declared: FieldType) -> Any:
    """``value`` in the type that the field declares. Raises ``ValueError`` for one that has no such form.

    Text is read where it is text of that type: ``"2024-05-01"`` for dates and times, ``"12.50"`` for numbers,
    ``"true"`` and ``"false"``, UUIDs, ISO 8601 and forms such as ``"2h 30m"`` for durations. A day is its first
    moment in UTC where a point in time is wanted.
    """
    if isinstance(value, Enum):
        value = value.value
    match declared.kind:
        case FieldKind.LIST:
            return _to_list(value, declared)
        case FieldKind.OBJECT:
            return _to_object(value, declared)
        case FieldKind.GEOMETRY | FieldKind.OPAQUE:
            raise ValueError(f"a field of the kind {declared.kind.value} cannot be compared with a value")
        case kind:
            result = _SCALAR_CASTS[kind](value)
    if declared.choices and not any(choice == result and type(choice) is type(result) for choice in declared.choices):
        names = [str(choice) for choice in declared.choices]
        raise ValueError(f"there is no {shown(value)} among its values.{close_matches(str(value), names)}".rstrip("."))
    return result


def point_in_time(value: datetime) -> datetime:
    """The same moment in UTC; a time without zone is in UTC. Raises ``ValueError`` outside of the years 1 to 9999."""
    if value.utcoffset() is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value} is outside of the years 1 to 9999 in UTC") from None


_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,100}(?:\.[0-9]{0,100})?|\.[0-9]{1,100})(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,30}")
_DURATION_PART: Final = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([a-z]+)\s*")
_UNITS: Final[Mapping[str, timedelta]] = {
    name: unit
    for names, unit in (
        ("w week weeks", timedelta(weeks=1)),
        ("d day days", timedelta(days=1)),
        ("h hour hours", timedelta(hours=1)),
        ("m min minute minutes", timedelta(minutes=1)),
        ("s sec second seconds", timedelta(seconds=1)),
        ("ms millisecond milliseconds", timedelta(milliseconds=1)),
    )
    for name in names.split()
}
_TIMEDELTA: Final = TypeAdapter(timedelta)


def _wanted(what: str, value: Any) -> ValueError:
    return ValueError(f"it wants {what}, found {shown(value)}")


def _to_text(value: Any) -> str:
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        raise _wanted("text", value)
    return value


def _to_boolean(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise _wanted("true or false", value)
    return value


def _to_number(value: Any) -> int | float | Decimal:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _wanted("a number", value)
    if not (value.is_finite() if isinstance(value, Decimal) else isinstance(value, int) or math.isfinite(value)):
        raise _wanted("a finite number", value)
    return value


def _to_integer(value: Any) -> int:
    if isinstance(value, str) and not _WHOLE_NUMBER.fullmatch(value):
        raise _wanted("a whole number", value)
    number = _to_number(value)
    if int(number) != number:
        raise _wanted("a whole number", value)
    found = checked_scalar(int(number))
    assert isinstance(found, int)
    return found


def _to_float(value: Any) -> float:
    try:
        number = float(_to_number(value))
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _wanted("a number that a float can hold", value)
    return number


def _to_decimal(value: Any) -> Decimal:
    number = _to_number(value)
    try:
        # The shortest text of a float is what was meant by it: 0.1 is one tenth.
        return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    except InvalidOperation:
        raise _wanted("a decimal number", value) from None


def _to_datetime(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _wanted("a time such as 2024-05-01T12:00:00Z, or a day", value) from None
    if isinstance(value, datetime):
        return point_in_time(value)
    if not isinstance(value, date):
        raise _wanted("a point in time or a day", value)
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def _to_date(value: Any) -> date:
    moment = _to_datetime(value)
    if (moment.hour, moment.minute, moment.second, moment.microsecond) != (0, 0, 0, 0):
        raise _wanted("a day such as 2024-05-01, without a time of day", value)
    return moment.date()


def _to_time(value: Any) -> time:
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError:
            raise _wanted("a time of day such as 12:30:00", value) from None
    if not isinstance(value, time):
        raise _wanted("a time of day", value)
    return value.replace(tzinfo=None)


def _to_duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise _wanted("a duration", value)
    parts = list(_DURATION_PART.finditer(value.lower()))
    try:
        if parts and "".join(part[0] for part in parts) == value.lower():
            return sum((float(part[1]) * _UNITS[part[2]] for part in parts), timedelta())
        return _TIMEDELTA.validate_python(value)
    except (KeyError, OverflowError, ValidationError):
        raise _wanted("a duration such as PT1H30M or 1h 30m", value) from None


def _to_uuid(value: Any) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise _wanted("a UUID", value) from None


def _to_list(value: Any, declared: FieldType) -> list[Any]:
    items = declared.items
    if not isinstance(value, list):
        raise ValueError(  # noqa: TRY004 - one kind of error for all that does not fit
            f"it wants a list, found {shown(value)}; contains asks for one item"
        )
    if items is None:
        return value  # pyright: ignore[reportUnknownVariableType]
    return [None if item is None else cast_value(item, items) for item in value]  # pyright: ignore[reportUnknownVariableType]


def _to_object(value: Any, declared: FieldType) -> Any:
    annotation = declared.annotation
    is_object = isinstance(value, dict | BaseModel) or dataclasses.is_dataclass(value)
    if not is_object or annotation is None:
        raise _wanted("an object", value)
    try:
        return TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise ValueError(f"it wants a whole {_name(annotation)}: {where}: {problem['msg']}") from None


def _name(annotation: Any) -> str:
    return str(getattr(annotation, "__name__", annotation))


def _to_json(value: Any) -> Any:
    """What JSON has of the value: where nothing is declared, nothing else can be found."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
        case datetime() | time() | timedelta():
            raise _wanted("text, a number or a bool, as the type of the field is not declared", value)
        case date() | UUID():
            return str(value)
        case str() | bool() | int() | float():
            return value
        case _:
            return to_json_value(value)


_SCALAR_CASTS: Final[Mapping[FieldKind, Callable[[Any], Any]]] = {
    _K.TEXT: _to_text,
    _K.INTEGER: _to_integer,
    _K.FLOAT: _to_float,
    _K.DECIMAL: _to_decimal,
    _K.BOOLEAN: _to_boolean,
    _K.DATETIME: _to_datetime,
    _K.DATE: _to_date,
    _K.TIME: _to_time,
    _K.DURATION: _to_duration,
    _K.UUID: _to_uuid,
    _K.JSON: _to_json,
}
