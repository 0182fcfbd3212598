"""Background jobs on PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, override

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, longer_than_nothing
from cqrs_ddd_core.ports.background_job import BackgroundJobRecord, BackgroundJobStatus, IBackgroundJobRepository
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError
from cqrs_ddd_persistence_sqlalchemy.adapter import SQLAlchemyAdapter, tenant_column
from cqrs_ddd_persistence_sqlalchemy.availability import Availability
from cqrs_ddd_persistence_sqlalchemy.database import SessionSource
from cqrs_ddd_persistence_sqlalchemy.errors import is_unique_violation
from cqrs_ddd_persistence_sqlalchemy.record_table import RecordTable
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["SQLAlchemyBackgroundJobRepository"]

_PENDING: Final = BackgroundJobStatus.PENDING.value
_RUNNING: Final = BackgroundJobStatus.RUNNING.value


class SQLAlchemyBackgroundJobRepository(SQLAlchemyAdapter, IBackgroundJobRepository):
    """Jobs in one table. Leases run on the clocks of the processes, which have to agree within the hold."""

    def __init__(
        self,
        session_factory: SessionSource,
        *,
        tables: Tables = TABLES,
        poll_interval: timedelta = timedelta(seconds=1),
    ) -> None:
        """``poll_interval`` is how long a waiting worker at most waits before it looks by itself.

        That is for commits it was not told of: on SQLite those of other processes, on PostgreSQL those of a process
        that died after its commit, and all while the connection that listens is lost.
        """
        super().__init__(session_factory, tables=tables)
        self._table = tables.background_jobs
        self._records = RecordTable(
            BackgroundJobRecord,
            self._table,
            kind="background job",
            id_field="job_id",
            json_fields=("payload", "result", "metadata"),
            types={"status": BackgroundJobStatus},
        )
        self._availability = Availability(self._database, self._table, poll_interval)

    @override
    async def add(self, jobs: Sequence[BackgroundJobRecord]) -> Sequence[BackgroundJobRecord]:
        new = [self._records.as_new(job) for job in jobs]
        if not new:
            return []
        async with self._database.work() as connection:
            added = await self._insert_jobs(connection, new)
            answers: list[BackgroundJobRecord] = []
            for job in new:
                if job.job_id in added:
                    added.remove(job.job_id)
                    answers.append(job)
                    continue
                holder = await self._holder_or_added(connection, job)
                if holder is None:
                    conflict = await self._records.conflict(connection, job, 0)
                    # The caller may catch the error and commit the rest.
                    await self._take_back(connection, [*(answer.job_id for answer in answers if answer in new), *added])
                    raise conflict
                answers.append(holder)
        await self._availability.announce()
        return answers

    @override
    async def get(self, job_id: str) -> BackgroundJobRecord | None:
        async with self._database.work(read_only=True) as connection:
            return await self._records.get(connection, self._records.own(job_id))

    @override
    async def save(self, job: BackgroundJobRecord) -> BackgroundJobRecord:
        async with self._database.work() as connection, self._taking_its_key(connection, job):
            saved = await self._records.update(connection, replace(job, updated_at=utc_now()))
        if saved.status is BackgroundJobStatus.PENDING:
            await self._availability.announce()
        return saved

    # ------------------------------------------------------------------ workers

    @override
    async def claim(
        self, limit: int, *, worker_id: str, hold: timedelta, job_types: Collection[str] | None = None
    ) -> Sequence[BackgroundJobRecord]:
        at_least(1, limit, "limit")
        longer_than_nothing(hold, "hold")
        table = self._table
        now = utc_now()
        due = select(table.c.sequence).where(table.c.status == _PENDING, table.c.available_at <= now)
        if job_types is not None:
            due = due.where(table.c.job_type.in_(job_types))
        due = due.order_by(table.c.priority.desc(), table.c.available_at, table.c.sequence).limit(limit)
        changes = {
            "status": _RUNNING,
            "attempts": table.c.attempts + 1,
            "fence": table.c.fence + 1,
            "worker_id": worker_id,
            "leased_until": now + hold,
            "started_at": now,
            "updated_at": now,
        }
        async with self._database.alone() as connection:
            rows = (await connection.execute(self._records.claim(due, changes))).all()
        in_order = sorted(rows, key=lambda row: (-row.priority, row.available_at, row.sequence))
        return [self._records.record(row) for row in in_order]

    @override
    async def heartbeat(self, jobs: Sequence[BackgroundJobRecord], *, hold: timedelta) -> Sequence[BackgroundJobRecord]:
        longer_than_nothing(hold, "hold")
        if not jobs:
            return []
        table = self._table
        now = utc_now()
        held: list[BackgroundJobRecord] = []
        async with self._database.alone() as connection:
            # In one order, so that two who hold the same jobs do not wait for each other.
            for job in sorted(jobs, key=lambda job: (job.tenant_id or "", job.job_id)):
                statement = update(table).where(self._is_held(job)).returning(table)
                statement = statement.values(leased_until=now + hold, updated_at=now, version=table.c.version + 1)
                row = (await connection.execute(statement)).first()
                if row is not None:
                    held.append(self._records.record(row))
        return held

    @override
    async def settle(self, job: BackgroundJobRecord) -> bool:
        table = self._table
        outcome = self._records.row(self._records.as_kept(replace(job, updated_at=utc_now())))
        outcome["version"] = table.c.version + 1
        if not job.cancel_requested:
            # Somebody may have asked to cancel since the worker last looked.
            del outcome["cancel_requested"]
        async with self._database.work() as connection, self._taking_its_key(connection, job):
            settled = (await connection.execute(update(table).where(self._is_held(job)).values(outcome))).rowcount
        if settled and job.status is BackgroundJobStatus.PENDING:
            await self._availability.announce()
        return bool(settled)

    @override
    async def expired(self, limit: int) -> Sequence[BackgroundJobRecord]:
        table = self._table
        query = select(table).where(table.c.status == _RUNNING, table.c.leased_until <= utc_now())
        async with self._database.work(read_only=True) as connection:
            ordered = query.order_by(table.c.leased_until, table.c.sequence)
            return await self._records.page(connection, ordered, limit=limit)

    @override
    async def wait_for_jobs(self, timeout: timedelta) -> bool:
        return await self._availability.wait(timeout, self._seconds_until_due)

    # ------------------------------------------------------------------ lists

    @override
    async def list_jobs(
        self,
        *,
        statuses: Collection[BackgroundJobStatus] | None = None,
        job_type: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Sequence[BackgroundJobRecord]:
        table = self._table
        query = select(table).where(table.c.tenant_id == tenant_column())
        if statuses is not None:
            query = query.where(table.c.status.in_([status.value for status in statuses]))
        if job_type is not None:
            query = query.where(table.c.job_type == job_type)
        query = query.order_by(table.c.created_at.desc(), table.c.sequence.desc())
        async with self._database.work(read_only=True) as connection:
            return await self._records.page(connection, query, limit=limit, offset=offset)

    @override
    async def count_by_status(self) -> Mapping[BackgroundJobStatus, int]:
        table = self._table
        query = (
            select(table.c.status, func.count().label("number"))
            .where(table.c.tenant_id == tenant_column())
            .group_by(table.c.status)
        )
        async with self._database.work(read_only=True) as connection:
            counts = {row.status: row.number for row in await connection.execute(query)}
        return {status: counts.get(status.value, 0) for status in BackgroundJobStatus}

    @override
    async def purge(self, *, finished_before: datetime, limit: int = 1000) -> int:
        before = as_utc(finished_before, "finished_before")
        table = self._table
        statuses = [BackgroundJobStatus.COMPLETED.value, BackgroundJobStatus.CANCELLED.value]
        finished = table.c.status.in_(statuses) & (table.c.finished_at < before)
        async with self._database.work() as connection:
            return await self._records.purge(connection, finished, table.c.finished_at, limit)

    # ------------------------------------------------------------------ statements

    async def _insert_jobs(self, connection: AsyncConnection, jobs: Sequence[BackgroundJobRecord]) -> set[str]:
        """Add those whose id and unique key are free; their ids."""
        insert = self._insert(self._table).on_conflict_do_nothing().returning(self._table.c.job_id)
        return set((await connection.execute(insert, [self._records.row(job) for job in jobs])).scalars())

    async def _holder_or_added(
        self, connection: AsyncConnection, job: BackgroundJobRecord
    ) -> BackgroundJobRecord | None:
        """For a job that was refused: the one that has its unique key, or itself if that has ended in this moment.

        None when it is the id that is taken.
        """
        if job.unique_key is None or job.status.is_terminal:
            return None
        table = self._table
        holder = await self._records.get(
            connection,
            (table.c.tenant_id == tenant_column())
            & (table.c.unique_key == job.unique_key)
            & table.c.status.in_([_PENDING, _RUNNING]),
        )
        if holder is not None:
            return holder if holder.job_id != job.job_id else None
        return job if await self._insert_jobs(connection, [job]) else None

    async def _take_back(self, connection: AsyncConnection, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            await connection.execute(delete(self._table).where(self._records.own(job_id)))

    @asynccontextmanager
    async def _taking_its_key(self, connection: AsyncConnection, job: BackgroundJobRecord) -> AsyncGenerator[None]:
        """Raises ``OptimisticConcurrencyError`` when the block gives the job a unique key that another one has."""
        if job.unique_key is None or job.status.is_terminal:
            yield
            return
        try:
            # PostgreSQL gives up a transaction in which a statement failed, but not what was before a savepoint.
            async with connection.begin_nested():
                yield
        except IntegrityError as error:
            if is_unique_violation(error):
                raise OptimisticConcurrencyError("background job with the unique key", job.unique_key, 0) from error
            raise

    def _is_held(self, job: BackgroundJobRecord) -> ColumnElement[bool]:
        """Whether this claim of the job is still the last one, and the job not settled."""
        table = self._table
        return (
            (table.c.tenant_id == (job.tenant_id or ""))
            & (table.c.job_id == job.job_id)
            & (table.c.status == _RUNNING)
            & (table.c.fence == job.fence)
        )

    async def _seconds_until_due(self) -> float:
        table = self._table
        query = select(func.min(table.c.available_at)).where(table.c.status == _PENDING)
        async with self._database.work(read_only=True) as connection:
            due_at: datetime | None = await connection.scalar(query)
        return float("inf") if due_at is None else max((due_at - utc_now()).total_seconds(), 0)
