"""Where events of a class go."""

from __future__ import annotations

from collections.abc import Callable

from cqrs_ddd_core.domain.event import DomainEvent, known_event_types
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["destination_of", "destination_of_message", "route_to", "topic_of"]

_ATTRIBUTE = "__destination_key__"


def route_to[E: DomainEvent](destination_key: str) -> Callable[[type[E]], type[E]]:
    """Say on an event class where its events go, those of subclasses included.

    ::

        @route_to("billing")
        class InvoiceIssued(DomainEvent): ...

    The key is the topic of the events, and the name of the publisher in ``TopicRoutingPublisher(destinations=…)``.
    """
    if not (destination_key and isinstance(destination_key, str)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(
            f"route_to takes the name of a destination, found {destination_key!r}. Write @route_to('billing')."
        )

    def mark(event_class: type[E]) -> type[E]:
        setattr(event_class, _ATTRIBUTE, destination_key)
        return event_class

    return mark


def destination_of(event_class: type[DomainEvent]) -> str | None:
    """The key that ``route_to`` gave to the class or to a base of it, or None."""
    key: str | None = getattr(event_class, _ATTRIBUTE, None)
    return key


def topic_of(event: DomainEvent) -> str:
    """Under which topic an event is published: its ``route_to`` key, else the name of its type."""
    return destination_of(type(event)) or event.event_type


def destination_of_message(message: MessageEnvelope | DomainEvent) -> str | None:
    """The ``route_to`` key of the event's class, also when the event is in an envelope already.

    Raises ``ConfigurationError`` when classes of one name disagree.
    """
    if isinstance(message, DomainEvent):
        return destination_of(type(message))
    keys = {destination_of(known) for known in known_event_types.find(message.message_type)} - {None}
    if len(keys) > 1:
        raise ConfigurationError(
            f"Classes named {message.message_type!r} are routed to {' and to '.join(sorted(map(repr, keys)))}: "
            "give them different event_type names, or register a route for the topic."
        )
    return keys.pop() if keys else None
