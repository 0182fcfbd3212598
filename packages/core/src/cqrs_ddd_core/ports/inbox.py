"""Which messages a consumer has had already."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

__all__ = ["IInbox"]


@runtime_checkable
class IInbox(Protocol):
    """Remembers received messages, per consumer and tenant, so that a repetition has no effect.

    ``register`` joins the open unit of work of the same database: the mark and the handler's changes are one commit.
    """

    async def register(self, consumer: str, message_id: str) -> bool:
        """Mark as received. True for the first time, False for a repetition.

        When two receive one message at once, one of them gets False, or ``OptimisticConcurrencyError`` here or at
        its commit.
        """
        ...

    async def contains(self, consumer: str, message_id: str) -> bool:
        """Whether the message has been received."""
        ...

    async def purge(self, *, received_before: datetime, limit: int = 1000) -> int:
        """Forget at most ``limit`` messages of all tenants from before a time; how many that were.

        A message that comes again after that is taken for a new one.
        """
        ...
