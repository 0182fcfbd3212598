"""How each type of a field becomes JSON and comes back, compiled once for each class.

A value in a field with a declared type is stored as plain JSON: the declaration says how to read it. Where nothing is
declared (``Any``, ``dict``, ``object``, unions, abstract collections), and where a field holds a subclass of what it
declares, the value carries a tag::

    {"@type": "Money", "amount": 9.9, "currency": "EUR"}       a model or dataclass
    {"@type": "decimal", "@value": "1.20"}                     a type of Python

so that paths such as ``items.price.amount`` stay what they are. Text, whole numbers, finite floats, booleans, None,
lists, and dicts with text keys need no tag.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import NoneType
from typing import Any, Final, Literal, NewType, TypeAliasType, get_args, get_origin, override

import pydantic
from pydantic import BaseModel, TypeAdapter

from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.state_scalar import (
    DATE,
    DATETIME,
    DECIMAL,
    PLAIN,
    SCALARS,
    TAGGED,
    TAGS,
    TIME,
    UUID_TEXT,
    Boolean,
    Codec,
    Integer,
    Nothing,
    StateProblem,
    Text,
    decode_items,
    encode_items,
    not_finite,
    storable_text,
    wrong,
)
from cqrs_ddd_core.domain.state_types import find_state_type, state_type_name
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, UnknownTypeError

__all__ = ["TYPE_TAG", "StructurePlan", "codec_of", "plan_of"]

TYPE_TAG: Final = "@type"
"""The key that names the type of a tagged value. It needs no quoting rules in any of the stores that we adapt."""
_VALUE_TAG: Final = "@value"
_PLAN: Final = "__cqrs_ddd_state_plan__"

# ---------------------------------------------------------------------------------------------------- undeclared


class _Undeclared(Codec):
    """Whatever stands where no type is declared: what JSON has, plain; everything else tagged, or refused."""

    exact: frozenset[type[Any]] = PLAIN

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        cls: type[Any] = value.__class__
        if cls is str:
            return storable_text(value)
        if cls in PLAIN:
            return value
        if cls is float:
            return value if math.isfinite(value) else {TYPE_TAG: "float", _VALUE_TAG: not_finite(value)}
        if cls is list:
            return encode_items(value, self, root)
        if cls is dict:
            return self._dict(value, root)
        return self._tagged(cls, value, root)

    def _dict(self, value: dict[Any, Any], root: type[Any]) -> Any:
        if set(map(type, value)) <= {str} and TYPE_TAG not in value:
            encoded: dict[str, Any] = {}
            for key, item in value.items():
                try:
                    encoded[storable_text(key)] = self.encode(item, root)
                except StateProblem as problem:
                    raise problem.under(key) from None
            return encoded
        pairs = [encode_items(pair, self, root) for pair in value.items()]
        return {TYPE_TAG: "dict", _VALUE_TAG: pairs}

    def _tagged(self, cls: type[Any], value: Any, root: type[Any]) -> Any:
        known = TAGGED.get(cls)
        if known is not None:
            return {TYPE_TAG: known[0], _VALUE_TAG: known[1].encode(value, root)}
        if cls in {tuple, set, frozenset}:
            items = encode_items(value, self, root)
            return {TYPE_TAG: cls.__name__, _VALUE_TAG: items if cls is tuple else _in_order(items)}
        return self._named(cls, value, root)

    def _named(self, cls: type[Any], value: Any, root: type[Any]) -> Any:
        """An object of a class of the user."""
        if issubclass(cls, Enum):
            return {TYPE_TAG: _name(cls, root), _VALUE_TAG: self.encode(value.value, root)}
        if issubclass(cls, AggregateRoot):
            raise StateProblem(_NO_AGGREGATE)
        if issubclass(cls, BaseModel) or dataclasses.is_dataclass(cls):
            return {TYPE_TAG: _name(cls, root), **plan_of(cls).dump(value, root)}
        if _is_named_tuple(cls):
            return {TYPE_TAG: _name(cls, root), _VALUE_TAG: codec_of(cls).encode(value, root)}
        raise StateProblem(
            f"found {cls.__name__} where no type is declared, and JSON could not give it back: "
            "use a plain type, a ValueObject, or declare the type of the field"
        )

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        cls: type[Any] = data.__class__
        if cls in PLAIN or cls is float:
            return data
        if cls is list:
            return decode_items(data, self, root)
        if isinstance(data, Mapping):
            if TYPE_TAG in data:
                return self._untagged(data, root)  # pyright: ignore[reportUnknownArgumentType]
            decoded: dict[str, Any] = {}
            for key, item in data.items():  # pyright: ignore[reportUnknownVariableType]
                try:
                    decoded[key] = self.decode(item, root)
                except StateProblem as problem:
                    raise problem.under(key) from None  # pyright: ignore[reportUnknownArgumentType]
            return decoded
        raise StateProblem(f"JSON data was expected, found {cls.__name__}")

    def _untagged(self, data: Mapping[str, Any], root: type[Any]) -> Any:
        name: str = data[TYPE_TAG]
        value = data.get(_VALUE_TAG)
        scalar = TAGS.get(name)
        if scalar is not None:
            return scalar.decode(value, root)
        match name:
            case "dict":
                return dict(decode_items(pair, self, root) for pair in value or ())
            case "tuple":
                return tuple(decode_items(value, self, root))
            case "set":
                return set(decode_items(value, self, root))
            case "frozenset":
                return frozenset(decode_items(value, self, root))
            case _:
                cls = _class(name, root)
        if issubclass(cls, Enum):
            return cls(self.decode(value, root))
        if issubclass(cls, tuple):
            return codec_of(cls).decode(value, root)
        return plan_of(cls).load({key: item for key, item in data.items() if key != TYPE_TAG}, root)


def _name(cls: type[Any], root: type[Any]) -> str:
    try:
        return state_type_name(cls, root)
    except ConfigurationError as error:
        raise StateProblem(str(error)) from None


def _class(name: str, root: type[Any]) -> type[Any]:
    try:
        return find_state_type(name, root)
    except (ConfigurationError, UnknownTypeError) as error:
        raise StateProblem(str(error)) from error


def _in_order(items: list[Any]) -> list[Any]:
    """Sets in an order that only depends on what is in them."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


