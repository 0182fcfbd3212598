"""Publishing events straight from the mediator."""

from __future__ import annotations

from typing import override

from cqrs_ddd_core.cqrs.handler import EventHandler
from cqrs_ddd_core.cqrs.publishers.destination import topic_of
from cqrs_ddd_core.cqrs.publishers.publishing import publish_observed
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.message_publisher import IMessagePublisher

__all__ = ["PublishingEventHandler"]


class PublishingEventHandler(EventHandler[DomainEvent]):
    """Publishes every event it gets, under its ``@route_to`` key or the name of its type.

    ::

        registry.register_event_handler(DomainEvent, PublishingEventHandler(publisher))

    It runs after the commit, so what it has not published when the process dies is lost. Events that must not be lost
    go through the outbox: ``OutboxMiddleware``. A failure is raised, for the dispatcher to log and count.
    """

    def __init__(self, publisher: IMessagePublisher) -> None:
        self._publisher = publisher

    @override
    async def handle(self, event: DomainEvent, /) -> None:
        await publish_observed(self._publisher, topic_of(event), event)
