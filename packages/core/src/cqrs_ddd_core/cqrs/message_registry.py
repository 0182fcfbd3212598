"""From a stored name back to the command or query class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import pydantic

from cqrs_ddd_core.cqrs.message import Command, Query, known_message_types
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, InvalidPayloadError, UnknownTypeError

__all__ = ["MessageRegistry"]

type MessageClass = type[Command[Any] | Query[Any]]


class MessageRegistry:
    """Command and query classes by stable name, to rebuild stored messages.

    With ``discover=True`` (the default) a name that was not registered is looked up among all classes that have been
    defined in the process; two of one name are then an error that names both.
    """

    def __init__(self, *message_classes: MessageClass, discover: bool = True) -> None:
        self._classes: dict[str, MessageClass] = {}
        self._discover = discover
        for message_class in message_classes:
            self.register(message_class)

    def register(self, message_class: MessageClass, name: str | None = None) -> Self:
        """Make a class known. Raises ``ConfigurationError`` when another class has the name."""
        name = message_class.message_type if name is None else name
        known = self._classes.get(name)
        if known is not None and known is not message_class:
            raise ConfigurationError(
                f"Message type {name!r} is registered as {_path(known)}, not as {_path(message_class)}."
            )
        self._classes[name] = message_class
        return self

    def has(self, name: str) -> bool:
        return name in self._classes or (self._discover and bool(known_message_types.find(name)))

    def get(self, name: str) -> MessageClass:
        """The class of this name. Raises ``UnknownTypeError``; ``ConfigurationError`` when two have it."""
        known = self._classes.get(name)
        if known is not None:
            return known
        found: tuple[MessageClass, ...] = known_message_types.find(name) if self._discover else ()
        if not found:
            raise UnknownTypeError("message", name, self.list_registered())
        first, *others = found
        if others:
            raise ConfigurationError(
                f"Message type {name!r} is defined as {' and as '.join(map(_path, found))}: "
                "give one of them another message_type, or register the right one."
            )
        return first

    def hydrate(self, name: str, data: Mapping[str, Any]) -> Command[Any] | Query[Any]:
        """A message from its JSON or Python data. Raises ``UnknownTypeError`` or ``InvalidPayloadError``."""
        message_class = self.get(name)
        try:
            return message_class.model_validate(data, strict=False)
        except pydantic.ValidationError as error:
            raise InvalidPayloadError("message", name, str(error)) from error

    def list_registered(self) -> tuple[str, ...]:
        """The names that can be hydrated, sorted."""
        return tuple(sorted({*self._classes, *(known_message_types.names() if self._discover else ())}))

    def clear(self) -> None:
        self._classes.clear()


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
