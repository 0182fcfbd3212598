"""The table of events on SQLite.

One transaction writes at a time, so positions rise in the order of the commits: whatever a reader sees is final.
"""

# ruff: noqa: S608 - the names in statements come from Tables, which lets only plain ones through

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from cqrs_ddd_core.ports.event_store import ANY_VERSION
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError
from cqrs_ddd_persistence_sqlalchemy.column_types import to_utc_text
from cqrs_ddd_persistence_sqlalchemy.database import Database
from cqrs_ddd_persistence_sqlalchemy.errors import failure, is_unique_violation
from cqrs_ddd_persistence_sqlalchemy.event_append import NO_LIMIT, EventRow, StreamRows, second_use
from cqrs_ddd_persistence_sqlalchemy.event_log import COLUMNS, Appended, LogPage, StreamKey
from cqrs_ddd_persistence_sqlalchemy.sqlite_transaction import SQLiteDriver
from cqrs_ddd_persistence_sqlalchemy.tables import Tables

__all__ = ["SQLiteEventLog"]

_ROWS: Final = 100
"""How many rows one statement inserts. More are inserted by several, in a transaction."""

type _Rows = Sequence[Sequence[Any]]
type _Fetch = Callable[[str, Sequence[Any]], Awaitable[_Rows]]
"""Runs a statement with its parameters and gives all rows."""


