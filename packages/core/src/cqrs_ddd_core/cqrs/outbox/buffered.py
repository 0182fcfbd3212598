"""The outbox as an application uses it: something to publish to, and a worker that relays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import override

from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.outbox.service import OutboxService
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.ports.lock import ILockStrategy
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_publisher import IMessagePublisher
from cqrs_ddd_core.ports.outbox import IOutboxStorage, OutboxMessage
from cqrs_ddd_core.ports.unit_of_work import current_uow_or_none, ensure_joined
from cqrs_ddd_core.primitives.exceptions import OutboxError
from cqrs_ddd_core.worker import Worker

__all__ = ["BufferedOutbox"]

_BETWEEN_PURGES = 600.0
"""Seconds."""


class BufferedOutbox(Worker):
    """Writes messages into an outbox together with the state, and relays them to a broker in the background.

    ::

        outbox = BufferedOutbox(storage=InMemoryOutboxStorage(), broker=publisher)
        middlewares.register(OutboxMiddleware(outbox))
        async with outbox:  # or start() and stop()
            ...

    The relay wakes when a unit of work that wrote into this outbox has committed, when the storage says that there
    are messages, and every ``poll_interval`` seconds. A message after a pause leaves at once. Those that follow one
    another closely are gathered: until there was none for ``wait_delay`` seconds, at most for ``max_delay``.

    It needs no relay of its own to be of use: another process may run it.
    """

    def __init__(
        self,
        storage: IOutboxStorage | None = None,
        broker: IMessagePublisher | None = None,
        lock_strategy: ILockStrategy | None = None,
        *,
        service: OutboxService | None = None,
        batch_size: int = 50,
        max_retries: int = 5,
        poll_interval: float = 10.0,
        wait_delay: float = 0.1,
        max_delay: float = 1.0,
        keep_published: timedelta | None = timedelta(days=7),
        serializer: EventSerializer | None = None,
        name: str = "outbox relay",
    ) -> None:
        """Put the parts together: ``storage`` and ``broker``, or a ``service`` that has them.

        ``keep_published`` is how long messages stay in the storage after they were published; None: for ever.
        """
        super().__init__(name, poll_interval=poll_interval)
        if service is None:
            if storage is None or broker is None:
                missing = [each for each, given in (("storage", storage), ("broker", broker)) if given is None]
                raise OutboxError(
                    f"BufferedOutbox needs {' and '.join(missing)}: BufferedOutbox(storage=…, broker=…), or service=…"
                )
            service = OutboxService(
                storage, broker, lock_strategy, max_retries=max_retries, serializer=serializer, name=name
            )
        elif storage is not None or broker is not None or lock_strategy is not None or serializer is not None:
            raise OutboxError(
                "A service has its own storage, broker, lock_strategy and serializer: give either it or them."
            )
        if batch_size < 1 or not 0 <= wait_delay <= max_delay:
            raise OutboxError(
                "batch_size is 1 or more, and 0 <= wait_delay <= max_delay (seconds); "
                f"found {batch_size}, {wait_delay:g} and {max_delay:g}."
            )
        self.service = service
        self._batch_size = batch_size
        self._poll_for = timedelta(seconds=poll_interval)
        self._wait_delay = wait_delay
        self._max_delay = max_delay
        self._keep_published = keep_published
        self._triggers = 0
        self._locked_out = False
        self._emptied: float | None = None
        """When a round last left nothing behind, on the clock of the event loop."""
        self._purged: float | None = None

    @property
    def storage(self) -> IOutboxStorage:
        return self.service.storage

    # ------------------------------------------------------------------ in

    async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
        """Write one message, as part of the open unit of work; it leaves after the commit, or never.

        Without a unit of work it is committed at once. Raises ``PipelineError`` when the storage would not take part
        in the unit of work that is open, ``OutboxError`` for a message id that is in the outbox already.
        """
        if not isinstance(message, MessageEnvelope | DomainEvent):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise OutboxError(
                f"An event or a MessageEnvelope is published, found {type(message).__name__}. Wrap other data: "
                "MessageEnvelope(message_type='…', payload={…})."
            )
        envelope = self.service.serializer.to_envelope(message) if isinstance(message, DomainEvent) else message
        row = OutboxMessage(topic=topic, envelope=envelope)
        self._check_transaction()
        hooks = get_hook_registry()
        if hooks:
            attributes = {"topic": topic, "message.type": envelope.message_type, "message.id": envelope.message_id}
            await hooks.execute_all("outbox.buffered.publish", attributes, lambda: self.storage.add([row]))
        else:
            await self.storage.add([row])
        self._trigger_after_commit()

    async def add(self, events: Sequence[DomainEvent]) -> None:
        """Write events, in this order, each under its ``@route_to`` key or the name of its type; as ``publish``."""
        if events:
            self._check_transaction()
            await self.service.add(events)
            self._trigger_after_commit()

    def _check_transaction(self) -> None:
        uow = current_uow_or_none()
        if uow is not None:
            ensure_joined(self.storage, uow, "a message must leave if, and only if, the state is committed")

    def _trigger_after_commit(self) -> None:
        uow = current_uow_or_none()
        if uow is None:
            self.trigger()
        else:
            uow.on_commit(self.trigger)

    # ------------------------------------------------------------------ out

    @override
    def trigger(self) -> None:
        self._triggers += 1
        super().trigger()

    @override
    async def work(self) -> bool:
        await self._gather()
        batch = await self.service.relay(self._batch_size)
        self._locked_out = batch.locked_out
        if batch.leased >= self._batch_size:
            return True
        self._emptied = asyncio.get_running_loop().time()
        await self._purge_now_and_then(self._emptied)
        return False

    @override
    async def wait(self) -> None:
        if self._locked_out:
            # There may be messages, but they are another relay's. It is enough to notice soon when that one has gone.
            await asyncio.sleep(min(self._max_delay, self._poll_for.total_seconds()))
        else:
            await self.storage.wait_for_messages(self._poll_for)

    async def _gather(self) -> None:
        """Let what comes in quick succession leave in one batch; what comes after a pause leaves at once."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._emptied is None or now - self._emptied >= self._wait_delay:
            return
        deadline = now + self._max_delay
        while not self.stopping and loop.time() < deadline:
            triggers = self._triggers
            await asyncio.sleep(min(self._wait_delay, deadline - loop.time()))
            if triggers == self._triggers:
                return

    async def _purge_now_and_then(self, now: float) -> None:
        if self._keep_published is None or (self._purged is not None and now - self._purged < _BETWEEN_PURGES):
            return
        await self.service.purge(self._keep_published)
        self._purged = now
