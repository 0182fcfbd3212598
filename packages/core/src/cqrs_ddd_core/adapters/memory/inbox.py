"""The in-memory inbox."""

from __future__ import annotations

from datetime import datetime
from operator import itemgetter

from cqrs_ddd_core.adapters.arguments import as_utc, at_least
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, resolve_store
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.ports.inbox import IInbox
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError

__all__ = ["InMemoryInbox"]

_RECEIVED = "inbox.received"
"""When each message was received, by tenant, consumer and message id."""


class InMemoryInbox(IInbox):
    """Received messages in memory."""

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    async def register(self, consumer: str, message_id: str) -> bool:
        key = (get_current_tenant_or_none(), consumer, message_id)
        with resolve_store(self._store).work() as transaction:
            if transaction.get(_RECEIVED, key) is not None:
                return False
            transaction.put(
                _RECEIVED,
                key,
                utc_now(),
                conflict=lambda: OptimisticConcurrencyError(f"Message for {consumer}", message_id, 0, 1),
            )
            return True

    async def contains(self, consumer: str, message_id: str) -> bool:
        with resolve_store(self._store).work() as transaction:
            return transaction.get(_RECEIVED, (get_current_tenant_or_none(), consumer, message_id)) is not None

    async def purge(self, *, received_before: datetime, limit: int = 1000) -> int:
        at_least(1, limit, "limit")
        before = as_utc(received_before, "received_before")
        with resolve_store(self._store).work() as transaction:
            received: list[tuple[object, datetime]] = [
                (key, received_at) for key, received_at in transaction.items(_RECEIVED) if received_at < before
            ]
            oldest = sorted(received, key=itemgetter(1))[:limit]
            for key, _ in oldest:
                transaction.delete(_RECEIVED, key)
        return len(oldest)