_UNDECLARED: Final = _Undeclared()


# ---------------------------------------------------------------------------------------------------- containers


class _Optional(Codec):
    def __init__(self, inner: Codec) -> None:
        self._inner = inner
        self.exact = inner.exact | {NoneType}

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        return None if value is None else self._inner.encode(value, root)

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        return None if data is None else self._inner.decode(data, root)


class _Plain(Codec):
    """A choice of types that JSON tells apart by itself, such as ``int | str``."""

    def __init__(self, exact: frozenset[type[Any]], wanted: str) -> None:
        self.exact, self._wanted = exact, wanted

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if type(value) not in self.exact:
            raise wrong(self._wanted, value)
        return storable_text(value) if type(value) is str else value

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        if type(data) not in self.exact:
            raise wrong(self._wanted, data)
        return data


class _Items(Codec):
    """list, set, frozenset and tuple of any length."""

    def __init__(self, cls: type[Any], item: Codec) -> None:
        self._cls, self._item = cls, item
        self._in_order = issubclass(cls, set | frozenset)

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if not isinstance(value, self._cls):
            raise wrong(self._cls.__name__, value)
        items = encode_items(value, self._item, root)
        return _in_order(items) if self._in_order else items

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        items = decode_items(data, self._item, root)
        return items if self._cls is list else self._cls(items)


class _Tuple(Codec):
    """A tuple with a type for each place."""

    def __init__(self, items: tuple[Codec, ...], make: Callable[[list[Any]], Any], cls: type[Any] = tuple) -> None:
        self._items, self._make, self._cls = items, make, cls

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if not isinstance(value, self._cls) or len(value) != len(self._items):
            raise wrong(f"a {self._cls.__name__} of {len(self._items)}", value)
        return self._each(value, root, "encode")

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        if not isinstance(data, list) or len(data) != len(self._items):  # pyright: ignore[reportUnknownArgumentType]
            raise wrong(f"a list of {len(self._items)}", data)
        return self._make(self._each(data, root, "decode"))  # pyright: ignore[reportUnknownArgumentType]

    def _each(self, values: Iterable[Any], root: type[Any], way: Literal["encode", "decode"]) -> list[Any]:
        done: list[Any] = []
        for index, (codec, value) in enumerate(zip(self._items, values, strict=True)):
            try:
                done.append(getattr(codec, way)(value, root))
            except StateProblem as problem:
                raise problem.under(index) from None
        return done


