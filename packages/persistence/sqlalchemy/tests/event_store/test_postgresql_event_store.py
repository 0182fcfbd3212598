"""What the event store does on PostgreSQL that the contract cannot see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cqrs_ddd_core.ports.event_store import ANY_VERSION, NO_STREAM, StoredEvent, StreamAppend
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    EventStoreError,
    OptimisticConcurrencyError,
)
from cqrs_ddd_core.testing.adapter_contract import undone, undone_savepoint
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyEventStore, SQLAlchemyUnitOfWork, Tables, create_schema

SEQUENCE = "cqrs_ddd_events_position_seq"
_LIMIT = 30.0
"""Seconds. Far more than anything here takes."""


@pytest.fixture
def store(postgresql_engine: AsyncEngine) -> SQLAlchemyEventStore:
    return SQLAlchemyEventStore(postgresql_engine)


def an_event(aggregate_id: str = "order-1", **fields: Any) -> StoredEvent:
    defaults: dict[str, Any] = {"event_type": "OrderPlaced", "aggregate_type": "Order", "payload": {"total": "1.00"}}
    return StoredEvent(aggregate_id=aggregate_id, **{**defaults, **fields})


async def execute(engine: AsyncEngine, *statements: str) -> Any:
    """Run statements in one transaction; the rows of the last one, None when it gives none."""
    rows: Any = None
    async with engine.begin() as connection:
        for statement in statements:
            result = await connection.execute(text(statement))
            rows = result.all() if result.returns_rows else None
    return rows


async def advisory_locks(engine: AsyncEngine) -> int:
    # Of this database: tests in other processes have their own, on the same server.
    ((number,),) = await execute(
        engine,
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    return int(number)


@asynccontextmanager
async def watched(url: str) -> AsyncGenerator[tuple[AsyncEngine, list[str]]]:
    """An engine with one connection, and the statements that go over it."""
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:", 1), pool_size=1, max_overflow=0)
    statements: list[str] = []
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver.add_query_logger(lambda record: statements.append(record.query))
    try:
        yield engine, statements
    finally:
        await engine.dispose()


async def logged(statements: list[str]) -> list[str]:
    """What was logged since the last time; the driver tells its loggers a moment later."""
    await asyncio.sleep(0)
    since, statements[:] = list(statements), []
    return since


# ---------------------------------------------------------------------- round trips


@pytest.mark.parametrize("number", [1, 2, 10, 16, 17, 1000])
@pytest.mark.parametrize("expected", [NO_STREAM, ANY_VERSION])
async def test_an_append_is_one_statement_however_many_events(
    postgresql_engine: AsyncEngine, postgres_url: str, number: int, expected: int
) -> None:
    async with watched(postgres_url) as (engine, statements):
        store = SQLAlchemyEventStore(engine)
        await store.append([an_event("warm") for _ in range(number)], expected_version=expected)
        await logged(statements)
        await store.append([an_event() for _ in range(number)], expected_version=expected)
        assert len([each for each in await logged(statements) if "pg_notify" not in each]) == 1
        assert await store.stream_version("Order", "order-1") == number


async def test_a_batch_for_several_streams_is_one_statement(postgresql_engine: AsyncEngine, postgres_url: str) -> None:
    async with watched(postgres_url) as (engine, statements):
        store = SQLAlchemyEventStore(engine)

        async def append(first: int) -> None:
            streams = range(first, first + 5)
            appends = [StreamAppend(events=[an_event(f"order-{each}")], expected_version=NO_STREAM) for each in streams]
            await store.append_batch(appends)

        await append(0)
        await logged(statements)
        await append(5)
        assert len([each for each in await logged(statements) if "pg_notify" not in each]) == 1


async def test_a_reader_without_news_asks_for_one_number(postgresql_engine: AsyncEngine, postgres_url: str) -> None:
    async with watched(postgres_url) as (engine, statements):
        store = SQLAlchemyEventStore(engine)
        (event,) = await store.append([an_event()], expected_version=NO_STREAM)
        assert await store.read_all(event.position or 0) == []
        await logged(statements)
        assert await store.read_all(event.position or 0) == []
        assert len(await logged(statements)) == 1


# ---------------------------------------------------------------------- locks


async def test_a_transaction_takes_one_lock_however_often_it_appends(
    postgresql_engine: AsyncEngine, store: SQLAlchemyEventStore
) -> None:
    async with SQLAlchemyUnitOfWork(postgresql_engine):
        for number in range(5):
            await store.append([an_event(f"order-{number}")], expected_version=NO_STREAM)
        assert await advisory_locks(postgresql_engine) == 1
    assert await advisory_locks(postgresql_engine) == 0


async def test_the_lock_that_a_savepoint_took_back_is_taken_again(
    postgresql_engine: AsyncEngine, store: SQLAlchemyEventStore
) -> None:
    async with SQLAlchemyUnitOfWork(postgresql_engine) as uow:
        await uow.connection()
        async with undone_savepoint(uow):
            await store.append([an_event("order-1")], expected_version=NO_STREAM)
            assert await advisory_locks(postgresql_engine) == 1
        assert await advisory_locks(postgresql_engine) == 0
        await store.append([an_event("order-2")], expected_version=NO_STREAM)
        assert await advisory_locks(postgresql_engine) == 1
        later = asyncio.create_task(store.append([an_event("order-3")], expected_version=NO_STREAM))
        await later
        assert await store.read_all() == []
    assert [event.aggregate_id for event in await store.read_all()] == ["order-2", "order-3"]


async def test_two_stores_in_one_database_do_not_hold_up_each_others_readers(
    postgresql_engine: AsyncEngine, store: SQLAlchemyEventStore
) -> None:
    tables = Tables(prefix="other_")
    await create_schema(postgresql_engine, tables=tables)
    other = SQLAlchemyEventStore(postgresql_engine, tables=tables)
    async with undone(SQLAlchemyUnitOfWork(postgresql_engine)):
        await other.append([an_event()], expected_version=NO_STREAM)
        await asyncio.create_task(append_one(store))
        assert len(await store.read_all()) == 1
    async with postgresql_engine.begin() as connection:
        await connection.run_sync(tables.metadata.drop_all)


async def append_one(store: SQLAlchemyEventStore, aggregate_id: str = "order-1") -> Sequence[StoredEvent]:
    return await store.append([an_event(aggregate_id)], expected_version=ANY_VERSION)


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
async def test_readers_are_right_whatever_the_usual_isolation(postgresql_engine: AsyncEngine, isolation: str) -> None:
    """A reader whose three snapshots were one would see the newest position and not the event that has it."""
    engine = create_async_engine(
        postgresql_engine.url,
        isolation_level=isolation,
        connect_args={"server_settings": {"default_transaction_isolation": isolation.lower()}},
    )
    store = SQLAlchemyEventStore(engine)
    async with SQLAlchemyUnitOfWork(engine):
        await store.append([an_event("early")], expected_version=NO_STREAM)
        await asyncio.create_task(append_one(store, "late"))
        assert await store.read_all() == []
    assert [event.aggregate_id for event in await store.read_all()] == ["early", "late"]
    await engine.dispose()


async def test_the_loser_of_a_race_knows_its_stream_whatever_the_isolation(postgresql_engine: AsyncEngine) -> None:
    engine = create_async_engine(postgresql_engine.url, isolation_level="SERIALIZABLE")
    store = SQLAlchemyEventStore(engine)

    async def overtaken() -> None:
        async with SQLAlchemyUnitOfWork(engine):
            assert await store.stream_version("Order", "order-1") == 0
            await asyncio.create_task(append_one(store))
            await store.append([an_event()], expected_version=NO_STREAM)

    with pytest.raises(OptimisticConcurrencyError) as caught:
        await overtaken()
    assert (caught.value.entity_type, caught.value.entity_id, caught.value.expected) == ("Order", "order-1", 0)
    await engine.dispose()


async def test_a_race_that_is_lost_inside_a_unit_of_work_leaves_it_usable(
    postgresql_engine: AsyncEngine, store: SQLAlchemyEventStore
) -> None:
    """The other one is met only by the unique key, after waiting for it; some of the rows are free, others are not."""
    async with SQLAlchemyUnitOfWork(postgresql_engine) as winner:
        await store.append([an_event(version=2)], expected_version=NO_STREAM)

        async def lose() -> None:
            async with SQLAlchemyUnitOfWork(postgresql_engine):
                await store.append([an_event("order-2")], expected_version=NO_STREAM)
                with pytest.raises(OptimisticConcurrencyError) as caught:
                    await store.append([an_event() for _ in range(3)], expected_version=NO_STREAM)
                assert caught.value.actual == 2

        losing = asyncio.create_task(lose())
        await asyncio.sleep(0.2)
        await winner.commit()
        await asyncio.wait_for(losing, _LIMIT)
    assert [(event.aggregate_id, event.version) for event in await store.read_all()] == [("order-1", 2), ("order-2", 1)]


# ---------------------------------------------------------------------- what it refuses


async def test_appending_without_synchronous_commit_is_refused(postgresql_engine: AsyncEngine) -> None:
    engine = create_async_engine(postgresql_engine.url, connect_args={"server_settings": {"synchronous_commit": "off"}})
    store = SQLAlchemyEventStore(engine)
    for number in (1, 3, 20):
        with pytest.raises(EventStoreError, match="synchronous_commit"):
            await store.append([an_event() for _ in range(number)], expected_version=NO_STREAM)
    async with SQLAlchemyUnitOfWork(engine) as uow:
        with pytest.raises(EventStoreError, match="synchronous_commit"):
            await store.append([an_event()], expected_version=NO_STREAM)
        await uow.session.execute(text("SET LOCAL synchronous_commit = on"))
        await store.append([an_event()], expected_version=NO_STREAM)
    assert len(await store.read_all()) == 1
    await engine.dispose()


@pytest.mark.parametrize("setting", ["CACHE 10", "INCREMENT 2", "CYCLE"])
async def test_a_sequence_that_readers_cannot_rely_on_is_refused(postgresql_engine: AsyncEngine, setting: str) -> None:
    await execute(postgresql_engine, f"ALTER SEQUENCE {SEQUENCE} {setting}")
    with pytest.raises(ConfigurationError, match="ALTER SEQUENCE"):
        await append_one(SQLAlchemyEventStore(postgresql_engine))
    with pytest.raises(ConfigurationError, match="ALTER SEQUENCE"):
        await SQLAlchemyEventStore(postgresql_engine).read_all()


async def test_positions_cannot_be_drawn_by_accident(postgresql_engine: AsyncEngine) -> None:
    """An INSERT by hand, without the lock, would make readers miss events."""
    ((default,),) = await execute(
        postgresql_engine,
        "SELECT column_default FROM information_schema.columns "
        "WHERE table_name = 'cqrs_ddd_events' AND column_name = 'position'",
    )
    assert default is None


# ---------------------------------------------------------------------- positions outlive the database


async def test_positions_go_on_after_a_dump_and_a_restore(
    postgresql_engine: AsyncEngine, store: SQLAlchemyEventStore
) -> None:
    for number in range(3):
        await append_one(store, f"order-{number}")
    before = await store.read_all()
    restored = Tables(prefix="restored_")
    await create_schema(postgresql_engine, tables=restored)
    # What pg_dump writes: the rows, and then the state of the sequence.
    await execute(
        postgresql_engine,
        "INSERT INTO restored_events SELECT * FROM cqrs_ddd_events",
        f"SELECT setval('restored_events_position_seq', last_value, is_called) FROM {SEQUENCE}",
    )
    moved = SQLAlchemyEventStore(postgresql_engine, tables=restored)
    assert await moved.read_all() == before
    assert await moved.latest_position() == before[-1].position
    (new,) = await append_one(moved, "order-3")
    assert await moved.read_all(before[-1].position or 0) == [new]
    async with postgresql_engine.begin() as connection:
        await connection.run_sync(restored.metadata.drop_all)


async def test_readers_go_on_behind_an_event_and_not_behind_a_draw_that_was_rolled_back(
    postgresql_engine: AsyncEngine, store: SQLAlchemyEventStore
) -> None:
    """A crash can forget such a draw and give the position again."""
    (first,) = await append_one(store)
    async with undone(SQLAlchemyUnitOfWork(postgresql_engine)):
        await store.append([an_event("undone")], expected_version=NO_STREAM)
    assert await store.latest_position() == first.position
    events = store.subscribe(first.position or 0, event_types=["Other"])
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.2)
    # As after such a crash.
    await execute(postgresql_engine, f"SELECT setval('{SEQUENCE}', {first.position}, true)")
    (again,) = await store.append([an_event("again", event_type="Other")], expected_version=NO_STREAM)
    assert again.position == (first.position or 0) + 1
    assert list(await asyncio.wait_for(waiting, _LIMIT)) == [again]
    await events.aclose()  # type: ignore[attr-defined]  # an async generator


# ---------------------------------------------------------------------- waking up


@asynccontextmanager
async def another_process(engine: AsyncEngine, **options: Any) -> AsyncGenerator[SQLAlchemyEventStore]:
    """A store that shares nothing with the others, as in another process."""
    own = create_async_engine(engine.url)
    try:
        yield SQLAlchemyEventStore(own, **options)
    finally:
        await own.dispose()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(_LIMIT):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


@asynccontextmanager
async def subscribed(store: SQLAlchemyEventStore) -> AsyncGenerator[list[StoredEvent]]:
    seen: list[StoredEvent] = []

    async def read() -> None:
        async for batch in store.subscribe():
            seen.extend(batch)

    task = asyncio.create_task(read())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.wait({task})


async def listeners(engine: AsyncEngine) -> int:
    ((number,),) = await execute(engine, "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'listen%'")
    return int(number)


async def until_listening(engine: AsyncEngine) -> None:
    async with asyncio.timeout(_LIMIT):
        while not await listeners(engine):  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.01)


async def test_a_subscriber_in_another_process_is_told_and_does_not_have_to_look(
    postgresql_engine: AsyncEngine,
) -> None:
    patient = timedelta(hours=1)
    async with (
        another_process(postgresql_engine, poll_interval=patient) as reader,
        another_process(postgresql_engine) as writer,
        subscribed(reader) as seen,
    ):
        await until_listening(postgresql_engine)
        await asyncio.sleep(0.5)  # by now it looks less and less often
        for number in range(3):
            await append_one(writer, f"order-{number}")
            await until(lambda number=number: len(seen) == number + 1)
    assert await listeners(postgresql_engine) == 0, "the connection that listened is closed"


async def test_a_subscriber_goes_on_when_the_connection_that_listens_is_lost(postgresql_engine: AsyncEngine) -> None:
    async with (
        another_process(postgresql_engine, poll_interval=timedelta(milliseconds=100)) as reader,
        another_process(postgresql_engine) as writer,
        subscribed(reader) as seen,
    ):
        await until_listening(postgresql_engine)
        await execute(
            postgresql_engine,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'listen%'",
        )
        await append_one(writer)
        await until(lambda: len(seen) == 1)


async def test_subscribers_of_one_process_share_the_connection_that_listens(
    postgresql_engine: AsyncEngine, store: SQLAlchemyEventStore
) -> None:
    async with subscribed(store), subscribed(store), subscribed(SQLAlchemyEventStore(postgresql_engine)):
        await until_listening(postgresql_engine)
        await asyncio.sleep(0.1)
        assert await listeners(postgresql_engine) == 1


async def test_a_subscriber_leaves_the_pool_to_others(postgres_url: str, postgresql_engine: AsyncEngine) -> None:
    async with watched(postgres_url) as (engine, _):
        store = SQLAlchemyEventStore(engine)
        async with subscribed(store) as seen:
            await append_one(store)
            await until(lambda: len(seen) == 1)


async def test_an_idle_subscriber_looks_seldom(postgresql_engine: AsyncEngine, postgres_url: str) -> None:
    async with watched(postgres_url) as (engine, statements):
        async with subscribed(SQLAlchemyEventStore(engine)):
            await asyncio.sleep(1.5)
            statements.clear()
            await asyncio.sleep(2)
        assert len(statements) <= 4


async def test_notifications_are_few_however_many_appends_there_are(
    postgresql_engine: AsyncEngine, postgres_url: str
) -> None:
    """They would make writers wait for each other."""
    async with watched(postgres_url) as (engine, statements):
        store = SQLAlchemyEventStore(engine)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(60):
            await append_one(store, f"order-{number}")
        took = loop.time() - began
        notified = len([each for each in statements if "pg_notify" in each])
        assert 1 <= notified <= took / 0.02 + 1
