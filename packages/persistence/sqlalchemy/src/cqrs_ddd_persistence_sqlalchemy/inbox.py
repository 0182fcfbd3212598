"""The inbox on PostgreSQL and SQLite."""

from __future__ import annotations

from datetime import datetime
from typing import override

from sqlalchemy import delete, select, tuple_

from cqrs_ddd_core.adapters.arguments import as_utc, at_least
from cqrs_ddd_core.ports.inbox import IInbox
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_persistence_sqlalchemy.adapter import SQLAlchemyAdapter, tenant_column

__all__ = ["SQLAlchemyInbox"]


class SQLAlchemyInbox(SQLAlchemyAdapter, IInbox):
    """Received messages in one table. Whoever receives one that is just being received waits for the outcome."""

    @override
    async def register(self, consumer: str, message_id: str) -> bool:
        row = {
            "tenant_id": tenant_column(),
            "consumer": consumer,
            "message_id": message_id,
            "received_at": utc_now(),
        }
        async with self._database.work() as connection:
            result = await connection.execute(self._insert(self._tables.inbox).on_conflict_do_nothing(), row)
        return bool(result.rowcount)

    @override
    async def contains(self, consumer: str, message_id: str) -> bool:
        table = self._tables.inbox
        query = select(table.c.message_id).where(
            table.c.tenant_id == tenant_column(), table.c.consumer == consumer, table.c.message_id == message_id
        )
        async with self._database.work(read_only=True) as connection:
            return (await connection.execute(query)).first() is not None

    @override
    async def purge(self, *, received_before: datetime, limit: int = 1000) -> int:
        at_least(1, limit, "limit")
        before = as_utc(received_before, "received_before")
        table = self._tables.inbox
        key = tuple_(table.c.tenant_id, table.c.consumer, table.c.message_id)
        oldest = (
            select(table.c.tenant_id, table.c.consumer, table.c.message_id)
            .where(table.c.received_at < before)
            .order_by(table.c.received_at)
            .limit(limit)
        )
        async with self._database.work() as connection:
            return (await connection.execute(delete(table).where(key.in_(oldest)))).rowcount
