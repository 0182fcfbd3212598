"""Which handler is responsible for what."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from cqrs_ddd_core.cqrs.handler import CommandHandler, EventHandler, QueryHandler
from cqrs_ddd_core.cqrs.message import Command, Query
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.primitives.exceptions import HandlerNotFoundError, HandlerRegistrationError, close_matches

__all__ = ["EventHandlerCallable", "EventHandlerRegistration", "HandlerRegistry", "When"]

type EventHandlerCallable[E: DomainEvent] = Callable[[E], Awaitable[None] | None]


class When(StrEnum):
    """When an event handler runs."""

    AFTER_COMMIT = "after_commit"
    """When the command is committed. A failure is logged and fails nobody else. Lost if the process dies."""
    BEFORE_COMMIT = "before_commit"
    """Inside the command's transaction. A failure fails the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHandlerRegistration:
    """One handler and what it waits for."""

    event_type: type[DomainEvent]
    handler: Any
    """An object with ``handle``, a class of such, or a callable."""
    when: When

    @property
    def name(self) -> str:
        """What to call the handler in logs and explanations."""
        handler = self.handler
        if isinstance(handler, type):
            return handler.__name__
        return getattr(handler, "__qualname__", None) or type(handler).__name__


class HandlerRegistry:
    """Handlers by message class. Commands and queries have exactly one, events any number.

    A handler is given as an object, or as a class: then the mediator's ``handler_factory`` makes one for each
    message. Registering later than the mediator was built is fine.
    """

    def __init__(self) -> None:
        self._commands: dict[type[Command[Any]], Any] = {}
        self._queries: dict[type[Query[Any]], Any] = {}
        self._events: list[EventHandlerRegistration] = []
        self._listeners: list[weakref.WeakMethod[Callable[[], None]]] = []

    def register_command_handler[R](
        self, command_type: type[Command[R]], handler: CommandHandler[R] | type[CommandHandler[R]]
    ) -> None:
        """Let ``handler`` carry out these commands. Raises ``HandlerRegistrationError`` for a second one."""
        _check_message_type(command_type, Command, "command")
        _check_handler(handler, command_type)
        self._set(self._commands, command_type, handler)

    def register_query_handler[R](
        self, query_type: type[Query[R]], handler: QueryHandler[R] | type[QueryHandler[R]]
    ) -> None:
        """Let ``handler`` answer these queries. Raises ``HandlerRegistrationError`` for a second one."""
        _check_message_type(query_type, Query, "query")
        _check_handler(handler, query_type)
        self._set(self._queries, query_type, handler)

    def register_event_handler[E: DomainEvent](
        self,
        event_type: type[E],
        handler: EventHandler[E] | type[EventHandler[E]] | EventHandlerCallable[E],
        *,
        when: When | Literal["after_commit", "before_commit"] = When.AFTER_COMMIT,
    ) -> None:
        """Let ``handler`` react to these events and to those of subclasses.

        Handlers run in order of registration, one after another. ``when="before_commit"`` joins the command's
        transaction and can refuse it. The same handler for the same event and time is registered once.
        """
        _check_message_type(event_type, DomainEvent, "event")
        if not callable(handler):
            _check_handler(handler, event_type)
        elif isinstance(handler, type) and not callable(getattr(handler, "handle", None)):
            raise HandlerRegistrationError(f"{handler.__name__} has no method handle(event).")
        try:
            when = When(when)
        except ValueError:
            raise HandlerRegistrationError(
                f"when is one of {', '.join(repr(str(known)) for known in When)}; found {when!r}."
            ) from None
        registration = EventHandlerRegistration(event_type=event_type, handler=handler, when=when)
        if registration not in self._events:
            self._events.append(registration)
            self._changed()

    def get_command_handler(self, command_type: type[Command[Any]]) -> Any:
        """The handler or handler class. Raises ``HandlerNotFoundError``."""
        return self._get(self._commands, command_type, "command")

    def get_query_handler(self, query_type: type[Query[Any]]) -> Any:
        """The handler or handler class. Raises ``HandlerNotFoundError``."""
        return self._get(self._queries, query_type, "query")

    def get_event_handlers(
        self, event_type: type[DomainEvent], when: When | None = None
    ) -> tuple[EventHandlerRegistration, ...]:
        """The handlers of this class and its bases, in order of registration."""
        return tuple(
            registration
            for registration in self._events
            if issubclass(event_type, registration.event_type) and (when is None or registration.when is when)
        )

    @property
    def command_types(self) -> tuple[type[Command[Any]], ...]:
        return tuple(self._commands)

    @property
    def query_types(self) -> tuple[type[Query[Any]], ...]:
        return tuple(self._queries)

    @property
    def event_registrations(self) -> tuple[EventHandlerRegistration, ...]:
        return tuple(self._events)

    def clear(self) -> None:
        self._commands.clear()
        self._queries.clear()
        self._events.clear()
        self._changed()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call a bound method after every change, as long as its object lives. For mediators and dispatchers."""
        self._listeners.append(weakref.WeakMethod(listener))

    def _set(self, handlers: dict[Any, Any], message_type: type, handler: Any) -> None:
        known = handlers.get(message_type)
        if known is not None and known is not handler:
            raise HandlerRegistrationError(
                f"{message_type.__name__} has a handler already, {_name(known)}; {_name(handler)} would be a second. "
                "A command or query has exactly one; reactions belong into event handlers."
            )
        handlers[message_type] = handler
        self._changed()

    def _get(self, handlers: dict[Any, Any], message_type: type, kind: str) -> Any:
        try:
            return handlers[message_type]
        except KeyError:
            known: Iterable[str] = (known.__name__ for known in handlers)
            raise HandlerNotFoundError(
                f"No handler is registered for the {kind} {message_type.__name__}: "
                f"call registry.register_{kind}_handler({message_type.__name__}, …)."
                f"{close_matches(message_type.__name__, known)}"
            ) from None

    def _changed(self) -> None:
        alive: list[weakref.WeakMethod[Callable[[], None]]] = []
        for reference in self._listeners:
            listener = reference()
            if listener is not None:
                listener()
                alive.append(reference)
        self._listeners = alive


def _name(handler: Any) -> str:
    return handler.__name__ if isinstance(handler, type) else type(handler).__name__


def _check_message_type(message_type: Any, base: type, kind: str) -> None:
    if not (isinstance(message_type, type) and issubclass(message_type, base)):
        raise HandlerRegistrationError(
            f"Wanted is a class of {kind}s, a subclass of {base.__name__}; found {message_type!r}."
        )


def _check_handler(handler: Any, message_type: type) -> None:
    if not callable(getattr(handler, "handle", None)):
        raise HandlerRegistrationError(
            f"The handler of {message_type.__name__} is an object or a class with a method handle(message); "
            f"found {handler!r}."
        )
