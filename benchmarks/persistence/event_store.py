"""Appending and loading events, against hand-written asyncpg and aiosqlite that move the same bytes in the same run.

Prints shares of these floors, medians of interleaved rounds: what the machine does meanwhile hits both sides.

- append: an event with a payload of four fields, to a new stream; 1 and 10 in a commit, and 8 writers at once.
  PostgreSQL's floor is an INSERT that commits by itself (for 10 one with ``unnest``), SQLite's ``executemany`` and
  ``commit`` on one aiosqlite connection. The floors check no versions, no event ids, and give no order to readers.
- load: a stream of 1,000 and of 10,000 events into validated pydantic events. The floor fetches the rows, reads the
  payload with ``json.loads`` and validates a model with its four fields; ours makes whole ``DomainEvent`` objects.

PostgreSQL is the server that ``TEST_POSTGRES_URL`` names, else a private one. The pool has 8 connections on both sides.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, override

import aiosqlite
import asyncpg
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cqrs_ddd_core import DomainEvent
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.ports.event_store import NO_STREAM, StoredEvent
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyEventStore, create_schema, drop_schema

sys.path.insert(0, str(Path(__file__).parents[2]))
from scripts.servers.catalogue import server_named
from scripts.servers.run import ServerRun

ROUNDS, BOX, LOAD_ROUNDS, WRITERS = 9, 0.25, 7, 8
"""``BOX`` is how many seconds one side of a round appends."""

NOTE = "x" * 100
METADATA = {"correlation_id": "c" * 32, "causation_id": "d" * 32}
POSTGRESQL_FLOOR = """
drop table if exists floor_events;
create table floor_events (
    position bigint generated always as identity, stream_id text not null, version int not null, type text not null,
    payload jsonb not null, metadata jsonb not null, created_at timestamptz not null default now(),
    primary key (stream_id, version)
);
create unique index on floor_events (position);
"""
SQLITE_FLOOR = """create table floor_events (
    position integer primary key autoincrement, stream_id text not null, version int not null, type text not null,
    payload text not null, metadata text not null, created_at text not null, unique (stream_id, version))"""
COLUMNS = "stream_id, version, type, payload, metadata, created_at"


class OrderPlaced(DomainEvent):
    """What is loaded."""

    order_id: str
    customer: str
    amount: int
    note: str


class PlainOrderPlaced(BaseModel):
    """What the floor loads."""

    order_id: str
    customer: str
    amount: int
    note: str


def payload(stream: str) -> dict[str, Any]:
    return {"order_id": stream, "customer": "customer-1", "amount": 1, "note": NOTE}


def rows(number: int, stream: str | None = None) -> list[tuple[Any, ...]]:
    """The rows of a floor."""
    stream = stream or str(uuid.uuid4())
    now, metadata = datetime.now(UTC), json.dumps(METADATA)
    return [
        (stream, version, "OrderPlaced", json.dumps(payload(stream)), metadata, now) for version in range(1, number + 1)
    ]


class Side(ABC):
    """One of the two that are compared."""

    @abstractmethod
    async def append(self, number: int) -> None:
        """Append to a new stream, in one commit."""

    @abstractmethod
    async def close(self) -> None:
        """Give back what is open."""


class Loading(Side):
    """One that can load too."""

    @abstractmethod
    async def seed(self, number: int) -> str:
        """A stream of so many events."""

    @abstractmethod
    async def load(self, stream: str) -> int:
        """How many events it has, after all of them have been made."""


class PostgreSQLFloor(Loading):
    """By hand, with asyncpg."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, url: str) -> PostgreSQLFloor:
        async def no_reset(_connection: Any) -> None:
            """The usual reset is one more round trip each time a connection is given back."""

        pool: Any = await asyncpg.create_pool(url, min_size=WRITERS, max_size=WRITERS, reset=no_reset)
        async with pool.acquire() as connection:
            await connection.execute(POSTGRESQL_FLOOR)
        return cls(pool)

    @override
    async def append(self, number: int) -> None:
        new = rows(number)
        async with self._pool.acquire() as connection:
            if number == 1:
                await connection.execute(f"insert into floor_events ({COLUMNS}) values ($1,$2,$3,$4,$5,$6)", *new[0])
            else:
                await connection.execute(
                    f"insert into floor_events ({COLUMNS}) select * from unnest($1::text[],$2::int[],$3::text[],"
                    "$4::jsonb[],$5::jsonb[],$6::timestamptz[])",
                    *map(list, zip(*new, strict=True)),
                )

    @override
    async def seed(self, number: int) -> str:
        stream = str(uuid.uuid4())
        async with self._pool.acquire() as connection:
            columns = COLUMNS.split(", ")
            await connection.copy_records_to_table("floor_events", records=rows(number, stream), columns=columns)
        return stream

    @override
    async def load(self, stream: str) -> int:
        async with self._pool.acquire() as connection:
            found = await connection.fetch(
                "select version, type, payload, metadata, created_at from floor_events "
                "where stream_id = $1 order by version",
                stream,
            )
        return len([PlainOrderPlaced.model_validate(json.loads(row["payload"])) for row in found])

    @override
    async def close(self) -> None:
        async with self._pool.acquire() as connection:
            await connection.execute("drop table floor_events")
        await self._pool.close()


