"""Events from other processes, brought to handlers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

from cqrs_ddd_core.context import use_context
from cqrs_ddd_core.cqrs.event_dispatcher import EventDispatcher, HandlerFactory
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.mediator import UnitOfWorkFactory, joint_transaction
from cqrs_ddd_core.cqrs.registry import HandlerRegistry, When
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.event_registry import EventTypeRegistry
from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.ports.inbox import IInbox
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_consumer import IMessageConsumer
from cqrs_ddd_core.ports.unit_of_work import ensure_joined
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["BaseEventConsumer", "current_envelope"]

logger = logging.getLogger(__name__)

_envelope: ContextVar[MessageEnvelope | None] = ContextVar("cqrs_ddd_envelope", default=None)


def current_envelope() -> MessageEnvelope:
    """The whole message of the event that a consumer's handler is handling: headers, topic, attempt.

    Raises ``ConfigurationError`` outside of a consumer.
    """
    envelope = _envelope.get()
    if envelope is None:
        raise ConfigurationError("There is no received message here: current_envelope() is for handlers of a consumer.")
    return envelope


class BaseEventConsumer:
    """Receives events from topics of a broker and brings them to event handlers.

    ::

        handlers = HandlerRegistry()
        handlers.register_event_handler(OrderCreated, ReserveStock(mediator))
        consumer = BaseEventConsumer(
            broker,
            ["OrderCreated"],
            handler_registry=handlers,
            queue_name="stock",
            inbox=inbox,
            uow_factory=uow_factory,
        )
        async with consumer:
            ...

    Every handler that is registered for the event, or for a base of its class, runs, one after another, in the context
    (correlation, causation, tenant) of the message. Give the consumer a handler registry of its own: those of a
    mediator's would run a second time here.

    A message is acknowledged when all handlers have succeeded. Whatever fails is raised, so that the broker delivers
    the message again and puts it to the dead letters in the end: the first handler that fails, a type nobody knows
    (``UnknownTypeError``), data that does not fit (``InvalidPayloadError``). An event without handlers is acknowledged.

    Delivery is at least once. With ``inbox`` and ``uow_factory`` the handlers, the commands that they send, and the
    mark that the message was received are one commit: a repetition has no effect. Effects outside of that commit, such
    as mail, may happen again.

    A subclass may override ``on_event`` instead of registering handlers.
    """

    def __init__(
        self,
        broker: IMessageConsumer,
        topics: Iterable[str],
        *,
        dispatcher: EventDispatcher | None = None,
        registry: EventTypeRegistry | None = None,
        handler_registry: HandlerRegistry | None = None,
        handler_factory: HandlerFactory | None = None,
        queue_name: str | None = None,
        inbox: IInbox | None = None,
        uow_factory: UnitOfWorkFactory | None = None,
        consumer_name: str | None = None,
        **options: Any,
    ) -> None:
        """Put the parts together.

        Consumers with one ``queue_name`` share its messages. ``consumer_name`` is whose receptions the inbox
        remembers, by default the queue name, else the name of the class: it must stay the same from process to process.
        ``registry`` knows the event classes. ``options`` are the transport's own, for ``subscribe``.
        """
        if isinstance(topics, str):
            raise ConfigurationError(f"topics is a list of names, found the text {topics!r}. Write [{topics!r}].")
        self.topics = tuple(dict.fromkeys(topics))
        if not self.topics:
            raise ConfigurationError("A consumer without topics would receive nothing. Name at least one.")
        if (inbox is None) != (uow_factory is None):
            missing = "uow_factory" if uow_factory is None else "inbox"
            raise ConfigurationError(
                f"inbox and uow_factory belong together, {missing} is missing: "
                "a message is marked as received in the commit of what it leads to."
            )
        self.dispatcher = EventDispatcher() if dispatcher is None else dispatcher
        if handler_registry is not None:
            self.dispatcher.attach(handler_registry, handler_factory=handler_factory)
        self.name = consumer_name or queue_name or type(self).__name__
        self._broker = broker
        self._serializer = EventSerializer(registry)
        self._queue_name = queue_name
        self._inbox = inbox
        self._uow_factory = uow_factory
        self._options = options
        self._subscribed: set[str] = set()
        self._changing = asyncio.Lock()
        self._started = False

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Subscribe, and let the broker deliver. Does nothing when started already."""
        async with self._changing:
            if self._started:
                return
            if type(self).on_event is BaseEventConsumer.on_event and not self.dispatcher.all_registrations():
                logger.warning("%s starts without any event handler: what it receives has no effect", self.name)
            for topic in self.topics:
                if topic not in self._subscribed:
                    await self._broker.subscribe(topic, self.handle, queue_name=self._queue_name, **self._options)
                    self._subscribed.add(topic)
            await self._broker.start()
            self._started = True

    async def stop(self) -> None:
        """Let the handlers that run finish, then stop the broker. Does nothing when stopped already."""
        async with self._changing:
            if self._started:
                await self._broker.stop()
                self._started = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    # ------------------------------------------------------------------ messages

    async def handle(self, envelope: MessageEnvelope) -> None:
        """Handle one message, as the broker delivers it. Raises whatever keeps it from being handled."""
        token = _envelope.set(envelope)
        try:
            with use_context(
                correlation_id=envelope.correlation_id or envelope.message_id,
                causation_id=envelope.message_id,
                tenant_id=envelope.tenant_id,
                user_id=None,
            ):
                hooks = get_hook_registry()
                if not hooks:
                    await self._handle(envelope)
                    return
                attributes = {
                    "event.type": envelope.message_type,
                    "message.id": envelope.message_id,
                    "topic": envelope.topic,
                    "attempt": envelope.attempt,
                    "correlation_id": envelope.correlation_id,
                    "consumer": self.name,
                }
                await hooks.execute_all(
                    f"consumer.consume.{envelope.message_type}", attributes, lambda: self._handle(envelope)
                )
        finally:
            _envelope.reset(token)

    async def on_event(self, event: DomainEvent) -> None:
        """Run the handlers of one event. Raises the first failure; the handlers behind it do not run."""
        for when in (When.BEFORE_COMMIT, When.AFTER_COMMIT):
            await self.dispatcher.dispatch([event], when=when, stop_at_failure=True)

    async def _handle(self, envelope: MessageEnvelope) -> None:
        event = self._serializer.from_envelope(envelope)
        if self._inbox is None or self._uow_factory is None:
            await self.on_event(event)
            return
        uow = self._uow_factory()
        ensure_joined(
            self._inbox, uow, "a message must be marked as received if, and only if, its effects are committed"
        )
        async with joint_transaction(uow, self.name):
            if await self._inbox.register(self.name, envelope.message_id):
                await self.on_event(event)
            else:
                logger.debug("%s has had message %s before", self.name, envelope.message_id)
