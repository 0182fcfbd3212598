"""What a field holds, found out from the type that declares it."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum, auto
from typing import Any, Final, Literal, NewType, TypeAliasType, TypeVar, get_args, get_origin, is_typeddict
from uuid import UUID

from pydantic import BaseModel, SecretBytes, SecretStr, TypeAdapter

from cqrs_ddd_core.domain.field_path import field_steps
from cqrs_ddd_core.domain.spatial import Geometry
from cqrs_ddd_core.primitives.exceptions import FieldNotFoundError, FieldNotQueryableError

__all__ = ["FieldKind", "FieldType", "field_type", "type_of"]


class FieldKind(StrEnum):
    """The kinds of values that operators tell apart."""

    TEXT = auto()
    INTEGER = auto()
    FLOAT = auto()
    DECIMAL = auto()
    BOOLEAN = auto()
    DATETIME = auto()
    """A point in time; a naive one is in UTC."""
    DATE = auto()
    TIME = auto()
    """A time of day; an offset in it does not count."""
    DURATION = auto()
    UUID = auto()
    LIST = auto()
    OBJECT = auto()
    """A model, a dataclass or a mapping."""
    GEOMETRY = auto()
    OPAQUE = auto()
    """Bytes and secrets: there or not there, and nothing else can be asked."""
    JSON = auto()
    """Not declared (``Any``, a union of several kinds): each value is what it is in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldType:
    """What a field holds, whenever it is not null."""

    kind: FieldKind
    annotation: Any = None
    """The declared type, without None, aliases and annotations; None where nothing is declared."""
    owner: type[Any] | None = field(default=None, compare=False)
    """The class where the path begins."""
    many: bool = False
    """The path goes through a list: there may be several values."""
    items: FieldType | None = None
    """What the items of a list are; None for anything else."""
    ordered: bool = True
    """False for a set, whose items come in no order."""
    choices: tuple[Any, ...] = ()
    """The values of an enum or a ``Literal``; empty when any value of the kind will do."""


def field_type(model: Any, path: str) -> FieldType:
    """What the field at ``path`` of ``model`` holds. ``model`` is a class: pydantic, dataclass, TypedDict or plain.

    Raises ``FieldNotFoundError`` for a field that the class does not have, ``FieldNotQueryableError`` for a property,
    which no database keeps, and ``FieldPathError``. Of what is not declared everything is possible: ``FieldKind.JSON``.
    """
    here: list[Any] = [model]
    many = False
    steps = field_steps(path)
    for index, step in enumerate(steps):
        places: list[Any] = []
        for member in _members(here):
            items = _items_of(member)
            if items is None:
                places.append(member)
            else:
                many = True
                # A list directly in a list does not stand for its items.
                places += [item for item in _members([items]) if _items_of(item) is None]
        found = [child for place in places for child in _child(place, step, path)]
        if not found:
            owner = ".".join([getattr(model, "__name__", str(model)), *steps[:index]])
            raise FieldNotFoundError(path, step, owner, sorted({name for place in places for name in _names(place)}))
        here = found
    return dataclasses.replace(_describe(here), many=many, owner=model)


def type_of(annotation: Any) -> FieldType:
    """What a field of this declared type holds."""
    return _describe([annotation])


# ------------------------------------------------------------------------------------------------ declared types

_JSON: Final = FieldType(kind=FieldKind.JSON)
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
    (bytes, FieldKind.OPAQUE),
    (bytearray, FieldKind.OPAQUE),
    (SecretStr, FieldKind.OPAQUE),
    (SecretBytes, FieldKind.OPAQUE),
    (Mapping, FieldKind.OBJECT),
    (AbstractSet, FieldKind.LIST),
    (Sequence, FieldKind.LIST),
)
_JSON_SCHEMA_KINDS: Final[Mapping[tuple[str | None, str | None], FieldKind]] = {
    ("string", "date-time"): FieldKind.DATETIME,
    ("string", "date"): FieldKind.DATE,
    ("string", "time"): FieldKind.TIME,
    ("string", "duration"): FieldKind.DURATION,
    ("string", "uuid"): FieldKind.UUID,
    ("string", "password"): FieldKind.OPAQUE,
    ("string", "binary"): FieldKind.OPAQUE,
    ("string", None): FieldKind.TEXT,
    ("integer", None): FieldKind.INTEGER,
    ("number", None): FieldKind.FLOAT,
    ("boolean", None): FieldKind.BOOLEAN,
    ("object", None): FieldKind.OBJECT,
    ("array", None): FieldKind.LIST,
}


def _members(annotations: Iterable[Any]) -> Iterator[Any]:
    """The types behind aliases, annotations and unions, without None."""
    for annotation in annotations:
        origin = get_origin(annotation)
        if annotation is None or annotation is types.NoneType:
            continue
        if isinstance(annotation, TypeAliasType):
            yield from _members([annotation.__value__])
        elif isinstance(origin, TypeAliasType):
            yield from _members([origin.__value__])  # its type parameters are left open, and open means anything
        elif isinstance(annotation, NewType):
            yield from _members([annotation.__supertype__])
        elif isinstance(annotation, TypeVar):
            yield from _members(annotation.__constraints__ or [annotation.__bound__ or Any])
        elif origin is typing.Union or origin is types.UnionType:
            yield from _members(get_args(annotation))
        elif origin is typing.Annotated or origin is typing.Final or origin is typing.ClassVar:
            yield from _members(get_args(annotation)[:1])
        else:
            yield annotation