class SQLiteFloor(Side):
    """By hand, with aiosqlite."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, file: Path) -> SQLiteFloor:
        connection = await aiosqlite.connect(file)
        await connection.execute("pragma journal_mode=wal")
        await connection.execute("pragma synchronous=full")
        await connection.execute(SQLITE_FLOOR)
        return cls(connection)

    @override
    async def append(self, number: int) -> None:
        async with self._turn:
            new = [(*row[:5], row[5].isoformat()) for row in rows(number)]
            await self._connection.executemany(f"insert into floor_events ({COLUMNS}) values (?,?,?,?,?,?)", new)
            await self._connection.commit()

    @override
    async def close(self) -> None:
        await self._connection.close()


class Ours(Loading):
    """``SQLAlchemyEventStore`` on either database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._store = SQLAlchemyEventStore(engine)
        self._serializer = EventSerializer()

    @classmethod
    async def open(cls, url: str) -> Ours:
        engine = create_async_engine(url, pool_size=WRITERS)
        await drop_schema(engine)
        await create_schema(engine)
        return cls(engine)

    @override
    async def append(self, number: int) -> None:
        await self._append(str(uuid.uuid4()), number)

    @override
    async def seed(self, number: int) -> str:
        stream = str(uuid.uuid4())
        await self._append(stream, number)
        return stream

    async def _append(self, stream: str, number: int) -> None:
        events = [
            StoredEvent(
                event_type="OrderPlaced",
                aggregate_type="Order",
                aggregate_id=stream,
                payload=payload(stream),
                metadata=METADATA,
            )
            for _ in range(number)
        ]
        await self._store.append(events, expected_version=NO_STREAM)

    @override
    async def load(self, stream: str) -> int:
        events = await self._store.read_stream("Order", stream)
        return len([self._serializer.from_stored(event) for event in events])

    @override
    async def close(self) -> None:
        await drop_schema(self._engine)
        await self._engine.dispose()


async def events_per_second(side: Side, number: int, writers: int) -> float:
    done = 0
    began = time.perf_counter()

    async def write() -> None:
        nonlocal done
        while time.perf_counter() - began < BOX:
            await side.append(number)
            done += number

    await asyncio.gather(*(write() for _ in range(writers)))
    return done / (time.perf_counter() - began)


async def loads_per_second(side: Loading, stream: str, number: int) -> float:
    began = time.perf_counter()
    if await side.load(stream) != number:
        raise AssertionError("a stream was not loaded as a whole")
    return 1 / (time.perf_counter() - began)


def report(what: str, shares: list[float], target: float) -> None:
    middle = statistics.median(shares)
    verdict = "" if middle >= target else f"   below the target of {target:.2f}"
    print(f"{what:<34} {middle:5.2f} of the floor   ({min(shares):.2f} to {max(shares):.2f}){verdict}")


async def compare_appends(database: str, floor: Side, ours: Side, targets: tuple[float, float, float]) -> None:
    cases = [("1 in a commit", 1, 1), ("10 in a commit", 10, 1), ("1 in a commit, 8 writers", 1, WRITERS)]
    for side in (floor, ours):
        for number in (1, 10):  # connections, prepared statements, plans that the server keeps
            await asyncio.gather(*(side.append(number) for _ in range(WRITERS * 8)))
    for (what, number, writers), target in zip(cases, targets, strict=True):
        shares: list[float] = []
        for turn in range(ROUNDS):
            pair = (floor, ours) if turn % 2 else (ours, floor)
            speed = {id(side): await events_per_second(side, number, writers) for side in pair}
            shares.append(speed[id(ours)] / speed[id(floor)])
        report(f"{database}: append {what}", shares, target)


async def compare_loads(floor: Loading, ours: Loading) -> None:
    for number in (1_000, 10_000):
        streams = {id(side): await side.seed(number) for side in (floor, ours)}
        shares: list[float] = []
        for turn in range(LOAD_ROUNDS + 1):
            pair = (floor, ours) if turn % 2 else (ours, floor)
            speed = {id(side): await loads_per_second(side, streams[id(side)], number) for side in pair}
            if turn:  # the first one warms up
                shares.append(speed[id(ours)] / speed[id(floor)])
        report(f"PostgreSQL: load {number:,} events", shares, 0.60)


async def main(postgres: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        floor = await SQLiteFloor.open(Path(folder) / "floor.db")
        ours = await Ours.open(f"sqlite+aiosqlite:///{folder}/ours.db")
        await compare_appends("SQLite", floor, ours, (0.80, 0.80, 0.80))
        await floor.close()
        await ours.close()
    if postgres is None:
        print("PostgreSQL: there is no server")
        return
    by_hand = await PostgreSQLFloor.open(postgres)
    ours = await Ours.open(postgres.replace("postgresql:", "postgresql+asyncpg:", 1))
    await compare_appends("PostgreSQL", by_hand, ours, (0.85, 0.80, 0.75))
    await compare_loads(by_hand, ours)
    await by_hand.close()
    await ours.close()


if __name__ == "__main__":
    run = ServerRun.open()
    try:
        asyncio.run(main(run.provide(server_named("postgres")).address))
    finally:
        run.close()
