"""Putting events into an outbox."""

from __future__ import annotations

from collections.abc import Iterable

from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.publishers.destination import topic_of
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.ports.outbox import IOutboxStorage, OutboxMessage

__all__ = ["save_events"]


async def save_events(storage: IOutboxStorage, events: Iterable[DomainEvent], serializer: EventSerializer) -> None:
    """Put events into the outbox, in this order, inside the hook ``outbox.save_events``.

    The topic of each is its ``@route_to`` key, else the name of its type. Joins the open unit of work of the storage's
    database.
    """
    messages = [OutboxMessage(topic=topic_of(event), envelope=serializer.to_envelope(event)) for event in events]
    if not messages:
        return
    hooks = get_hook_registry()
    if hooks:
        attributes = {"outbox.event_count": len(messages)}
        await hooks.execute_all("outbox.save_events", attributes, lambda: storage.add(messages))
    else:
        await storage.add(messages)