def _class_of(annotation: Any) -> type[Any] | None:
    """The class behind an annotation; None for ``Any``, ``object`` and what is no class."""
    cls = get_origin(annotation) or annotation
    return cls if isinstance(cls, type) and cls is not Any and cls is not object else None


def _kind_of(annotation: Any) -> FieldKind:
    cls = _class_of(annotation)
    if cls is None:
        return FieldKind.JSON
    if issubclass(cls, Geometry) or hasattr(cls, "__geo_interface__"):
        return FieldKind.GEOMETRY
    if issubclass(cls, BaseModel) or dataclasses.is_dataclass(cls) or is_typeddict(cls):
        return FieldKind.OBJECT
    for known, kind in _KINDS:
        if issubclass(cls, known):
            return kind
    return _kind_in_json(annotation)


def _kind_in_json(annotation: Any) -> FieldKind:
    """The kind of a type that only pydantic knows, such as ``HttpUrl`` or ``AwareDatetime``."""
    try:
        schema = TypeAdapter(annotation).json_schema(mode="serialization")
    except Exception:  # noqa: BLE001 - pydantic raises many errors for what it does not know, users' code any other
        return FieldKind.JSON
    kind, form = schema.get("type"), schema.get("format")
    return _JSON_SCHEMA_KINDS.get((kind, form)) or _JSON_SCHEMA_KINDS.get((kind, None), FieldKind.JSON)


def _describe(annotations: list[Any], depth: int = 0) -> FieldType:
    members = list(_members(annotations))
    choices: list[Any] = []
    kinds: set[FieldKind] = set()
    for member in members:
        values = _choices_of(member)
        choices += values
        kinds |= {_kind_of(type(value)) for value in values} if values else {_kind_of(member)}
    if len(kinds) != 1:
        return _JSON
    kind = kinds.pop()
    if kind is FieldKind.JSON:
        return _JSON
    everyone_chooses = all(_choices_of(member) for member in members)
    items = [_items_of(member) for member in members] if kind is FieldKind.LIST else []
    return FieldType(
        kind=kind,
        annotation=members[0] if len(members) == 1 else typing.Union[tuple(members)],  # noqa: UP007 - of any number
        # A type that contains itself would go on for ever.
        items=None if kind is not FieldKind.LIST else _JSON if depth > 4 else _describe(items, depth + 1),
        ordered=not any(issubclass(_class_of(member) or object, AbstractSet) for member in members),
        choices=tuple(dict.fromkeys(choices)) if everyone_chooses else (),
    )


def _choices_of(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Literal:
        return [
            value.value if isinstance(value, Enum) else value for value in get_args(annotation) if value is not None
        ]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [member.value for member in annotation]
    return []


def _items_of(annotation: Any) -> Any | None:
    """The declared type of the items when it is a list, tuple, set and the like; None for anything else."""
    cls = _class_of(annotation)
    if cls is None or _choices_of(annotation) or _kind_of(annotation) is not FieldKind.LIST:
        return None
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    return typing.Union[tuple(arguments)] if arguments else Any  # noqa: UP007 - made of what is found at run time


# ------------------------------------------------------------------------------------------------ fields of a class


def _child(annotation: Any, name: str, path: str) -> list[Any]:
    """The declared type of a field, as the only item; empty when there is no such field."""
    cls = _class_of(annotation)
    if cls is None:
        return [] if _choices_of(annotation) else [Any]
    if _is_mapping(cls):
        arguments = get_args(annotation)
        return [arguments[1]] if len(arguments) == 2 else [Any]
    if _is_value(annotation):
        return []
    fields = _fields_of(cls)
    if name in fields:
        return [fields[name]]
    found = inspect.getattr_static(cls, name, None)
    if not name.startswith("_") and (isinstance(found, property) or hasattr(found, "decorator_info")):
        raise FieldNotQueryableError(path, f"{cls.__name__}.{name} is computed, and not stored with the object")
    return [] if _has_closed_fields(cls) or name.startswith("_") else [Any]


def _is_mapping(cls: type[Any]) -> bool:
    """Whether its keys are data and not declared."""
    return not is_typeddict(cls) and issubclass(cls, Mapping)


def _is_value(annotation: Any) -> bool:
    """Whether it is something without fields."""
    return bool(_choices_of(annotation)) or _kind_of(annotation) not in {
        FieldKind.OBJECT,
        FieldKind.GEOMETRY,
        FieldKind.JSON,
    }


def _fields_of(cls: type[Any]) -> Mapping[str, Any]:
    if issubclass(cls, BaseModel):
        return {name: field.annotation for name, field in cls.model_fields.items()}
    try:
        hints = typing.get_type_hints(cls)
    except (NameError, TypeError, AttributeError):
        hints = dict.fromkeys(inspect.get_annotations(cls), Any)  # a name in quotes that cannot be found
    if dataclasses.is_dataclass(cls):
        return {field.name: hints.get(field.name, Any) for field in dataclasses.fields(cls)}
    return {name: hint for name, hint in hints.items() if get_origin(hint) is not typing.ClassVar}


def _has_closed_fields(cls: type[Any]) -> bool:
    """Whether the declared fields are all that there are."""
    if issubclass(cls, BaseModel):
        return cls.model_config.get("extra") != "allow"
    return dataclasses.is_dataclass(cls) or is_typeddict(cls)


def _names(annotation: Any) -> Iterable[str]:
    cls = _class_of(annotation)
    return () if cls is None or _is_value(annotation) or _is_mapping(cls) else _fields_of(cls)
