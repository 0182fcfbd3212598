"""From a stored name and version back to the event class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import pydantic

from cqrs_ddd_core.domain.event import DomainEvent, known_event_types
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    InvalidPayloadError,
    UnknownTypeError,
    UnknownVersionError,
)

__all__ = ["EventTypeRegistry"]


class EventTypeRegistry:
    """Event classes by stable name and schema version.

    With ``discover=True`` (the default) a name that was not registered is looked up among all event classes that
    have been defined in the process; two classes of one name and version are then an error that names both, to be
    settled by registering one. With ``discover=False`` only what was registered is known.
    """

    def __init__(self, *event_classes: type[DomainEvent], discover: bool = True) -> None:
        self._classes: dict[str, dict[int, type[DomainEvent]]] = {}
        self._discover = discover
        for event_class in event_classes:
            self.register(event_class)

    def register(self, event_class: type[DomainEvent], name: str | None = None, *, version: int | None = None) -> Self:
        """Make a class known. ``name`` and ``version`` default to what the class says of itself.

        Raises ``ConfigurationError`` when another class is registered under this name and version.
        """
        name = event_class.event_type if name is None else name
        version = event_class.schema_version() if version is None else version
        versions = self._classes.setdefault(name, {})
        known = versions.get(version)
        if known is not None and known is not event_class:
            raise ConfigurationError(
                f"Event type {name!r} version {version} is registered as {_path(known)}; "
                f"{_path(event_class)} needs another event_type or another version."
            )
        versions[version] = event_class
        return self

    def has(self, name: str, version: int | None = None) -> bool:
        versions = self._versions(name)
        return bool(versions) if version is None else version in versions

    def get(self, name: str, version: int | None = None) -> type[DomainEvent]:
        """The class of this name, in this schema version or else the newest.

        Raises ``UnknownTypeError`` or ``UnknownVersionError``.
        """
        versions = self._versions(name)
        if not versions:
            raise UnknownTypeError("event", name, self.list_registered())
        if version is None:
            return versions[max(versions)]
        try:
            return versions[version]
        except KeyError:
            raise UnknownVersionError("event", name, version, sorted(versions)) from None

    def latest_version(self, name: str) -> int:
        """The newest schema version of this type. Raises ``UnknownTypeError``."""
        return self.get(name).schema_version()

    def hydrate(self, name: str, data: Mapping[str, Any], *, version: int | None = None) -> DomainEvent:
        """An event from its data: the fields of the class, envelope included, as JSON or Python values.

        The class is that of ``version``, else of the version in the data, else the newest. Raises
        ``UnknownTypeError``, ``UnknownVersionError`` or ``InvalidPayloadError``, never returns None.
        """
        if version is None:
            version = _version_in(name, data)
        event_class = self.get(name, version)
        try:
            # JSON values are text for times, UUIDs and decimals, hence not strict whatever the class says.
            return event_class.model_validate(data, strict=False)
        except pydantic.ValidationError as error:
            raise InvalidPayloadError("event", name, _reasons(error), _where(data, event_class)) from error

    def list_registered(self) -> tuple[str, ...]:
        """The names that can be hydrated, sorted."""
        names = set(self._classes)
        if self._discover:
            names.update(known_event_types.names())
        return tuple(sorted(names))

    def clear(self) -> None:
        self._classes.clear()

    def _versions(self, name: str) -> Mapping[int, type[DomainEvent]]:
        registered = self._classes.get(name)
        if registered is not None or not self._discover:
            return registered or {}
        found: dict[int, type[DomainEvent]] = {}
        for event_class in known_event_types.find(name):
            version = event_class.schema_version()
            if version in found:
                raise ConfigurationError(
                    f"Event type {name!r} version {version} is defined twice, as {_path(found[version])} and "
                    f"{_path(event_class)}: give one of them another event_type, or register the right one."
                )
            found[version] = event_class
        return found


def _version_in(name: str, data: Mapping[str, Any]) -> int | None:
    version: Any = data.get("version")
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise InvalidPayloadError("event", name, f"version is a whole number, found {version!r}")
    return version


def _reasons(error: pydantic.ValidationError) -> str:
    """What is wrong with which field, without the values: they may be secret."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'the data'}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    )


def _where(data: Mapping[str, Any], event_class: type[DomainEvent]) -> str:
    return f"version {event_class.schema_version()}, event id {data.get('event_id')!r}"


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
