"""What was answered to a command, so that the same command is not executed twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.ports.event_store import StoredEvent
from cqrs_ddd_core.primitives.clock import utc_now

__all__ = ["IIdempotencyStore", "IdempotencyRecord"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyRecord:
    """The answer to one command."""

    key: str
    message_type: str
    fingerprint: str
    """A digest of the message's content: the same key with another content is a mistake of the sender."""
    result: Any
    """The result as JSON values."""
    response: dict[str, Any] = field(default_factory=dict[str, Any])
    """What else the response said, as JSON values: its class and further fields. Empty for a plain response."""
    events: Sequence[StoredEvent] = ()
    correlation_id: str | None = None
    causation_id: str | None = None
    created_at: datetime = field(default_factory=utc_now)
    tenant_id: str | None = None


@runtime_checkable
class IIdempotencyStore(Protocol):
    """Answers by key, in the current tenant."""

    async def find(self, key: str) -> IdempotencyRecord | None:
        """The answer that was committed under this key, or saved in the open unit of work; None when there is none."""
        ...

    async def save(self, record: IdempotencyRecord) -> None:
        """Keep an answer. Joins the open unit of work of the same database.

        Raises ``IdempotencyConflictError``, here or at the commit, when the key has an answer already;
        ``SerializationError`` for an answer that is not JSON.
        """
        ...

    async def purge(self, *, created_before: datetime, limit: int = 1000) -> int:
        """Forget at most ``limit`` answers of all tenants from before a time; how many that were."""
        ...