class _Dict(Codec):
    """A dict with declared keys and values. Keys that have no form as text make it a list of pairs."""

    def __init__(self, key: Codec, item: Codec) -> None:
        self._key, self._item = key, item
        self._pairs = not _is_text(key)

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if not isinstance(value, dict):
            raise wrong("dict", value)
        pairs: list[list[Any]] = []
        for key, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            try:
                pairs.append([self._key.encode(key, root), self._item.encode(item, root)])
            except StateProblem as problem:
                raise problem.under(key) from None  # pyright: ignore[reportUnknownArgumentType]
        return pairs if self._pairs else {str(key): item for key, item in pairs}

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        if isinstance(data, Mapping):
            pairs: Any = data.items()  # pyright: ignore[reportUnknownVariableType]
        elif isinstance(data, list):
            pairs = data  # pyright: ignore[reportUnknownVariableType]
        else:
            raise wrong("dict", data)
        numbers = isinstance(self._key, Integer)
        decoded: dict[Any, Any] = {}
        for key, item in pairs:
            try:
                decoded[self._key.decode(int(key) if numbers else key, root)] = self._item.decode(item, root)
            except StateProblem as problem:
                raise problem.under(key) from None
        return decoded


def _is_text(key: Codec) -> bool:
    """Whether keys of this type have a form as text that says everything."""
    if isinstance(key, Text | Integer | _TextEnum):
        return True
    return key in {UUID_TEXT, DECIMAL, DATE, DATETIME, TIME} or (
        isinstance(key, _Plain) and key.exact == frozenset({str})
    )


class _UndeclaredDict(Codec):
    """``dict`` without types, and ``dict[Any, …]``: keys of any kind."""

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if not isinstance(value, dict):
            raise wrong("dict", value)
        return _UNDECLARED.encode(dict(value), root)  # pyright: ignore[reportUnknownArgumentType]

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        value = _UNDECLARED.decode(data, root)
        if not isinstance(value, dict):
            raise wrong("dict", data)
        return value  # pyright: ignore[reportUnknownVariableType]


class _TypedDict(Codec):
    def __init__(self, items: Mapping[str, Codec], name: str) -> None:
        self._items, self._name = items, name

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        return self._each(value, root, "encode")

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        return self._each(data, root, "decode")

    def _each(self, values: Any, root: type[Any], way: Literal["encode", "decode"]) -> dict[str, Any]:
        if not isinstance(values, Mapping):
            raise wrong(self._name, values)
        done: dict[str, Any] = {}
        for key, value in values.items():  # pyright: ignore[reportUnknownVariableType]
            try:
                if key not in self._items:
                    raise StateProblem(f"{self._name} declares no such key")
                done[key] = getattr(self._items[key], way)(value, root)
            except StateProblem as problem:
                raise problem.under(key) from None  # pyright: ignore[reportUnknownArgumentType]
        return done


# ---------------------------------------------------------------------------------------------------- classes


class _Enum(Codec):
    def __init__(self, cls: type[Enum]) -> None:
        self._cls = cls

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if type(value) is not self._cls:
            value = self._member(value)
        return _UNDECLARED.encode(value.value, root)

    def _member(self, value: Any) -> Enum:
        """A text in a field of a StrEnum is as good as the member: they are equal."""
        try:
            member = self._cls(value)
        except ValueError:
            raise wrong(self._cls.__name__, value) from None
        if member != value:
            raise wrong(self._cls.__name__, value)
        return member

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        value = _UNDECLARED.decode(data, root)
        try:
            return self._cls(value)
        except ValueError:
            raise wrong(self._cls.__name__, data) from None


class _TextEnum(_Enum):
    """An enum whose values are all text: its members can be keys of JSON objects."""


