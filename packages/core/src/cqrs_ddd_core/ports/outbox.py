"""Messages that wait to leave: written with the state, published afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.primitives.clock import utc_now

__all__ = ["IOutboxStorage", "OutboxMessage", "OutboxStatistics", "OutboxStatus"]


class OutboxStatus(StrEnum):
    """How far a message in the outbox has come."""

    PENDING = "pending"
    """Waits to be published, now or after ``available_at``; leased by a relay while ``leased_until`` is ahead."""
    PUBLISHED = "published"
    DEAD = "dead"
    """Given up after too many failures. Waits for an operator: replay or discard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """One message in the outbox: what is to be sent, and how far that has come."""

    topic: str
    envelope: MessageEnvelope
    status: OutboxStatus = OutboxStatus.PENDING
    created_at: datetime = field(default_factory=utc_now)
    available_at: datetime = field(default_factory=utc_now)
    """Not to be published before this time."""
    attempts: int = 0
    """How often publishing has failed."""
    last_error: str | None = None
    published_at: datetime | None = None
    leased_until: datetime | None = None
    lease: str | None = None
    """Proof of the lease, to be shown when settling."""
    sequence: int | None = None
    """The order in the outbox, given by the store."""

    @property
    def message_id(self) -> str:
        return self.envelope.message_id

    @property
    def key(self) -> str | None:
        return self.envelope.key

    @property
    def tenant_id(self) -> str | None:
        return self.envelope.tenant_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStatistics:
    """How full the outbox is."""

    pending: int
    leased: int
    """Of the pending ones, those that a relay holds now."""
    dead: int
    published: int
    oldest_pending: datetime | None
    """When the oldest pending message was created."""
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])


@runtime_checkable
class IOutboxStorage(Protocol):
    """Messages waiting to leave. Order holds within one key; across keys, and for messages without one, there is none.

    A key belongs to the tenant of its messages. ``add`` joins the open unit of work of the same database: the messages
    exist when it commits, or not at all. The other methods belong to relays and operators; they see the messages of
    all tenants and commit at once, whatever unit of work is open. Times are those of the store's clock.
    """

    async def add(self, messages: Sequence[OutboxMessage]) -> None:
        """Put messages in, in this order, all or none.

        Raises ``OutboxError`` for a message id that is there already, here or at the commit; ``SerializationError``
        for a payload that is not JSON; ``ValueError`` for a time without a zone.
        """
        ...

    async def lease(self, limit: int, *, hold: timedelta) -> Sequence[OutboxMessage]:
        """Take up to ``limit`` messages to publish, oldest first; empty when there are none, never waits.

        Two leases never hold one message. Of one key only the oldest messages are given, in order, and none while
        an older one is leased elsewhere or waits for its next attempt: order survives failures. A dead message does
        not hold its key back. A lease that is not settled within ``hold`` ends, and its messages are given again.
        """
        ...

    async def mark_published(self, messages: Sequence[OutboxMessage]) -> Sequence[str]:
        """Settle leased messages as sent. Returns the ids that were still ours; the others had lost their lease."""
        ...

    async def mark_failed(self, message: OutboxMessage, error: str, *, retry_at: datetime | None) -> bool:
        """Settle a leased message as failed: again at ``retry_at``, or dead for None. False if the lease was lost."""
        ...

    async def release(self, messages: Sequence[OutboxMessage]) -> None:
        """Give leased messages back untried; their attempts do not count. Lost leases are ignored."""
        ...

    async def wait_for_messages(self, timeout: timedelta) -> bool:
        """Wait until there may be something to lease: True, or False after ``timeout``. May wake for nothing."""
        ...

    async def dead_letters(
        self, *, limit: int = 100, offset: int = 0, topic: str | None = None, tenant_id: str | None = None
    ) -> Sequence[OutboxMessage]:
        """Dead messages, oldest first."""
        ...

    async def replay(self, message_ids: Sequence[str]) -> int:
        """Make dead messages pending again, in their old places, attempts from 0; how many. Others are ignored."""
        ...

    async def discard(self, message_ids: Sequence[str]) -> int:
        """Remove dead messages for good; how many that were. Others are ignored."""
        ...

    async def purge(self, *, published_before: datetime, limit: int = 1000) -> int:
        """Remove at most ``limit`` messages that were published before a time; how many that were."""
        ...

    async def statistics(self) -> OutboxStatistics: ...
