"""The table of events on PostgreSQL.

Positions are drawn from a sequence, so appenders do not wait for each other, and commit in any order. How readers know
all the same how far they may read is told, and proved, in ``docs/global-position.md``:

- An appender reads the newest position that was drawn (its *floor*) and takes a shared advisory lock whose key holds
  the floor; then it draws. The lock goes with its transaction.
- A reader reads the newest position, then the lowest floor that is locked, then opens its snapshot. What is beyond
  neither of them is final.

The order of the steps is the whole point: within a statement CASE keeps it, between statements the round trip does.
"""

# ruff: noqa: S608 - the names in statements come from Tables, which lets only plain ones through

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from cqrs_ddd_core.ports.event_store import ANY_VERSION
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, EventStoreError, OptimisticConcurrencyError
from cqrs_ddd_persistence_sqlalchemy.database import Database
from cqrs_ddd_persistence_sqlalchemy.errors import TransactionConflictError, failure, is_unique_violation
from cqrs_ddd_persistence_sqlalchemy.event_append import EventRow, StreamRows, second_use
from cqrs_ddd_persistence_sqlalchemy.event_log import COLUMNS, POSITION, Appended, LogPage, StreamKey
from cqrs_ddd_persistence_sqlalchemy.tables import Tables

__all__ = ["PostgreSQLEventLog"]

_FLOOR_BITS: Final = 44
"""The bits of an advisory lock's key that hold the floor: room for 17 million million positions. The bits above them
hold the end of the sequence's oid, so that stores in one database do not hold up each other's readers."""
_FEW: Final = 16
"""Up to so many rows of one stream have a statement of their own for each number, with a parameter for each value:
both sides are quicker with them than with arrays, and a server keeps so many prepared statements easily."""
_TYPES: Final = ("::bigint", "::text", "::int", "::text", "::text", "::text", "::timestamptz", "::text", "::text")
"""What the fields of ``EventRow`` are on the way."""
_ATTEMPTS: Final = 5
"""How often an append is tried when each time somebody else is quicker although nothing speaks against it."""

type _Rows = Sequence[Sequence[Any]]
type _Fetch = Callable[..., Awaitable[_Rows]]
"""Runs a statement with its parameters and gives all rows."""