class _Structure(Codec):
    """A model or dataclass: plain for the declared class itself, tagged for a subclass."""

    def __init__(self, cls: type[Any]) -> None:
        self._cls = cls

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        cls: type[Any] = value.__class__
        if cls is self._cls:
            return plan_of(cls).dump(value, root)
        if not isinstance(value, self._cls):
            raise wrong(self._cls.__name__, value)
        return {TYPE_TAG: _name(cls, root), **plan_of(cls).dump(value, root)}

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        if not isinstance(data, Mapping):
            raise wrong(self._cls.__name__, data)
        fields: dict[str, Any] = dict(data)  # pyright: ignore[reportUnknownArgumentType]
        name = fields.pop(TYPE_TAG, None)
        cls = self._cls
        if name is not None:
            cls = _class(name, root)
            if not issubclass(cls, self._cls):
                raise StateProblem(f"declared as {self._cls.__name__}, found {name}, which is none")
        return plan_of(cls).load(fields, root)


_NO_AGGREGATE: Final = "an aggregate inside another one would lose its version and its events: keep its id instead"


class _Aggregate(Codec):
    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        raise StateProblem(_NO_AGGREGATE)

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        raise StateProblem(_NO_AGGREGATE)


class _Foreign(Codec):
    """A type that only pydantic knows. What it writes is read back at once: a loss shows when it is stored."""

    def __init__(self, annotation: Any) -> None:
        self._wanted = getattr(annotation, "__name__", None) or repr(annotation)
        self._adapter: TypeAdapter[Any] | None
        try:
            self._adapter = TypeAdapter(annotation)
        except pydantic.errors.PydanticSchemaGenerationError:
            self._adapter = None

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if self._adapter is None:
            raise StateProblem(
                f"its type {self._wanted} has no form in JSON: keep it in a private attribute, or declare another type"
            )
        try:
            data = self._adapter.dump_python(value, mode="json", warnings="error")
            same = self._adapter.validate_python(data) == value
        except (ValueError, pydantic.errors.PydanticUserError) as error:
            raise StateProblem(f"its type {self._wanted} cannot be written as JSON: {error}") from None
        if not same:
            raise StateProblem(f"it would not come back the same: its type {self._wanted} loses something as JSON")
        return data

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        if self._adapter is None:
            raise StateProblem(f"its type {self._wanted} has no form in JSON")
        try:
            return self._adapter.validate_python(data)
        except pydantic.ValidationError as error:
            raise StateProblem(f"does not fit {self._wanted}: {error.errors()[0]['msg']}") from None


# ---------------------------------------------------------------------------------------------------- from annotations


class _Later(Codec):
    """A recursive type alias: looked up when it is used."""

    def __init__(self, alias: TypeAliasType) -> None:
        self._alias = alias

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        return _aliases[self._alias].encode(value, root)

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        return _aliases[self._alias].decode(data, root)


_aliases: dict[TypeAliasType, Codec] = {}
_open_aliases: set[TypeAliasType] = set()


def codec_of(annotation: Any) -> Codec:
    """The codec of a type annotation."""
    if isinstance(annotation, TypeAliasType):
        return _alias(annotation)
    if isinstance(annotation, NewType):
        return codec_of(annotation.__supertype__)
    scalar = SCALARS.get(annotation) if isinstance(annotation, type) or annotation is None else None
    if scalar is not None:
        return scalar
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None:
        return _bare(annotation)
    return _parametrised(annotation, origin, arguments)


def _alias(alias: TypeAliasType) -> Codec:
    known = _aliases.get(alias)
    if known is not None:
        return known
    if alias in _open_aliases:
        return _Later(alias)
    _open_aliases.add(alias)
    try:
        _aliases[alias] = found = codec_of(alias.__value__)
    finally:
        _open_aliases.discard(alias)
    return found


def _bare(annotation: Any) -> Codec:
    if not isinstance(annotation, type) or annotation is object:
        return _UNDECLARED  # Any, a type variable, a forward reference
    if typing.is_typeddict(annotation):
        hints = typing.get_type_hints(annotation)  # without Required and the like
        return _TypedDict({name: codec_of(hint) for name, hint in hints.items()}, annotation.__name__)
    return _class_codec(annotation)  # pyright: ignore[reportUnknownArgumentType]  # any class


