"""Which class a stored name stands for: nothing is ever imported by a path that stands in the data."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, NewType, TypeAliasType, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from cqrs_ddd_core.domain.type_name import ClassCatalogue
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, UnknownTypeError

__all__ = [
    "RESERVED_TYPE_NAMES",
    "find_state_type",
    "known_value_types",
    "reachable_types",
    "register_state_type",
    "state_type_name",
    "subclasses_of",
]

known_value_types: ClassCatalogue[BaseModel] = ClassCatalogue[BaseModel]()
"""Every value object and entity class that has been defined in this process, by the name of the class."""

RESERVED_TYPE_NAMES = frozenset(
    {
        "bytearray",
        "bytes",
        "date",
        "datetime",
        "decimal",
        "dict",
        "float",
        "frozenset",
        "set",
        "time",
        "timedelta",
        "tuple",
        "uuid",
    }
)
"""What the tags of Python's own types are called in stored data."""

_classes: dict[str, type[Any]] = {}
_names: weakref.WeakKeyDictionary[type[Any], str] = weakref.WeakKeyDictionary()

_REACHABLE = "__cqrs_ddd_reachable__"


def register_state_type[T: type[Any]](cls: T, name: str | None = None, *, former_names: tuple[str, ...] = ()) -> T:
    """Let objects of this class stand where no type is declared (``dict``, ``Any``, unions), and give it a name.

    Needed for plain pydantic models, enums and dataclasses that no field of the aggregate declares, and for classes
    that share a name with another one. ``name`` defaults to the name of the class; it must not change once data is
    stored, or the old one has to be kept among ``former_names``, which are read and never written. Returns the class,
    so that it works as a decorator. Raises ``ConfigurationError`` when another class has a name.
    """
    own = cls.__name__ if name is None else name
    for each in (own, *former_names):
        if each in RESERVED_TYPE_NAMES or not each:
            raise ConfigurationError(
                f"{each!r} cannot be the stored name of {_path(cls)}: it stands for a type of Python."
            )
        known = _classes.get(each)
        if known is not None and known is not cls and _path(known) != _path(cls):
            raise ConfigurationError(
                f"The stored name {each!r} belongs to {_path(known)}; give {_path(cls)} another one: "
                f"register_state_type({cls.__name__}, 'AnotherName')."
            )
    for each in (own, *former_names):
        _classes[each] = cls
    _names[cls] = own
    return cls


def state_type_name(cls: type[Any], root: type[Any]) -> str:
    """The name that stands for ``cls`` in the data of ``root``.

    Raises ``ConfigurationError`` when reading the data would not find this very class under that name.
    """
    name = _names.get(cls) or cls.__name__
    if name in RESERVED_TYPE_NAMES:
        raise ConfigurationError(
            f"its class {_path(cls)} has a reserved name: register_state_type({name}, 'AnotherName')"
        )
    try:
        found = find_state_type(name, root)
    except UnknownTypeError:
        raise ConfigurationError(
            f"its class {_path(cls)} is not known by name: declare it as the type of a field, derive it from "
            f"ValueObject or Entity, or register it with register_state_type({cls.__name__})"
        ) from None
    if found is not cls:
        raise ConfigurationError(
            f"the name {name!r} would come back as {_path(found)} and not as {_path(cls)}: "
            f"give it a name of its own with register_state_type({cls.__name__}, 'AnotherName')"
        )
    return name


def find_state_type(name: str, root: type[Any]) -> type[Any]:
    """The class that ``name`` stands for in the data of ``root``.

    What was registered comes first, then what the fields of ``root`` declare, then value objects, entities and
    subclasses of what is declared; of several with one name, the one from the module of ``root``, then from its
    package. Raises ``UnknownTypeError``; ``ConfigurationError`` when it stays ambiguous.
    """
    registered = _classes.get(name)
    if registered is not None:
        return registered
    candidates = _reachable_by_name(root).get(name)
    if not candidates:
        reachable = reachable_types(root)
        candidates = {*known_value_types.find(name)}
        for base in reachable:
            candidates.update(cls for cls in subclasses_of(base) if cls.__name__ == name)
        candidates.difference_update(_names)
        if not candidates:
            known = {*_classes, *known_value_types.names(), *(cls.__name__ for cls in reachable)}
            raise UnknownTypeError("value", name, sorted(known))
    nearest = _nearest(candidates, root)
    if len(nearest) == 1:
        [found] = nearest
        return found
    paths = " and ".join(sorted(_path(cls) for cls in nearest))
    raise ConfigurationError(
        f"the name {name!r} stands for {paths}: give one of them another name with register_state_type"
    )


def _nearest(candidates: set[type[Any]], root: type[Any]) -> set[type[Any]]:
    """Those of the candidates that stand nearest to ``root``."""
    if len(candidates) == 1:
        return candidates
    for same in (
        {cls for cls in candidates if cls.__module__ == root.__module__},
        {cls for cls in candidates if cls.__module__.partition(".")[0] == root.__module__.partition(".")[0]},
    ):
        if same:
            return same
    return candidates


def subclasses_of(cls: type[Any]) -> Iterator[type[Any]]:
    """All subclasses, near and far, that are still in use."""
    subclasses: list[type[Any]] = type.__subclasses__(cls)
    for sub in subclasses:
        yield sub
        yield from subclasses_of(sub)


def reachable_types(root: type[Any]) -> frozenset[type[Any]]:
    """The models, enums and dataclasses that the fields of ``root`` declare, directly or through others."""
    return frozenset(cls for classes in _reachable_by_name(root).values() for cls in classes)


def _reachable_by_name(root: type[Any]) -> dict[str, set[type[Any]]]:
    found: dict[str, set[type[Any]]] | None = root.__dict__.get(_REACHABLE)
    if found is None:
        collected: set[type[Any]] = set()
        _collect(root, collected, set())
        found = {}
        for cls in collected:
            found.setdefault(cls.__name__, set()).add(cls)
        type.__setattr__(root, _REACHABLE, found)
    return found


def _collect(annotation: Any, found: set[type[Any]], seen: set[TypeAliasType]) -> None:
    if isinstance(annotation, TypeAliasType):
        if annotation not in seen:
            seen.add(annotation)
            _collect(annotation.__value__, found, seen)
    elif isinstance(annotation, NewType):
        _collect(annotation.__supertype__, found, seen)
    elif arguments := get_args(annotation):
        origin = get_origin(annotation)
        for part in (origin, *(arguments[:1] if origin is Annotated else arguments)):
            _collect(part, found, seen)
    elif isinstance(annotation, type) and annotation not in found:
        for hint in _hints_of(annotation, found):
            _collect(hint, found, seen)


def _hints_of(cls: type[Any], found: set[type[Any]]) -> list[Any]:
    """Take ``cls`` up if it can be tagged, and give the types of its fields."""
    if issubclass(cls, BaseModel):
        found.add(cls)
        return [field.annotation for field in cls.__pydantic_fields__.values()]
    with_fields = dataclasses.is_dataclass(cls) or _is_named_tuple(cls)
    if with_fields or issubclass(cls, Enum):
        found.add(cls)
    return [*get_type_hints(cls).values()] if with_fields else []


def _is_named_tuple(cls: type[Any]) -> bool:
    return issubclass(cls, tuple) and hasattr(cls, "_fields")  # pyright: ignore[reportUnknownArgumentType]


def _path(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
