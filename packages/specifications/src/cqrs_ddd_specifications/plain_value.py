"""Values of conditions as JSON data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from cqrs_ddd_core.domain.condition_value import shown
from cqrs_ddd_core.domain.field_type import FieldKind, FieldType
from cqrs_ddd_core.domain.json_value import to_json_value
from cqrs_ddd_core.domain.value_typing import cast_value, point_in_time
from cqrs_ddd_core.primitives.exceptions import close_matches
from cqrs_ddd_specifications.spelling import spelling_key

__all__ = ["from_plain", "to_plain"]

_NAMES: Final[Mapping[type[Any], str]] = {
    datetime: "datetime",  # before date: a datetime is one
    date: "date",
    time: "time",
    timedelta: "duration",
    Decimal: "decimal",
    UUID: "uuid",
}
_KINDS: Final[Mapping[str, FieldKind]] = {
    spelling_key(name): kind
    for kind, names in {
        FieldKind.TEXT: "text string str varchar",
        FieldKind.INTEGER: "integer int smallint smallinteger bigint biginteger",
        FieldKind.FLOAT: "float double real number",
        FieldKind.DECIMAL: "decimal numeric money",
        FieldKind.BOOLEAN: "boolean bool",
        FieldKind.DATETIME: "datetime timestamp timestamptz",
        FieldKind.DATE: "date",
        FieldKind.TIME: "time",
        FieldKind.DURATION: "duration interval timedelta",
        FieldKind.UUID: "uuid",
        FieldKind.JSON: "json auto",
    }.items()
    for name in names.split()
}


def to_plain(value: Any) -> tuple[Any, str | list[str | None] | None]:
    """The value as JSON data, and the name of its type where JSON has no such type.

    Of several values it is the name of all, or a list of names where they differ.
    """
    if not isinstance(value, tuple):
        return _one_to_plain(value)
    items = [_one_to_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    names = [name for _, name in items]
    plain = [item for item, _ in items]
    of_values = {name for item, name in items if item is not None}
    return plain, of_values.pop() if len(of_values) == 1 else names if any(names) else None


def _one_to_plain(value: Any) -> tuple[Any, str | None]:
    name = next((name for known, name in _NAMES.items() if isinstance(value, known)), None)
    if isinstance(value, datetime):
        value = point_in_time(value)
    return to_json_value(value), name


def from_plain(value: Any, value_type: Any) -> Any:
    """The value in the type of that name; of a list, each of its items. Raises ``ValueError``."""
    if not isinstance(value, list):
        return _one_from_plain(value, value_type)
    values: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
    names: list[Any] = value_type if isinstance(value_type, list) else [value_type] * len(values)  # pyright: ignore[reportUnknownVariableType]
    if len(names) != len(values):
        raise ValueError(f"there are {len(values)} values and {len(names)} value types")
    return [_one_from_plain(item, name) for item, name in zip(values, names, strict=True)]


def _one_from_plain(value: Any, value_type: Any) -> Any:
    if value is None or value_type is None:
        return value
    kind = _KINDS.get(spelling_key(value_type)) if isinstance(value_type, str) else None
    if kind is None:
        near = close_matches(str(value_type)[:80], _KINDS).rstrip(".")
        raise ValueError(f"there is no value type {shown(value_type)}.{near}")
    return cast_value(value, FieldType(kind=kind))
