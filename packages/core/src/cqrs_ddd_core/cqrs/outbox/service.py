"""Relaying what is in the outbox, and looking after it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

from cqrs_ddd_core.context import use_context
from cqrs_ddd_core.cqrs.concurrency import CriticalSection
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.lock_outage import is_lock_outage
from cqrs_ddd_core.cqrs.outbox.writing import save_events
from cqrs_ddd_core.cqrs.publishers.publishing import ordering_key, publish_observed
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.instrumentation import get_hook_registry, notify
from cqrs_ddd_core.ports.lock import ILockStrategy
from cqrs_ddd_core.ports.message_publisher import IBatchMessagePublisher, IMessagePublisher
from cqrs_ddd_core.ports.outbox import IOutboxStorage, OutboxMessage, OutboxStatistics
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import LockAcquisitionError, OutboxError
from cqrs_ddd_core.primitives.locking import ResourceIdentifier

__all__ = ["OutboxService", "RelayedBatch"]

logger = logging.getLogger(__name__)

_GROWTH = 4
"""Each delay is this many times the one before."""
_SHARE_FOR_PUBLISHING = 0.75
"""How much of a lease may be spent on publishing; the rest is for settling."""
_LONGEST_ERROR = 2000
"""Characters of an error that are kept with a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayedBatch:
    """What one round of relaying came to."""

    leased: int = 0
    published: int = 0
    failed: int = 0
    """Tried and not taken; they are tried again later, or dead."""
    locked_out: bool = False
    """Nothing was done, because another relay has the lock."""


@dataclass(slots=True)
class _Batch:
    """Leased messages, and what has become of them so far."""

    messages: Sequence[OutboxMessage]
    published: list[OutboxMessage] = field(default_factory=list[OutboxMessage])
    failed: list[tuple[OutboxMessage, BaseException]] = field(default_factory=list[tuple[OutboxMessage, BaseException]])

    def untried(self) -> list[OutboxMessage]:
        settled = {message.message_id for message in self.published}
        settled.update(message.message_id for message, _error in self.failed)
        return [message for message in self.messages if message.message_id not in settled]