def _class_codec(cls: type[Any]) -> Codec:
    if issubclass(cls, AggregateRoot):
        return _Aggregate()
    if issubclass(cls, BaseModel) or dataclasses.is_dataclass(cls):
        return _Structure(cls)
    if issubclass(cls, Enum):
        return (_TextEnum if all(isinstance(member.value, str) for member in cls) else _Enum)(cls)
    if _is_named_tuple(cls):
        return _named_tuple(cls)
    if cls is dict:
        return _UndeclaredDict()
    if cls in {list, set, frozenset, tuple}:
        return _Items(cls, _UNDECLARED)
    if cls.__module__ in {"collections.abc", "typing"}:
        return _UNDECLARED
    return _Foreign(cls)


def _is_named_tuple(cls: type[Any]) -> bool:
    return issubclass(cls, tuple) and hasattr(cls, "_fields")  # pyright: ignore[reportUnknownArgumentType]


def _named_tuple(cls: Any) -> Codec:
    hints = typing.get_type_hints(cls)
    names: tuple[str, ...] = cls._fields
    return _Tuple(tuple(codec_of(hints.get(name, Any)) for name in names), lambda values: cls(*values), cls)


def _parametrised(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Codec:
    if origin in {typing.Annotated, typing.Final, typing.Required, typing.NotRequired}:
        return codec_of(arguments[0])
    if isinstance(origin, TypeAliasType):
        return codec_of(origin.__value__[arguments])
    if origin is Literal:
        kinds: frozenset[type[Any]] = frozenset(value.__class__ for value in arguments)
        return _Plain(kinds, str(annotation)) if kinds <= PLAIN else _UNDECLARED
    if origin in {typing.Union, types.UnionType}:
        return _union(annotation, arguments)
    if origin in {dict, list, set, frozenset, tuple}:
        return _container(origin, arguments)
    if dataclasses.is_dataclass(origin) and isinstance(origin, type):
        return _Structure(origin)
    if getattr(origin, "__module__", "") == "collections.abc":
        return _UNDECLARED  # Sequence, Mapping and their like: it is whatever was put in
    return _Foreign(annotation)


def _container(origin: type[Any], arguments: tuple[Any, ...]) -> Codec:
    if origin is dict:
        return _UndeclaredDict() if arguments[0] is Any else _Dict(codec_of(arguments[0]), codec_of(arguments[1]))
    if origin is tuple and (not arguments or arguments[-1] is not Ellipsis):
        return _Tuple(tuple(codec_of(argument) for argument in arguments), tuple)
    return _Items(origin, codec_of(arguments[0]))


def _union(annotation: Any, arguments: tuple[Any, ...]) -> Codec:
    members = [argument for argument in arguments if argument is not NoneType and argument is not None]
    if len(members) == 1:
        return _Optional(codec_of(members[0]))
    codecs = [codec_of(member) for member in arguments]
    if all(isinstance(codec, Text | Integer | Boolean | Nothing | _Plain) for codec in codecs):
        return _Plain(frozenset[type[Any]]().union(*(codec.exact for codec in codecs)), str(annotation))
    return _UNDECLARED


# ---------------------------------------------------------------------------------------------------- structures


class StructurePlan:
    """The fields of one model or dataclass and how each is stored, in order."""

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls
        self._model = issubclass(cls, BaseModel)
        if issubclass(cls, BaseModel):
            if not cls.__pydantic_complete__:
                cls.model_rebuild()
            declared = {name: field.annotation for name, field in cls.model_fields.items()}
        else:
            hints = typing.get_type_hints(cls)
            declared = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
        self._fields = tuple(
            (name, codec.exact, codec) for name, codec in ((name, codec_of(hint)) for name, hint in declared.items())
        )
        self._names = frozenset(declared)

    def dump(self, value: Any, root: type[Any]) -> dict[str, Any]:
        """Its fields as JSON data. Raises ``StateProblem``."""
        values: Mapping[str, Any] = value.__dict__ if self._model else _Attributes(value)
        encoded: dict[str, Any] = {}
        for name, exact, codec in self._fields:
            try:
                item = values[name]
                kind: type[Any] = item.__class__
                unchanged = kind in exact and (kind is not str or (item.isascii() and "\0" not in item))
                encoded[name] = item if unchanged else codec.encode(item, root)
            except KeyError:
                raise StateProblem("it has no value (was it made by model_construct?)").under(name) from None
            except StateProblem as problem:
                raise problem.under(name) from None
        extra: dict[str, Any] | None = value.__pydantic_extra__ if self._model else None
        for name, item in (extra or {}).items():
            if name in {TYPE_TAG, _VALUE_TAG}:
                raise StateProblem(f"an extra field cannot be named {name}").under(name)
            try:
                encoded[name] = _UNDECLARED.encode(item, root)
            except StateProblem as problem:
                raise problem.under(name) from None
        return encoded

    def load(self, data: Mapping[str, Any], root: type[Any]) -> Any:
        """An object with these fields, without running validators or ``__init__``. Raises ``StateProblem``."""
        values: dict[str, Any] = {}
        for name, exact, codec in self._fields:
            if name not in data:
                values[name] = self._default(name, values)
                continue
            item = data[name]
            try:
                values[name] = item if type(item) in exact else codec.decode(item, root)
            except StateProblem as problem:
                raise problem.under(name) from None
        extra = None if len(data) <= len(self._names) and self._names.issuperset(data) else self._extra(data, root)
        if self._model:
            return self._made(values, extra, frozenset(data))
        return self._made_dataclass(values)

    def _default(self, name: str, values: dict[str, Any]) -> Any:
        """What a field has that was added to the class after the data was stored."""
        if issubclass(self.cls, BaseModel):
            field = self.cls.model_fields[name]
            if not field.is_required():
                return field.get_default(call_default_factory=True, validated_data=values)
        else:
            [found] = [field for field in dataclasses.fields(self.cls) if field.name == name]
            if found.default is not dataclasses.MISSING:
                return found.default
            if found.default_factory is not dataclasses.MISSING:
                return found.default_factory()
        raise StateProblem("the data lacks this field, and the class has no default for it").under(name)

    def _extra(self, data: Mapping[str, Any], root: type[Any]) -> dict[str, Any] | None:
        unknown = [name for name in data if name not in self._names]
        if not unknown:
            return None
        if not issubclass(self.cls, BaseModel) or self.cls.model_config.get("extra") != "allow":
            raise StateProblem(
                f"the data has {', '.join(map(repr, unknown))}, which {self.cls.__name__} does not declare: "
                "keep the field, or migrate the data before it is loaded"
            )
        return {name: _UNDECLARED.decode(data[name], root) for name in unknown}

    def _made(self, values: dict[str, Any], extra: dict[str, Any] | None, fields_set: frozenset[str]) -> Any:
        cls: Any = self.cls
        made = cls.__new__(cls)
        object.__setattr__(made, "__dict__", values)
        object.__setattr__(made, "__pydantic_fields_set__", set(fields_set))
        if extra is None and cls.model_config.get("extra") == "allow":
            extra = {}
        object.__setattr__(made, "__pydantic_extra__", extra)
        if cls.__pydantic_post_init__:
            made.model_post_init(None)  # gives private attributes their defaults
        else:
            object.__setattr__(made, "__pydantic_private__", None)
        return made

    def _made_dataclass(self, values: dict[str, Any]) -> Any:
        late = {field.name for field in dataclasses.fields(self.cls) if not field.init}
        try:
            made = self.cls(**{name: value for name, value in values.items() if name not in late})
        except (TypeError, ValueError) as error:
            raise StateProblem(f"{self.cls.__name__} refused it: {error}") from error
        for name in late:
            object.__setattr__(made, name, values[name])
        return made


class _Attributes(Mapping[str, Any]):
    """The attributes of an object, as a mapping: a dataclass may have slots."""

    def __init__(self, value: Any) -> None:
        self._value = value

    @override
    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._value, name)
        except AttributeError:
            raise KeyError(name) from None

    @override
    def __iter__(self) -> Any:
        raise NotImplementedError

    @override
    def __len__(self) -> int:
        raise NotImplementedError


def plan_of(cls: type[Any]) -> StructurePlan:
    """The plan of a model or dataclass, made at its first use and kept on the class."""
    plan: StructurePlan | None = cls.__dict__.get(_PLAN)
    if plan is None:
        plan = StructurePlan(cls)
        type.__setattr__(cls, _PLAN, plan)
    return plan
