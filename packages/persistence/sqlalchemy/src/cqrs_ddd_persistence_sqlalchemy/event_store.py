"""The event store on PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from cqrs_ddd_core.adapters.arguments import at_least, longer_than_nothing
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.ports.event_store import StoredEvent, StreamAppend
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.exceptions import ReadOnlyUnitOfWorkError
from cqrs_ddd_persistence_sqlalchemy.database import Database, SessionSource
from cqrs_ddd_persistence_sqlalchemy.event_append import NO_LIMIT, stream_rows
from cqrs_ddd_persistence_sqlalchemy.event_log import COLUMNS, POSITION, EventLog, StreamKey, event_of_row
from cqrs_ddd_persistence_sqlalchemy.notification import Notifications
from cqrs_ddd_persistence_sqlalchemy.postgresql_event_log import PostgreSQLEventLog
from cqrs_ddd_persistence_sqlalchemy.sqlite_event_log import SQLiteEventLog
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables
from cqrs_ddd_persistence_sqlalchemy.unit_of_work import SQLAlchemyUnitOfWork

__all__ = ["SQLAlchemyEventStore"]

_PAGE: Final = 1000
"""Rows that are read at once where it is not known how many of them will be left out."""
_HELD_BACK: Final = 0.1
"""Seconds between two looks while somebody is appending."""
_VERSION: Final = COLUMNS.index("version")


class SQLAlchemyEventStore:
    """Events in one table: ``SQLAlchemyEventStore(session_factory=…, upcaster_registry=…)``.

    Appending joins the unit of work that is open in this task on the same database; otherwise it is one statement that
    commits by itself. On PostgreSQL appenders do not wait for each other, and no reader misses an event.
    """

    def __init__(
        self,
        session_factory: SessionSource,
        upcaster_registry: IUpcasterRegistry | None = None,
        *,
        tables: Tables = TABLES,
        poll_interval: timedelta = timedelta(seconds=1),
    ) -> None:
        """``poll_interval`` is how long a subscription at most waits before it looks by itself.

        That is for commits it was not told of: on SQLite those of other processes, on PostgreSQL those of a process
        that died after its commit, and all while the connection that listens is lost.
        """
        self._session_factory = session_factory
        self._database = Database.of(session_factory)
        self._upcasters = upcaster_registry
        self._poll_interval = longer_than_nothing(poll_interval, "poll_interval")
        make = PostgreSQLEventLog if self._database.is_postgresql else SQLiteEventLog
        self._log: EventLog = make(self._database, tables)
        self._notifications = Notifications.of(self._database, tables.events.fullname)

    def joins(self, uow: UnitOfWork, /) -> bool:
        return self._database.has(uow)

    def open_unit_of_work(self) -> UnitOfWork:
        return SQLAlchemyUnitOfWork(self._session_factory)

    # ------------------------------------------------------------------ appending

    async def append(self, events: Sequence[StoredEvent], *, expected_version: int) -> Sequence[StoredEvent]:
        return await self.append_batch([StreamAppend(events=events, expected_version=expected_version)])

    async def append_batch(self, appends: Sequence[StreamAppend]) -> Sequence[StoredEvent]:
        hooks = get_hook_registry()
        if not hooks:
            return await self._append(appends)
        types = {event.aggregate_type for append in appends for event in append.events}
        attributes = {"event_count": sum(len(append.events) for append in appends), "aggregate.types": sorted(types)}
        name = next(iter(types)) if len(types) == 1 else "several"
        return await hooks.execute_all(f"event_store.append.{name}", attributes, lambda: self._append(appends))

    async def _append(self, appends: Sequence[StreamAppend]) -> Sequence[StoredEvent]:
        if not appends:
            return []
        asked = [stream_rows(append) for append in appends]
        uow = self._database.ambient()
        if uow is None:
            appended = await self._log.append(asked, None)
            await self._notifications.announce()
        else:
            if uow.read_only:
                raise ReadOnlyUnitOfWorkError("append events")
            appended = await self._log.append(asked, await uow.connection())
            uow.on_commit(self._notifications.announce)
        stored: list[StoredEvent] = []
        for rows, (before, positions) in zip(asked, appended, strict=True):
            stored += rows.stored(before, positions)
        return stored

    # ------------------------------------------------------------------ streams

    async def read_stream(
        self,
        aggregate_type: str,
        aggregate_id: str,
        *,
        after_version: int = 0,
        up_to_version: int | None = None,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        if limit is not None:
            at_least(1, limit, "limit")
        stream = _stream(aggregate_type, aggregate_id)
        last = NO_LIMIT if up_to_version is None else up_to_version
        connection = await self._ambient_connection()
        found: list[StoredEvent] = []
        # With upcasters nobody knows how many rows become how many events.
        page = limit if self._upcasters is None or limit is None else max(limit, _PAGE)
        while True:
            rows = await self._log.read_stream(stream, after_version, last, page, connection)
            full_at = self._collect(found, rows, None, limit)
            if full_at is not None or page is None or len(rows) < page:
                return found
            after_version = rows[-1][_VERSION]

    async def stream_version(self, aggregate_type: str, aggregate_id: str) -> int:
        return await self._log.stream_version(_stream(aggregate_type, aggregate_id), await self._ambient_connection())

    async def _ambient_connection(self) -> AsyncConnection | None:
        uow = self._database.ambient()
        return None if uow is None else await uow.connection()

    # ------------------------------------------------------------------ the log

    async def read_all(
        self,
        after_position: int = 0,
        *,
        limit: int = 1000,
        event_types: Iterable[str] | None = None,
        tenant_id: str | None = None,
    ) -> Sequence[StoredEvent]:
        at_least(1, limit, "limit")
        scan = await self._scan(after_position, limit, _wanted(event_types), tenant_id)
        return scan.events

    async def subscribe(
        self, after_position: int = 0, *, batch_size: int = 1000, event_types: Iterable[str] | None = None
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        at_least(1, batch_size, "batch_size")
        wanted = _wanted(event_types)
        position = after_position
        async with self._notifications.waiter(self._poll_interval) as waiter:
            while True:
                scan = await self._scan(position, batch_size, wanted, None)
                position = scan.position
                if scan.events:
                    yield scan.events
                else:
                    # An append that is rolled back tells nobody; until then it may hold back what others committed.
                    await waiter.wait(_HELD_BACK if scan.is_held_back else None)

    async def latest_position(self) -> int:
        return await self._log.latest_position()

    async def _scan(
        self, after_position: int, limit: int, event_types: frozenset[str] | None, tenant_id: str | None
    ) -> _Scan:
        """Goes on until there are enough, however many are left out: no events means that the log is at its end."""
        found: list[StoredEvent] = []
        if self._upcasters is None:
            page, stored_types = limit, event_types
        else:
            # Types are asked for by the names that events have today, which the database does not know.
            page, stored_types = max(limit, _PAGE), None
        while True:
            rows, end, is_held_back = await self._log.read_log(after_position, page, stored_types, tenant_id)
            full_at = self._collect(found, rows, event_types, limit)
            if full_at is not None:
                return _Scan(found, full_at, is_held_back=False)
            if len(rows) < page:
                return _Scan(found, end, is_held_back)
            after_position = rows[-1][POSITION]

    # ------------------------------------------------------------------ rows

    def _collect(
        self,
        found: list[StoredEvent],
        rows: Sequence[Sequence[Any]],
        event_types: frozenset[str] | None,
        limit: int | None,
    ) -> int | None:
        """Add the events of rows until there are enough; the position that was reached then, else None."""
        upcasters = self._upcasters
        if upcasters is None:
            found += map(event_of_row, rows)
            return rows[-1][POSITION] if limit is not None and len(found) >= limit else None
        for row in rows:
            position: int = row[POSITION]
            events = [
                event
                for event in upcasters.upcast(event_of_row(row))
                if event_types is None or event.event_type in event_types
            ]
            # What one stored event became is not torn apart: a reader goes on behind its position.
            if limit is not None and found and len(found) + len(events) > limit:
                return position - 1
            found += events
            if limit is not None and len(found) >= limit:
                return position
        return None


class _Scan(NamedTuple):
    """One look at the log."""

    events: Sequence[StoredEvent]
    position: int
    """Up to here everything has been looked at."""
    is_held_back: bool
    """More has been committed perhaps, but somebody who began to append earlier has not."""


def _stream(aggregate_type: str, aggregate_id: str) -> StreamKey:
    return StreamKey(get_current_tenant_or_none() or "", aggregate_type, aggregate_id)


def _wanted(event_types: Iterable[str] | None) -> frozenset[str] | None:
    if isinstance(event_types, str):
        raise TypeError(
            f"event_types is a collection of names, found the text {event_types!r}. Write [{event_types!r}]."
        )
    return None if event_types is None else frozenset(event_types)