class OutboxService:
    """Takes messages from an outbox and publishes them, at least once and in order within each key.

    A message that cannot be published is tried again ``max_retries`` times, after ``base_delay`` seconds at first and
    four times as long each time, at most ``max_delay``, each with jitter: with the defaults for about six minutes.
    Meanwhile the rest of its key waits. Then it is dead, and its key goes on. ``dead_letters`` shows dead messages with
    their errors, ``replay`` gives them another chance.
    """

    def __init__(
        self,
        storage: IOutboxStorage,
        publisher: IMessagePublisher,
        lock_strategy: ILockStrategy | None = None,
        *,
        max_retries: int = 5,
        hold: timedelta = timedelta(seconds=30),
        base_delay: float = 1.0,
        max_delay: float = 300.0,
        serializer: EventSerializer | None = None,
        name: str = "outbox",
    ) -> None:
        """Put the parts together.

        ``hold`` is how long messages stay leased: what a relay that has died had in hand comes again after that. It
        should be longer than a batch takes. Leases alone keep two relays from one message; with a ``lock_strategy``
        only one of the relays that have the same ``name`` works at a time, which spares the database.
        """
        if not callable(getattr(storage, "lease", None)):
            raise OutboxError(f"storage is an outbox storage such as InMemoryOutboxStorage(), found {storage!r}.")
        if not callable(getattr(publisher, "publish", None)):
            raise OutboxError(f"publisher is an object with publish(topic, message), found {publisher!r}.")
        if max_retries < 0 or not hold > timedelta(0) or not 0 < base_delay <= max_delay:
            raise OutboxError(
                "max_retries is 0 or more, hold a time above 0, and 0 < base_delay <= max_delay (seconds); "
                f"found {max_retries}, {hold}, {base_delay:g} and {max_delay:g}."
            )
        self.storage = storage
        self.publisher = publisher
        self.name = name
        self.serializer = EventSerializer() if serializer is None else serializer
        self._locks = lock_strategy
        self._max_retries = max_retries
        self._hold = hold
        self._base_delay = base_delay
        self._max_delay = max_delay
        self._without_lock = False

    # ------------------------------------------------------------------ in

    async def add(self, events: Iterable[DomainEvent]) -> None:
        """Put events into the outbox, in this order, as part of the open unit of work.

        The topic of each is its ``@route_to`` key, else the name of its type.
        """
        await save_events(self.storage, events, self.serializer)

    # ------------------------------------------------------------------ out

    async def process_batch(self, batch_size: int = 50) -> int:
        """Relay up to ``batch_size`` messages; how many were published. Never waits for messages."""
        return (await self.relay(batch_size)).published

    async def relay(self, batch_size: int = 50) -> RelayedBatch:
        """As ``process_batch``, telling more.

        Raises what the storage raises; then the messages come again when their lease has run out. Cancelled, it
        settles what it knows, and the cancellation goes on.
        """
        hooks = get_hook_registry()
        if hooks:
            attributes = {"outbox.batch_size": batch_size, "outbox.name": self.name}
            return await hooks.execute_all("outbox.process_batch", attributes, lambda: self._alone(batch_size))
        return await self._alone(batch_size)

    async def _alone(self, batch_size: int) -> RelayedBatch:
        async with AsyncExitStack() as stack:
            if self._locks is not None and not await self._lock(stack, self._locks):
                return RelayedBatch(locked_out=True)
            return await self._relay(batch_size)

    async def _lock(self, stack: AsyncExitStack, locks: ILockStrategy) -> bool:
        """Whether this relay may work: nobody else does, or nobody can tell."""
        section = CriticalSection(
            [ResourceIdentifier("Outbox", self.name)], locks, timeout=0.0, ttl=self._hold.total_seconds()
        )
        try:
            await stack.enter_async_context(section)
        except LockAcquisitionError as error:
            if not await is_lock_outage(locks, error):
                return False
            if not self._without_lock:
                logger.warning("%s relays without its lock, protected by leases alone: %s", self.name, error)
            self._without_lock = True
        else:
            self._without_lock = False
        return True

    async def _relay(self, batch_size: int) -> RelayedBatch:
        deadline = asyncio.get_running_loop().time() + self._hold.total_seconds() * _SHARE_FOR_PUBLISHING
        batch = _Batch(await self.storage.lease(batch_size, hold=self._hold))
        if batch.messages:
            try:
                await self._publish(batch, deadline)
            except BaseException:
                try:
                    await self._settle(batch)
                except Exception:
                    # What interrupted the publishing is what the caller must see.
                    logger.exception("%s could not settle a batch; its messages come again", self.name)
                raise
            await self._settle(batch)
        return RelayedBatch(leased=len(batch.messages), published=len(batch.published), failed=len(batch.failed))

    async def _publish(self, batch: _Batch, deadline: float) -> None:
        if isinstance(self.publisher, IBatchMessagePublisher):
            answers = await self._publish_at_once(self.publisher, batch.messages, deadline)
        else:
            answers = None
        stuck: set[tuple[str | None, str] | None] = set()
        for number, message in enumerate(batch.messages):
            key = ordering_key(message.envelope)
            if answers is not None:
                failure = answers[number]
            elif key in stuck:
                continue
            elif asyncio.get_running_loop().time() >= deadline:
                return
            else:
                failure = await self._publish_one(message, deadline)
            if failure is None:
                batch.published.append(message)
            elif key not in stuck:
                batch.failed.append((message, failure))
                if key is not None:
                    # Those behind it are given back untried: they go when it has gone.
                    stuck.add(key)

    async def _publish_one(self, message: OutboxMessage, deadline: float) -> Exception | None:
        envelope = message.envelope
        with use_context(
            correlation_id=envelope.correlation_id, causation_id=envelope.causation_id, tenant_id=envelope.tenant_id
        ):
            try:
                async with asyncio.timeout_at(deadline):
                    await publish_observed(self.publisher, message.topic, envelope)
            except Exception as error:  # noqa: BLE001 - kept with the message, and logged when it is settled
                return error
        return None

    async def _publish_at_once(
        self, publisher: IBatchMessagePublisher, messages: Sequence[OutboxMessage], deadline: float
    ) -> Sequence[BaseException | None]:
        pairs = [(message.topic, message.envelope) for message in messages]

        async def publish() -> Sequence[BaseException | None]:
            async with asyncio.timeout_at(deadline):
                return await publisher.publish_batch(pairs)

        try:
            hooks = get_hook_registry()
            if hooks:
                answers = await hooks.execute_all("publisher.publish_batch", {"message.count": len(pairs)}, publish)
            else:
                answers = await publish()
        except Exception as error:  # noqa: BLE001 - kept with the messages, and logged when they are settled
            return [error] * len(pairs)
        if len(answers) != len(pairs):
            # Which message is meant by which answer cannot be known, and a loss would be silent.
            wrong = OutboxError(
                f"{type(publisher).__name__}.publish_batch gave {len(answers)} answers for {len(pairs)} messages."
            )
            return [wrong] * len(pairs)
        return answers

    async def _settle(self, batch: _Batch) -> None:
        if batch.published:
            settled = await self.storage.mark_published(batch.published)
            if len(settled) < len(batch.published):
                logger.warning(
                    "%s published %d messages whose lease had run out; they may be sent twice. "
                    "Let hold be longer than a batch takes, or batches smaller",
                    self.name,
                    len(batch.published) - len(settled),
                )
        for message, error in batch.failed:
            await self._settle_failure(message, error)
        untried = batch.untried()
        if untried:
            await self.storage.release(untried)

    async def _settle_failure(self, message: OutboxMessage, error: BaseException) -> None:
        failures = message.attempts + 1
        text = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        fields = {"message_id": message.message_id, "topic": message.topic, "attempts": failures}
        if failures > self._max_retries:
            if await self.storage.mark_failed(message, text, retry_at=None):
                logger.error(
                    "Message %s (%s) to %s is dead after %d attempts: %s",
                    message.message_id,
                    message.envelope.message_type,
                    message.topic,
                    failures,
                    text,
                    extra=fields,
                )
                notify(f"outbox.dead.{message.topic}", {**fields, "error": text})
            return
        delay = min(self._max_delay, self._base_delay * _GROWTH ** min(failures - 1, 30))
        # Jitter, so that what failed together does not come back together.
        retry_at = utc_now() + timedelta(seconds=delay * random.uniform(0.5, 1.0))
        await self.storage.mark_failed(message, text, retry_at=retry_at)
        logger.warning(
            "Publishing %s (%s) to %s failed at attempt %d of %d, the next is due at %s: %s",
            message.message_id,
            message.envelope.message_type,
            message.topic,
            failures,
            self._max_retries + 1,
            retry_at.isoformat(timespec="seconds"),
            text,
            extra=fields,
        )

    # ------------------------------------------------------------------ looking after it

    async def dead_letters(
        self, *, limit: int = 100, offset: int = 0, topic: str | None = None, tenant_id: str | None = None
    ) -> Sequence[OutboxMessage]:
        """Dead messages with their errors, oldest first."""
        return await self.storage.dead_letters(limit=limit, offset=offset, topic=topic, tenant_id=tenant_id)

    async def replay(self, message_ids: Sequence[str]) -> int:
        """Give dead messages another chance, with all their retries; how many that were."""
        return await self.storage.replay(message_ids)

    async def retry_failed(self, batch_size: int = 50, *, topic: str | None = None) -> int:
        """Replay the oldest dead messages (of a topic), at most ``batch_size``; how many that were."""
        dead = await self.storage.dead_letters(limit=batch_size, topic=topic)
        return await self.storage.replay([message.message_id for message in dead]) if dead else 0

    async def discard(self, message_ids: Sequence[str]) -> int:
        """Remove dead messages for good; how many that were."""
        return await self.storage.discard(message_ids)

    async def purge(self, older_than: timedelta) -> int:
        """Remove everything that was published longer ago than that; how many messages that were."""
        before, limit, removed = utc_now() - older_than, 1000, 0
        while True:
            count = await self.storage.purge(published_before=before, limit=limit)
            removed += count
            if count < limit:
                return removed

    async def statistics(self) -> OutboxStatistics:
        """How full the outbox is."""
        return await self.storage.statistics()
