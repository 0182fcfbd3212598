"""Sagas on PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import override

from sqlalchemy import or_, select

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, longer_than_nothing
from cqrs_ddd_core.ports.saga import ISagaRepository, SagaRecord, SagaStatus
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.id_generator import new_id
from cqrs_ddd_persistence_sqlalchemy.adapter import SQLAlchemyAdapter, tenant_column
from cqrs_ddd_persistence_sqlalchemy.database import SessionSource
from cqrs_ddd_persistence_sqlalchemy.record_table import RecordTable
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["SQLAlchemySagaRepository"]


class SQLAlchemySagaRepository(SQLAlchemyAdapter, ISagaRepository):
    """Saga instances in one table. Leases run on the clocks of the processes, which have to agree within the hold."""

    def __init__(self, session_factory: SessionSource, *, tables: Tables = TABLES) -> None:
        super().__init__(session_factory, tables=tables)
        self._table = tables.sagas
        self._records = RecordTable(
            SagaRecord,
            self._table,
            kind="saga",
            id_field="saga_id",
            json_fields=("body",),
            types={"status": SagaStatus},
        )

    @override
    async def get(self, saga_id: str) -> SagaRecord | None:
        async with self._database.work(read_only=True) as connection:
            return await self._records.get(connection, self._records.own(saga_id))

    @override
    async def find(self, saga_type: str, key: str) -> SagaRecord | None:
        table = self._table
        condition = (table.c.tenant_id == tenant_column()) & (table.c.saga_type == saga_type) & (table.c.key == key)
        async with self._database.work(read_only=True) as connection:
            return await self._records.get(connection, condition)

    @override
    async def add(self, record: SagaRecord) -> SagaRecord:
        async with self._database.work() as connection:
            return await self._records.insert(connection, self._insert(self._table), record)

    @override
    async def save(self, record: SagaRecord) -> SagaRecord:
        async with self._database.work() as connection:
            return await self._records.update(connection, replace(record, updated_at=utc_now()))

    @override
    async def claim_due(self, limit: int, *, hold: timedelta) -> Sequence[SagaRecord]:
        at_least(1, limit, "limit")
        longer_than_nothing(hold, "hold")
        table = self._table
        now = utc_now()
        due = (
            select(table.c.sequence)
            .where(table.c.wake_at <= now, or_(table.c.leased_until.is_(None), table.c.leased_until <= now))
            .order_by(table.c.wake_at, table.c.sequence)
            .limit(limit)
        )
        statement = self._records.claim(due, {"lease": new_id(), "leased_until": now + hold})
        async with self._database.alone() as connection:
            rows = (await connection.execute(statement)).all()
        return [self._records.record(row) for row in sorted(rows, key=lambda row: (row.wake_at, row.sequence))]

    @override
    async def list_sagas(
        self,
        *,
        statuses: Collection[SagaStatus] | None = None,
        saga_type: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[SagaRecord]:
        table = self._table
        query = select(table).where(table.c.tenant_id == tenant_column())
        if statuses is not None:
            query = query.where(table.c.status.in_([status.value for status in statuses]))
        if saga_type is not None:
            query = query.where(table.c.saga_type == saga_type)
        query = query.order_by(table.c.updated_at.desc(), table.c.sequence.desc())
        async with self._database.work(read_only=True) as connection:
            return await self._records.page(connection, query, limit=limit, offset=offset)

    @override
    async def purge(self, *, finished_before: datetime, limit: int = 1000) -> int:
        before = as_utc(finished_before, "finished_before")
        table = self._table
        terminal = [status.value for status in SagaStatus if status.is_terminal]
        finished = table.c.status.in_(terminal) & table.c.wake_at.is_(None) & (table.c.updated_at < before)
        async with self._database.work() as connection:
            return await self._records.purge(connection, finished, table.c.updated_at, limit)
