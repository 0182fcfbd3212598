"""Which method of an aggregate applies which event."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.state_types import subclasses_of
from cqrs_ddd_core.domain.type_name import snake_case
from cqrs_ddd_core.primitives.exceptions import (
    EventHandlerError,
    InvalidEventHandlerError,
    MissingEventHandlerError,
    StrictValidationViolationError,
    close_matches,
)

__all__ = ["ApplyEvent", "EventHandlers", "applies", "event_handlers_of"]

type ApplyEvent = Callable[[Any, DomainEvent], None]
"""Called with the aggregate and the event; changes the aggregate."""

_MARK = "__cqrs_ddd_applies__"
_FALLBACK = "apply_event"


def applies[F: Callable[..., None]](*event_types: type[DomainEvent]) -> Callable[[F], F]:
    """Let a method of an aggregate apply events of these classes and their subclasses, whatever its name is.

    ::

        @applies(OrderPlaced)
        def _begin(self, event: OrderPlaced) -> None:
            self.customer_id = event.customer_id
    """
    if not event_types or not all(_is_event(each) for each in event_types):
        raise TypeError("@applies takes event classes: @applies(OrderPlaced).")

    def mark(method: F) -> F:
        setattr(method, _MARK, (*getattr(method, _MARK, ()), *event_types))
        return method

    return mark


class EventHandlers:
    """The methods of one aggregate class that apply events. Ask ``event_handlers_of`` for them.

    For an event the nearest of its classes counts for which there is a method marked with ``@applies``, or named
    ``apply_OrderPlaced`` or ``apply_order_placed``; without any, the method ``apply_event``.
    """

    def __init__(self, aggregate_cls: type[AggregateRoot[Any]]) -> None:
        """Raises ``EventHandlerError`` for what could never work."""
        self._cls = aggregate_cls
        self._name = aggregate_cls.aggregate_type
        self._marked = dict(self._find_marked())
        self._found: dict[type[DomainEvent], ApplyEvent] = {}
        for name in {*self._marked.values(), *self._named()}:
            self._check_method(name)

    def find(self, event_type: type[DomainEvent]) -> ApplyEvent:
        """What applies events of this class. Raises ``MissingEventHandlerError`` and ``InvalidEventHandlerError``."""
        found = self._found.get(event_type)
        if found is None:
            name = self._own_method(event_type) or (_FALLBACK if hasattr(self._cls, _FALLBACK) else None)
            if name is None:
                raise MissingEventHandlerError(self._name, event_type.__name__)
            self._check_method(name)
            found = self._found[event_type] = self._checked(name)
        return found

    def has(self, event_type: type[DomainEvent]) -> bool:
        """Whether events of this class can be applied."""
        return self._own_method(event_type) is not None or hasattr(self._cls, _FALLBACK)

    def check(self) -> None:
        """Raise ``EventHandlerError`` when the class cannot be event-sourced, as far as that can be known by now.

        It needs a method for each event that it names in ``event_types``, a method of its own for each where it is
        strict, and at least one method at all. A method ``apply_OrderPlcaed`` for which there is no event is refused.
        """
        for event_type in self._declared():
            if self._own_method(event_type) is None:
                if not hasattr(self._cls, _FALLBACK):
                    raise MissingEventHandlerError(self._name, event_type.__name__)
                if getattr(self._cls, "strict_event_handlers", False):
                    raise StrictValidationViolationError(self._name, event_type.__name__)
        events = {event_type.__name__: event_type for event_type in subclasses_of(DomainEvent)}
        snakes = {snake_case(name) for name in events}
        named = list(self._named())
        for name in named:
            wanted = name.removeprefix("apply_")
            if wanted[:1].isupper() and wanted not in events:
                raise InvalidEventHandlerError(
                    self._name, name, f"there is no event {wanted}.{close_matches(wanted, events)}"
                )
        if self._marked or hasattr(self._cls, _FALLBACK):
            return
        if not any(name.removeprefix("apply_") in events.keys() | snakes for name in named):
            raise EventHandlerError(
                f"{self._name} cannot be event-sourced: it does not say what its events change. Give it a method for "
                "each of them, named apply_OrderPlaced(self, event) after the event or marked with @applies."
            )

    def _declared(self) -> tuple[type[DomainEvent], ...]:
        declared = getattr(self._cls, "event_types", ())
        if not isinstance(declared, tuple) or not all(map(_is_event, declared)):  # pyright: ignore[reportUnknownArgumentType]
            raise EventHandlerError(
                f"{self._name}.event_types is a tuple of event classes, found {declared!r}: "
                "event_types: ClassVar = (OrderPlaced, OrderPaid)"
            )
        return declared  # pyright: ignore[reportUnknownVariableType]

    def _find_marked(self) -> Iterator[tuple[type[DomainEvent], str]]:
        marked: dict[type[DomainEvent], str] = {}
        for cls in reversed(self._cls.__mro__):
            here: dict[type[DomainEvent], str] = {}
            for name, value in vars(cls).items():
                for event_type in getattr(value, _MARK, ()):
                    if here.setdefault(event_type, name) != name:
                        raise InvalidEventHandlerError(
                            self._name, name, f"{here[event_type]} applies {event_type.__name__} too. Keep one of them."
                        )
            marked.update(here)  # a subclass may mark another method for an event
        yield from marked.items()

    def _named(self) -> Iterator[str]:
        for name in dir(self._cls):
            if name.startswith("apply_") and name != _FALLBACK and _is_method(self._cls, name):
                yield name

    def _own_method(self, event_type: type[DomainEvent]) -> str | None:
        for cls in event_type.__mro__:
            if not _is_event(cls):
                continue
            name = self._marked.get(cls)
            named = [
                candidate
                for candidate in (f"apply_{cls.__name__}", f"apply_{snake_case(cls.__name__)}")
                if cls is not DomainEvent and _is_method(self._cls, candidate)
            ]
            candidates = dict.fromkeys(([name] if name is not None else []) + named)
            if len(candidates) > 1:
                first, second, *_ = candidates
                raise InvalidEventHandlerError(
                    self._name, first, f"{second} applies {cls.__name__} too. Keep one of them."
                )
            if candidates:
                return next(iter(candidates))
        return None

    def _check_method(self, name: str) -> None:
        if name in self._marked.values() or name == _FALLBACK or name.removeprefix("apply_")[:1].isupper():
            method = getattr(self._cls, name)
        else:
            return  # apply_discount(percent) is not about an event, unless one turns out to be called Discount
        _check_signature(self._name, name, method)

    def _checked(self, name: str) -> ApplyEvent:
        method = getattr(self._cls, name)
        _check_signature(self._name, name, method)
        aggregate_name = self._name

        def apply(aggregate: Any, event: DomainEvent) -> None:
            result: object = method(aggregate, event)
            if result is not None and result is not aggregate:
                raise InvalidEventHandlerError(
                    aggregate_name,
                    name,
                    f"it returned a {type(result).__name__}. A method that applies an event changes self and returns "
                    "nothing; what it returned would be lost.",
                )

        return apply


def _check_signature(aggregate_name: str, name: str, method: Any) -> None:
    if inspect.iscoroutinefunction(method) or inspect.isgeneratorfunction(method):
        raise InvalidEventHandlerError(
            aggregate_name,
            name,
            "it is a coroutine or a generator. Applying events waits for nothing: use plain def.",
        )
    try:
        inspect.signature(method).bind(None, None)
    except TypeError:
        raise InvalidEventHandlerError(
            aggregate_name, name, "it is called with the event and nothing else: write it as (self, event)."
        ) from None


def _is_event(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, DomainEvent)


def _is_method(cls: type[Any], name: str) -> bool:
    return inspect.isroutine(getattr(cls, name, None))


_handlers: weakref.WeakKeyDictionary[type[AggregateRoot[Any]], EventHandlers] = weakref.WeakKeyDictionary()


def event_handlers_of(aggregate_cls: type[AggregateRoot[Any]]) -> EventHandlers:
    """The methods of a class that apply events. Raises ``EventHandlerError`` for what could never work."""
    found = _handlers.get(aggregate_cls)
    if found is None:
        found = _handlers[aggregate_cls] = EventHandlers(aggregate_cls)
    return found