class SQLiteEventLog:
    """Statements on the table of events, for aiosqlite. Each one is a visit to the thread of the connection."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._sql = _Statements(tables)

    # ------------------------------------------------------------------ appending

    async def append(self, appends: Sequence[StreamRows], connection: AsyncConnection | None) -> Sequence[Appended]:
        if len(appends) == 1 and len(appends[0].rows) <= _ROWS:
            # A statement that no transaction is around is one itself.
            return await self._append_all(appends, connection)
        if connection is None:
            async with self._database.alone() as own:
                return await self._append_all(appends, own)
        async with connection.begin_nested():
            return await self._append_all(appends, connection)

    async def _append_all(
        self, appends: Sequence[StreamRows], connection: AsyncConnection | None
    ) -> Sequence[Appended]:
        async def append_all(fetch: _Fetch) -> Sequence[Appended]:
            return [await self._append(fetch, append) for append in appends]

        return await self._run(connection, append_all)

    async def _append(self, fetch: _Fetch, append: StreamRows) -> Appended:
        rows = append.rows
        inserted = await self._insert(fetch, append, rows[:_ROWS])
        before = inserted[0][1] - rows[0].version if append.relative else append.expected
        positions = [row[0] for row in inserted]
        for start in range(_ROWS, len(rows), _ROWS):
            # Now all versions are known.
            known = append._replace(
                expected=inserted[-1][1],
                below=NO_LIMIT,
                relative=0,
                rows=[
                    row._replace(version=row.version + before) if place < append.relative else row
                    for place, row in enumerate(rows[start : start + _ROWS], start)
                ],
            )
            inserted = await self._insert(fetch, known, known.rows)
            positions += [row[0] for row in inserted]
        return Appended(before, positions)

    async def _insert(self, fetch: _Fetch, append: StreamRows, rows: Sequence[EventRow]) -> _Rows:
        """Positions and versions of the new rows, in their order; raises what speaks against them."""
        sql, parameters = self._sql.insertion(append, rows)
        try:
            inserted = await fetch(sql, parameters)
        except Exception as error:
            if not is_unique_violation(error):
                raise
            inserted = ()
        if not inserted:
            await self._explain(fetch, append, rows)
        return sorted(tuple(row) for row in inserted)

    async def _explain(self, fetch: _Fetch, append: StreamRows, rows: Sequence[EventRow]) -> None:
        found = await fetch(self._sql.last_version, (append.tenant_id, *append.aggregate_key))
        conflict = append.conflict(found[0][0] if found else 0)
        if conflict is not None:
            raise conflict
        for row in rows:
            if await fetch(self._sql.event_id, (row.event_id,)):
                raise second_use(row.event_id)
        # Outside of a transaction another writer may have come in between.
        raise OptimisticConcurrencyError(*append.aggregate_key, append.expected, None)

    # ------------------------------------------------------------------ reading

    async def read_stream(
        self,
        stream: StreamKey,
        after_version: int,
        up_to_version: int,
        limit: int | None,
        connection: AsyncConnection | None,
    ) -> _Rows:
        parameters = (*stream, after_version, up_to_version, -1 if limit is None else limit)

        async def read(fetch: _Fetch) -> _Rows:
            return await fetch(self._sql.stream, parameters)

        return await self._run(connection, read)

    async def stream_version(self, stream: StreamKey, connection: AsyncConnection | None) -> int:
        async def read(fetch: _Fetch) -> int:
            rows = await fetch(self._sql.last_version, stream)
            return rows[0][0] if rows else 0

        return await self._run(connection, read)

    async def latest_position(self) -> int:
        return await self._run(None, self._newest)

    async def read_log(
        self, after_position: int, limit: int, event_types: Collection[str] | None, tenant_id: str | None
    ) -> LogPage:
        async def read(fetch: _Fetch) -> LogPage:
            # Before the rows: what is committed in between is found by the next look.
            newest = await self._newest(fetch)
            if newest <= after_position:
                return LogPage((), after_position, is_held_back=False)
            sql, parameters = self._sql.log(after_position, newest, limit, event_types, tenant_id)
            return LogPage(await fetch(sql, parameters), newest, is_held_back=False)

        return await self._run(None, read)

    async def _newest(self, fetch: _Fetch) -> int:
        rows = await fetch(self._sql.newest_position, ())
        newest: int = rows[0][0] if rows else 0
        return newest

    # ------------------------------------------------------------------ connections

    async def _run[R](self, connection: AsyncConnection | None, work: Callable[[_Fetch], Coroutine[Any, Any, R]]) -> R:
        """Do ``work`` in this transaction, or outside of any; errors of the driver become those of the toolkit."""
        try:
            if connection is not None:
                return await work(_fetching_within(connection))
            return await self._database.driver(lambda driver: _committed(driver, work))
        except Exception as error:
            found = failure(error)
            if found is error:
                raise
            raise found from error


class _Statements:
    """The SQL for one set of tables. Names need no quotes: ``Tables`` lets only plain ones through."""

    def __init__(self, tables: Tables) -> None:
        self._events = events = tables.events.name
        self._columns = ", ".join(COLUMNS)
        self.last_version = (
            f"SELECT version FROM {events} WHERE tenant_id = ? AND aggregate_type = ? AND aggregate_id = ? "
            "ORDER BY version DESC LIMIT 1"
        )
        self.event_id = f"SELECT 1 FROM {events} WHERE event_id = ?"
        self.stream = (
            f"SELECT {self._columns} FROM {events} WHERE tenant_id = ? AND aggregate_type = ? AND aggregate_id = ? "
            "AND version > ? AND version <= ? ORDER BY version LIMIT ?"
        )
        self.newest_position = f"SELECT position FROM {events} ORDER BY position DESC LIMIT 1"
        self._insertion = lru_cache(maxsize=_ROWS)(self._make_insertion)

    def insertion(self, append: StreamRows, rows: Sequence[EventRow]) -> tuple[str, list[Any]]:
        """The statement that inserts these rows of an append, and its parameters."""
        parameters: list[Any] = [append.tenant_id, *append.aggregate_key, append.expected, append.below]
        for place, row in enumerate(rows):
            parameters += (place < append.relative, *row)
            parameters[-3] = to_utc_text(row.occurred_at)
        return self._insertion(len(rows)), parameters

    def _make_insertion(self, rows: int) -> str:
        # It begins with WITH, and not with INSERT, before which the driver would open a transaction.
        fields = 1 + len(EventRow._fields)
        values = ", ".join(
            f"({', '.join(f'?{6 + row * fields + field}' for field in range(fields))})" for row in range(rows)
        )
        return (
            f"WITH last(version) AS (SELECT coalesce((SELECT version FROM {self._events} WHERE tenant_id = ?1 "
            "AND aggregate_type = ?2 AND aggregate_id = ?3 ORDER BY version DESC LIMIT 1), 0)) "
            f"INSERT INTO {self._events} ({self._columns.removeprefix('position, ')}) "
            "SELECT ?1, ?2, ?3, CASE WHEN e.column1 THEN last.version ELSE 0 END + e.column2, e.column3, e.column4, "
            "e.column5, e.column6, e.column7, e.column8, e.column9, e.column10 "
            f"FROM last, (VALUES {values}) AS e WHERE ?4 IN ({ANY_VERSION}, last.version) AND last.version < ?5 "
            "ORDER BY e.column2 RETURNING position, version"
        )

    def log(
        self,
        after_position: int,
        final: int,
        limit: int,
        event_types: Collection[str] | None,
        tenant_id: str | None,
    ) -> tuple[str, list[Any]]:
        """The statement that reads final rows behind a position, and its parameters."""
        sql = f"SELECT {self._columns} FROM {self._events} WHERE position > ? AND position <= ?"
        parameters: list[Any] = [after_position, final]
        if event_types is not None:
            sql += f" AND event_type IN ({', '.join('?' for _ in event_types)})"
            parameters += event_types
        if tenant_id is not None:
            sql += " AND tenant_id = ?"
            parameters.append(tenant_id)
        return f"{sql} ORDER BY position LIMIT ?", [*parameters, limit]


def _fetching_within(connection: AsyncConnection) -> _Fetch:
    async def fetch(sql: str, parameters: Sequence[Any]) -> _Rows:
        return (await connection.exec_driver_sql(sql, tuple(parameters))).all()

    return fetch


async def _committed[R](driver: SQLiteDriver, work: Callable[[_Fetch], Coroutine[Any, Any, R]]) -> R:
    result = await work(driver.execute_fetchall)
    # Whether the driver opens a transaction before a statement depends on how the engine was made.
    if driver.in_transaction:
        await driver.commit()
    return result
