"""Values of conditions as JSON data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

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


def to_plain(value: Any) -> tuple[Any, str | None]:
    """The value as JSON data, and the name of its type where JSON has no such type."""
    if isinstance(value, tuple):
        items = [to_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        names = {name for _, name in items if name is not None}
        # Where types are mixed, each item says as text what it is.
        return [item for item, _ in items], names.pop() if len(names) == 1 else None
    name = next((name for known, name in _NAMES.items() if isinstance(value, known)), None)
    if isinstance(value, datetime):
        value = point_in_time(value)
    return to_json_value(value), name


def from_plain(value: Any, value_type: str) -> Any:
    """The value in the type of that name; of a list, each of its items. Raises ``ValueError``."""
    kind = _KINDS.get(spelling_key(value_type))
    if kind is None:
        raise ValueError(f"there is no value type {value_type[:80]!r}.{close_matches(value_type, _KINDS)}".rstrip("."))
    declared = FieldType(kind=kind)
    if isinstance(value, list):
        return [None if item is None else cast_value(item, declared) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return None if value is None else cast_value(value, declared)