class PostgreSQLEventLog:
    """Statements on the table of events, for asyncpg."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._sql = _Statements(tables)
        self._sequence_is_checked = False

    # ------------------------------------------------------------------ appending

    async def append(self, appends: Sequence[StreamRows], connection: AsyncConnection | None) -> Sequence[Appended]:
        if len(appends) > 1 and len({append.aggregate_key for append in appends}) < len(appends):
            # What the second append to a stream meets depends on the first.
            if connection is None:
                async with self._database.alone() as own:
                    return [await self._append_one(append, own) for append in appends]
            async with connection.begin_nested():
                return [await self._append_one(append, connection) for append in appends]
        append = self._append_alone if connection is None else self._append_inside
        return await self._run(connection, lambda fetch: append(fetch, appends))

    async def _append_one(self, append: StreamRows, connection: AsyncConnection) -> Appended:
        return (await self._run(connection, lambda fetch: self._append_inside(fetch, [append])))[0]

    async def _append_alone(self, fetch: _Fetch, appends: Sequence[StreamRows]) -> Sequence[Appended]:
        """Without a transaction around it the statement is one: a single round trip, all rows or none."""
        sql, parameters = self._sql.insertion(appends, inside=False)
        wanted = _number_of(appends)
        for _ in range(_ATTEMPTS):
            try:
                rows = await fetch(sql, *parameters)
            except Exception as error:
                if not is_unique_violation(error):
                    raise
                rows = ()
            if len(rows) == wanted:
                return _appended(appends, rows)
            await self._explain(fetch, appends)
        raise _lost(appends)

    async def _append_inside(self, fetch: _Fetch, appends: Sequence[StreamRows]) -> Sequence[Appended]:
        """A row that meets another one with its key is left out and not an error, which would end the transaction."""
        sql, parameters = self._sql.insertion(appends, inside=True)
        wanted = _number_of(appends)
        for _ in range(_ATTEMPTS):
            try:
                rows = await fetch(sql, *parameters)
            except TransactionConflictError as error:
                raise _lost(appends) from error
            if len(rows) == wanted:
                return _appended(appends, rows)
            if rows:
                await fetch(self._sql.deletion, [row[0] for row in rows])
            await self._explain(fetch, appends)
        raise _lost(appends)

    async def _explain(self, fetch: _Fetch, appends: Sequence[StreamRows]) -> None:
        """Raise what speaks against an append; return when nothing does any more and it may be tried again."""
        ids = [row.event_id for append in appends for row in append.rows]
        types, keys = [append.aggregate_type for append in appends], [append.aggregate_id for append in appends]
        found = await fetch(self._sql.explanation, appends[0].tenant_id, types, keys, ids)
        for append, (actual, known_ids, synchronous_commit) in zip(appends, found, strict=True):
            if synchronous_commit == "off":
                raise EventStoreError(
                    "Events cannot be appended with synchronous_commit = off: after a crash of the server positions "
                    "that readers have seen could be given again, to other events. Turn it on for this role (ALTER "
                    "ROLE … SET synchronous_commit = on) or for the transaction (SET LOCAL synchronous_commit = on)."
                )
            conflict = append.conflict(actual)
            if conflict is not None:
                raise conflict
            for row in append.rows:
                if row.event_id in known_ids:
                    raise second_use(row.event_id)

    # ------------------------------------------------------------------ reading

    async def read_stream(
        self,
        stream: StreamKey,
        after_version: int,
        up_to_version: int,
        limit: int | None,
        connection: AsyncConnection | None,
    ) -> _Rows:
        async def read(fetch: _Fetch) -> _Rows:
            return await fetch(self._sql.stream, *stream, after_version, up_to_version, limit)

        return await self._run(connection, read)

    async def stream_version(self, stream: StreamKey, connection: AsyncConnection | None) -> int:
        async def read(fetch: _Fetch) -> int:
            rows = await fetch(self._sql.last_version, *stream)
            return rows[0][0] if rows else 0

        return await self._run(connection, read)

    async def latest_position(self) -> int:
        async def read(fetch: _Fetch) -> int:
            final, _ = await self._bounds(fetch, 0)
            return await self._last_event(fetch, 0, final)

        return await self._run(None, read)

    async def read_log(
        self, after_position: int, limit: int, event_types: Collection[str] | None, tenant_id: str | None
    ) -> LogPage:
        types = None if event_types is None else list(event_types)

        async def read(fetch: _Fetch) -> LogPage:
            final, newest = await self._bounds(fetch, after_position)
            if final <= after_position:
                return LogPage((), after_position, is_held_back=final < newest)
            rows = await fetch(self._sql.log, after_position, final, types, tenant_id, limit)
            if types is None and tenant_id is None:
                end = rows[-1][POSITION] if rows else after_position
            else:
                end = await self._last_event(fetch, after_position, final)
            return LogPage(rows, end, is_held_back=final < newest)

        return await self._run(None, read)

    async def _last_event(self, fetch: _Fetch, after_position: int, final: int) -> int:
        """Readers go on behind an event and not behind the last position that is final.

        That one may have been drawn by a transaction that was rolled back. A crash of the server can lose such a
        draw, and give the position again; up to the position of an event it cannot.
        """
        ((position,),) = await fetch(self._sql.last_event, after_position, final)
        return after_position if position is None else position

    async def _bounds(self, fetch: _Fetch, after_position: int) -> tuple[int, int]:
        """The last final position, and the newest one that was drawn.

        Each statement is a transaction of its own, with a snapshot of its own, whatever isolation is usual here.
        """
        ((newest, is_replica),) = await fetch(self._sql.newest_position)
        if is_replica:
            raise EventStoreError(
                "The log of all events is read from the primary: a replica does not know who is appending at this "
                "moment. Give the event store an engine for the primary; streams can be read from replicas."
            )
        if newest <= after_position:
            return newest, newest
        ((floor,),) = await fetch(self._sql.lowest_floor)
        return (newest if floor is None else min(floor, newest)), newest

    # ------------------------------------------------------------------ connections

    async def _run[R](self, connection: AsyncConnection | None, work: Callable[[_Fetch], Coroutine[Any, Any, R]]) -> R:
        """Do ``work`` in this transaction, or outside of any; errors of the driver become those of the toolkit."""
        try:
            if connection is not None:
                return await self._checked(_fetching_within(connection), work)
            # Through SQLAlchemy's layers BEGIN and COMMIT would be two more round trips.
            return await self._database.driver(lambda driver: self._checked(driver.fetch, work))
        except Exception as error:
            found = failure(error)
            if found is error:
                raise
            raise found from error

    async def _checked[R](self, fetch: _Fetch, work: Callable[[_Fetch], Coroutine[Any, Any, R]]) -> R:
        if not self._sequence_is_checked:
            rows = await fetch(self._sql.sequence_settings)
            if [tuple(row) for row in rows] != [(1, 1, False)]:
                name = self._sql.sequence_name
                raise ConfigurationError(
                    f"The sequence {name} must count by 1, without a cache and without a cycle: readers rely on its "
                    "last value being the newest position. Put it right while nobody appends: "
                    f"ALTER SEQUENCE {name} INCREMENT 1 CACHE 1 NO CYCLE."
                )
            self._sequence_is_checked = True
        return await work(fetch)


class _Statements:
    """The SQL for one set of tables. Names need no quotes: ``Tables`` lets only plain ones through."""

    def __init__(self, tables: Tables) -> None:
        events = tables.events.fullname
        columns = ", ".join(COLUMNS)
        # As text in both directions: what the driver makes of jsonb depends on how the engine was made.
        as_text = columns.replace("payload, metadata", "payload::text, metadata::text")
        self.sequence_name = (
            tables.event_positions.name if tables.schema is None else (f"{tables.schema}.{tables.event_positions.name}")
        )
        sequence = f"'{self.sequence_name}'::regclass"
        draw = f"nextval({sequence})"
        # Not SELECT last_value FROM the sequence: without the buffer's lock one can meet the value that nextval writes
        # to the log for a crash, 32 ahead, while it is at work.
        newest = f"coalesce(pg_sequence_last_value({sequence}), 0)"
        store = f"({sequence}::oid::bigint << {_FLOOR_BITS})"
        lock = f"pg_advisory_xact_lock_shared({store} | {newest})"
        # CASE, because the order in which it works is the one that PostgreSQL promises to keep. As a subquery the lock
        # is taken once, however many rows there are.
        lock_once = f"(SELECT {lock})"
        draw_alone = f"CASE WHEN {lock_once} IS NOT NULL THEN {draw} END"
        # A transaction that appends often takes the lock once; ROLLBACK TO takes back the note and the lock together.
        note = f"'cqrs_ddd.appending_' || {sequence}::oid"
        draw_inside = (
            f"CASE WHEN current_setting({note}, true) = 'yes' THEN {draw} WHEN {lock_once} IS NOT NULL THEN "
            f"CASE WHEN set_config({note}, 'yes', true) IS NOT NULL THEN {draw} END END"
        )

        last_version = (
            f"SELECT version FROM {events} WHERE tenant_id = {{}} AND aggregate_type = {{}} AND aggregate_id = {{}} "
            "ORDER BY version DESC LIMIT 1"
        )
        durable = "current_setting('synchronous_commit') <> 'off'"
        fits = f"$4::bigint = coalesce(({last_version.format('$1', '$2', '$3')}), 0) AND {durable}"
        insert = f"INSERT INTO {events} ({columns}) SELECT "
        returning = " RETURNING position, version"
        keep = " ON CONFLICT DO NOTHING"

        def few(rows: int, draw: str, end: str) -> str:
            fields = len(EventRow._fields)
            values = ", ".join(
                f"({', '.join(f'${4 + row * fields + field}{_TYPES[field - 1]}' for field in range(1, fields + 1))})"
                for row in range(rows)
            )
            return (
                f"{insert}{draw}, $1::text, $2::text, $3::text, e.column1, e.column2, e.column3, e.column4, "
                "e.column5::jsonb, e.column6::jsonb, e.column7, e.column8, e.column9 "
                f"FROM (VALUES {values}) AS e WHERE {fits} ORDER BY e.column1{end}"
            )

        many = (
            "WITH asked AS MATERIALIZED (SELECT s.number, s.aggregate_type, s.aggregate_id, s.expected, s.below, "
            f"coalesce(({last_version.format('$1', 's.aggregate_type', 's.aggregate_id')}), 0) AS actual "
            "FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[]) WITH ORDINALITY "
            "AS s(aggregate_type, aggregate_id, expected, below, number)) "
            f"{insert}{{draw}}, $1::text, a.aggregate_type, a.aggregate_id, "
            "CASE WHEN e.relative THEN a.actual ELSE 0 END + e.version, e.event_type, e.schema_version, e.event_id, "
            "e.payload::jsonb, e.metadata::jsonb, e.occurred_at, e.correlation_id, e.causation_id "
            "FROM unnest($6::bigint[], $7::bool[], $8::bigint[], $9::text[], $10::int[], $11::text[], $12::text[], "
            "$13::text[], $14::timestamptz[], $15::text[], $16::text[]) WITH ORDINALITY AS e(stream, relative, "
            "version, event_type, schema_version, event_id, payload, metadata, occurred_at, correlation_id, "
            "causation_id, number) JOIN asked a ON a.number = e.stream "
            f"WHERE {durable} AND NOT EXISTS (SELECT FROM asked WHERE expected NOT IN ({ANY_VERSION}, actual) "
            "OR actual >= below) ORDER BY e.number"
        )
        # For one row VALUES and ORDER BY would cost more than the row.
        one_row = ", ".join(f"${4 + field}{kind}" for field, kind in enumerate(_TYPES, start=1))
        one_row = one_row.replace("$9::text", "$9::text::jsonb").replace("$10::text", "$10::text::jsonb")
        one = f"{insert}{{draw}}, $1::text, $2::text, $3::text, {one_row} WHERE {fits}"
        draw_one = f"CASE WHEN {lock} IS NOT NULL THEN {draw} END"
        self._few = [
            "",
            one.format(draw=draw_one) + returning,
            *(few(rows, draw_alone, returning) for rows in range(2, _FEW + 1)),
        ]
        self._few_inside = [
            "",
            one.format(draw=draw_inside) + keep + returning,
            *(few(rows, draw_inside, keep + returning) for rows in range(2, _FEW + 1)),
        ]
        self._many = many.format(draw=draw_alone) + returning
        self._many_inside = many.format(draw=draw_inside) + keep + returning
        self.deletion = f"DELETE FROM {events} WHERE position = ANY($1::bigint[]) RETURNING position"
        self.explanation = (
            f"SELECT coalesce(({last_version.format('$1::text', 's.aggregate_type', 's.aggregate_id')}), 0), "
            f"ARRAY(SELECT event_id FROM {events} WHERE event_id = ANY($4::text[])), "
            "current_setting('synchronous_commit') FROM unnest($2::text[], $3::text[]) "
            "WITH ORDINALITY AS s(aggregate_type, aggregate_id, number) ORDER BY s.number"
        )

        self.stream = (
            f"SELECT {as_text} FROM {events} WHERE tenant_id = $1 AND aggregate_type = $2 AND aggregate_id = $3 "
            "AND version > $4 AND version <= $5 ORDER BY version LIMIT $6"
        )
        self.last_version = last_version.format("$1", "$2", "$3")

        self.newest_position = f"SELECT {newest}, pg_is_in_recovery()"
        # An advisory lock on one 64-bit key shows its halves as classid and objid, and objsubid 1.
        key = "((classid::bigint << 32) | objid::bigint)"
        self.lowest_floor = (
            f"SELECT min({key} & {2**_FLOOR_BITS - 1}) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            f"AND (({key} >> {_FLOOR_BITS}) << {_FLOOR_BITS}) = {store}"
        )
        self.log = (
            f"SELECT {as_text} FROM {events} WHERE position > $1 AND position <= $2 "
            "AND ($3::text[] IS NULL OR event_type = ANY($3)) AND ($4::text IS NULL OR tenant_id = $4) "
            "ORDER BY position LIMIT $5"
        )
        self.last_event = f"SELECT max(position) FROM {events} WHERE position > $1 AND position <= $2"
        self.sequence_settings = f"SELECT seqcache, seqincrement, seqcycle FROM pg_sequence WHERE seqrelid = {sequence}"

    def insertion(self, appends: Sequence[StreamRows], *, inside: bool) -> tuple[str, list[Any]]:
        """The statement that inserts these rows, and its parameters."""
        first = appends[0]
        if len(appends) == 1 and len(first.rows) <= _FEW and first.expected != ANY_VERSION:
            parameters: list[Any] = [first.tenant_id, first.aggregate_type, first.aggregate_id, first.expected]
            for row in first.rows:
                parameters += row
            return (self._few_inside if inside else self._few)[len(first.rows)], parameters
        streams: list[list[Any]] = [
            [append.aggregate_type for append in appends],
            [append.aggregate_id for append in appends],
            [append.expected for append in appends],
            [append.below for append in appends],
        ]
        rows = [
            (number, place < append.relative, *row)
            for number, append in enumerate(appends, start=1)
            for place, row in enumerate(append.rows)
        ]
        parameters = [first.tenant_id, *streams, *map(list, zip(*rows, strict=True))]
        return (self._many_inside if inside else self._many), parameters


def _fetching_within(connection: AsyncConnection) -> _Fetch:
    async def fetch(sql: str, *parameters: Any) -> _Rows:
        return (await connection.exec_driver_sql(sql, parameters)).all()

    return fetch


def _number_of(appends: Sequence[StreamRows]) -> int:
    return sum(len(append.rows) for append in appends)


def _appended(appends: Sequence[StreamRows], rows: _Rows) -> list[Appended]:
    # Positions were drawn in the order of the events, whatever the order in which they are returned.
    ordered = sorted((row[0], row[1]) for row in rows)
    appended: list[Appended] = []
    start = 0
    for append in appends:
        part = ordered[start : start + len(append.rows)]
        start += len(part)
        before = part[0][1] - append.rows[0].version if append.relative else append.expected
        appended.append(Appended(before, [position for position, _ in part]))
    return appended


def _lost(appends: Sequence[StreamRows]) -> OptimisticConcurrencyError:
    """Who was quicker is not known: PostgreSQL gave up the transaction, or others were quicker again and again."""
    first = appends[0]
    return OptimisticConcurrencyError(first.aggregate_type, first.aggregate_id, first.expected, None)
