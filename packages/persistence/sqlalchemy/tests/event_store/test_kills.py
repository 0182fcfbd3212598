"""Appenders are killed at every point of an append: nothing is half there, and no reader misses it or gets stuck."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cqrs_ddd_core.ports.event_store import NO_STREAM, StoredEvent
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyEventStore

_APPENDER = Path(__file__).with_name("_appender.py")
_LIMIT = 60.0
"""Seconds. Far more than anything here takes."""

STAGES = ["before anything", "in a transaction", "after an append", "before the commit", "after the commit"]


@asynccontextmanager
async def appender(engine: AsyncEngine, stage: str, stream: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A process that has come to this stage. It is killed at the latest when the block is left."""
    url = engine.url.render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_APPENDER), url, stage, stream, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readline(), _LIMIT)
        assert said.decode().strip() == stage
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def an_event(stream: str) -> StoredEvent:
    return StoredEvent(event_type="Placed", aggregate_type="Order", aggregate_id=stream, payload={})


async def read_up_to(store: SQLAlchemyEventStore, event_id: str) -> list[StoredEvent]:
    read: list[StoredEvent] = []
    async with asyncio.timeout(_LIMIT):
        while not read or read[-1].event_id != event_id:
            read += await store.read_all(read[-1].position or 0 if read else 0, limit=5)
            await asyncio.sleep(0.01)
    return read


@pytest.mark.parametrize("stage", STAGES)
async def test_a_killed_appender_has_appended_everything_or_nothing(engine: AsyncEngine, stage: str) -> None:
    store = SQLAlchemyEventStore(engine)
    await store.append([an_event("before")], expected_version=NO_STREAM)
    async with appender(engine, stage, "killed") as process:
        seen_before = await store.read_all()
        process.kill()
    (last,) = await store.append([an_event("after")], expected_version=NO_STREAM)
    read = await read_up_to(store, last.event_id)
    from_the_killed_one = [event.version for event in read if event.aggregate_id == "killed"]
    assert from_the_killed_one == ([1, 2, 3, 4, 5, 6] if stage == "after the commit" else [])
    assert list(read[: len(seen_before)]) == list(seen_before), "what was read was final"
    assert [event.position for event in read] == sorted(event.position or 0 for event in read)


HOLD_FUNCTION = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.aggregate_id = 'killed' THEN PERFORM pg_advisory_xact_lock(4711); END IF;
    RETURN NEW;
END $$
"""
HOLD = "CREATE TRIGGER hold BEFORE INSERT ON cqrs_ddd_events FOR EACH ROW EXECUTE FUNCTION hold()"
# Of this database: tests in other processes have their own, on the same server.
LOCKED = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
WAITING = f"{LOCKED} AND NOT granted"


async def pids(connection: AsyncConnection, statement: str, *, wanted: bool) -> list[int]:
    """The server processes that the statement finds, when there are any, or none, as wanted."""
    async with asyncio.timeout(_LIMIT):
        while True:
            found = list((await connection.execute(text(statement))).scalars())
            if bool(found) is wanted:
                return found
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("killed", ["client", "server process"])
async def test_killed_inside_the_statement_between_drawing_and_inserting(
    postgresql_engine: AsyncEngine, killed: str
) -> None:
    """A position is drawn and the lock is held, nothing is inserted yet."""
    engine = postgresql_engine
    store = SQLAlchemyEventStore(engine)
    async with engine.begin() as connection:
        await connection.execute(text(HOLD_FUNCTION))
        await connection.execute(text(HOLD))
    async with engine.connect() as holder:
        await holder.execute(text("SELECT pg_advisory_lock(4711)"))
        async with appender(engine, "inside the statement", "killed") as process:
            (pid,) = await pids(holder, WAITING, wanted=True)
            await store.append([an_event("overtaking")], expected_version=NO_STREAM)
            assert await store.read_all() == [], "whether the drawn position will be there is not decided"
            if killed == "client":
                process.kill()
                await process.wait()
            else:
                await holder.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        await holder.execute(text("SELECT pg_advisory_unlock(4711)"))
        await pids(holder, LOCKED, wanted=False)
    read = await store.read_all()
    if killed == "client":
        # The server did not know that nobody waited any more, and finished what it had been told.
        assert [event.aggregate_id for event in read] == ["killed", "overtaking", "killed", "killed"]
    else:
        assert [event.aggregate_id for event in read] == ["overtaking"]
    async with engine.begin() as connection:
        await connection.execute(text("DROP FUNCTION hold CASCADE"))


async def test_appenders_killed_at_random_leave_nothing_that_readers_miss(engine: AsyncEngine) -> None:
    chance = random.Random(20260101)
    store = SQLAlchemyEventStore(engine)
    read: list[StoredEvent] = []
    done = asyncio.Event()

    async def follow() -> None:
        async for batch in store.subscribe(batch_size=20):
            read.extend(batch)
            if batch[-1].aggregate_id == "the end":
                done.set()

    async def kill_one_after_another(number: int) -> None:
        for round_ in range(3):
            async with appender(engine, "on and on", f"{number}-{round_}"):
                await asyncio.sleep(chance.uniform(0.1, 0.6))

    following = asyncio.create_task(follow())
    await asyncio.gather(*map(kill_one_after_another, range(2)))
    await store.append([an_event("the end")], expected_version=NO_STREAM)
    await asyncio.wait_for(done.wait(), _LIMIT)
    following.cancel()
    await asyncio.wait({following})

    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT event_id FROM cqrs_ddd_events ORDER BY position"))
        assert [event.event_id for event in read] == list(rows.scalars())
    versions: dict[str, list[int]] = {}
    for event in read:
        versions.setdefault(event.aggregate_id, []).append(event.version)
    assert len(versions) > 5
    del versions["the end"]
    assert all(
        found == [1, 2, 3] if int(stream.rsplit("-", 1)[1]) % 3 else found == [1, 2, 3, 4, 5, 6]
        for stream, found in versions.items()
    ), "every transaction is there as a whole"
