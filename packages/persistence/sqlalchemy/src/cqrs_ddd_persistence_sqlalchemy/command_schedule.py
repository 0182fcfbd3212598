"""Scheduled commands on PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import override

from sqlalchemy import case, func, or_, select

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, longer_than_nothing
from cqrs_ddd_core.ports.command_schedule import ICommandSchedule, ScheduledCommand, ScheduleStatus
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.id_generator import new_id
from cqrs_ddd_persistence_sqlalchemy.adapter import SQLAlchemyAdapter, tenant_column
from cqrs_ddd_persistence_sqlalchemy.database import SessionSource
from cqrs_ddd_persistence_sqlalchemy.record_table import RecordTable
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["SQLAlchemyCommandSchedule"]


class SQLAlchemyCommandSchedule(SQLAlchemyAdapter, ICommandSchedule):
    """Scheduled commands in one table. Times are those of the processes, whose clocks have to agree within the hold."""

    def __init__(self, session_factory: SessionSource, *, tables: Tables = TABLES) -> None:
        super().__init__(session_factory, tables=tables)
        self._table = tables.command_schedule
        self._records = RecordTable(
            ScheduledCommand,
            self._table,
            kind="scheduled command",
            id_field="schedule_id",
            json_fields=("payload", "metadata"),
            types={"status": ScheduleStatus},
        )

    @override
    async def add(self, entry: ScheduledCommand) -> ScheduledCommand:
        async with self._database.work() as connection:
            return await self._records.insert(connection, self._insert(self._table), entry, saved_at=utc_now())

    @override
    async def get(self, schedule_id: str) -> ScheduledCommand | None:
        async with self._database.work(read_only=True) as connection:
            return await self._records.get(connection, self._records.own(schedule_id))

    @override
    async def save(self, entry: ScheduledCommand) -> ScheduledCommand:
        async with self._database.work() as connection:
            return await self._records.update(connection, entry, saved_at=utc_now())

    @override
    async def claim_due(self, limit: int, *, hold: timedelta) -> Sequence[ScheduledCommand]:
        at_least(1, limit, "limit")
        longer_than_nothing(hold, "hold")
        table = self._table
        now = utc_now()
        due = (
            select(table.c.sequence)
            .where(
                table.c.status == ScheduleStatus.SCHEDULED.value,
                table.c.due_at <= now,
                or_(table.c.leased_until.is_(None), table.c.leased_until <= now),
            )
            .order_by(table.c.due_at, table.c.sequence)
            .limit(limit)
        )
        statement = self._records.claim(due, {"lease": new_id(), "leased_until": now + hold})
        async with self._database.alone() as connection:
            rows = (await connection.execute(statement)).all()
        return [self._records.record(row) for row in sorted(rows, key=lambda row: (row.due_at, row.sequence))]

    @override
    async def list_entries(
        self, *, statuses: Collection[ScheduleStatus] | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[ScheduledCommand]:
        table = self._table
        query = select(table).where(table.c.tenant_id == tenant_column())
        if statuses is not None:
            query = query.where(table.c.status.in_([status.value for status in statuses]))
        query = query.order_by(table.c.due_at, table.c.sequence)
        async with self._database.work(read_only=True) as connection:
            return await self._records.page(connection, query, limit=limit, offset=offset)

    @override
    async def next_due(self) -> datetime | None:
        table = self._table
        free_at = case((table.c.leased_until > table.c.due_at, table.c.leased_until), else_=table.c.due_at)
        query = select(func.min(free_at)).where(table.c.status == ScheduleStatus.SCHEDULED.value)
        async with self._database.work(read_only=True) as connection:
            found: datetime | None = await connection.scalar(query)
        return found

    @override
    async def purge(self, *, finished_before: datetime, limit: int = 1000) -> int:
        before = as_utc(finished_before, "finished_before")
        table = self._table
        statuses = [ScheduleStatus.DONE.value, ScheduleStatus.CANCELLED.value]
        finished = table.c.status.in_(statuses) & (table.c.saved_at < before)
        async with self._database.work() as connection:
            return await self._records.purge(connection, finished, table.c.saved_at, limit)
