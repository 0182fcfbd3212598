"""What the event store does on SQLite that the contract cannot see."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cqrs_ddd_core.ports.event_store import ANY_VERSION, NO_STREAM, StoredEvent
from cqrs_ddd_core.primitives.exceptions import EventStoreError, OptimisticConcurrencyError
from cqrs_ddd_core.testing.adapter_contract import undone
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyEventStore, SQLAlchemyUnitOfWork

_LIMIT = 30.0
"""Seconds. Far more than anything here takes."""


@pytest.fixture
def store(sqlite_engine: AsyncEngine) -> SQLAlchemyEventStore:
    return SQLAlchemyEventStore(sqlite_engine)


def an_event(aggregate_id: str = "order-1", **fields: Any) -> StoredEvent:
    defaults: dict[str, Any] = {"event_type": "OrderPlaced", "aggregate_type": "Order", "payload": {"total": "1.00"}}
    return StoredEvent(aggregate_id=aggregate_id, **{**defaults, **fields})


def versions(events: Sequence[StoredEvent]) -> list[int]:
    return [each.version for each in events]


@pytest.mark.parametrize("number", [1, 99, 100, 101, 250])
@pytest.mark.parametrize("expected", [NO_STREAM, ANY_VERSION])
@pytest.mark.parametrize("inside", [False, True])
async def test_any_number_of_events_is_appended_as_a_whole(
    sqlite_engine: AsyncEngine, store: SQLAlchemyEventStore, number: int, expected: int, inside: bool
) -> None:
    events = [an_event() for _ in range(number)]
    if inside:
        async with SQLAlchemyUnitOfWork(sqlite_engine):
            appended = await store.append(events, expected_version=expected)
    else:
        appended = await store.append(events, expected_version=expected)
    assert versions(appended) == list(range(1, number + 1))
    assert list(await store.read_all()) == list(appended)


@pytest.mark.parametrize("inside", [False, True])
async def test_of_a_large_append_nothing_stays_when_its_last_event_is_refused(
    sqlite_engine: AsyncEngine, store: SQLAlchemyEventStore, inside: bool
) -> None:
    (known,) = await store.append([an_event("known")], expected_version=NO_STREAM)
    events = [*(an_event() for _ in range(150)), an_event(event_id=known.event_id)]
    if inside:
        async with SQLAlchemyUnitOfWork(sqlite_engine):
            await store.append([an_event("kept")], expected_version=NO_STREAM)
            with pytest.raises(EventStoreError, match=known.event_id):
                await store.append(events, expected_version=NO_STREAM)
    else:
        with pytest.raises(EventStoreError, match=known.event_id):
            await store.append(events, expected_version=NO_STREAM)
    assert await store.stream_version("Order", "order-1") == 0
    assert await store.stream_version("Order", "kept") == (1 if inside else 0)


async def test_versions_that_are_given_go_on_over_several_statements(store: SQLAlchemyEventStore) -> None:
    await store.append([an_event()], expected_version=NO_STREAM)
    events = [*(an_event() for _ in range(120)), an_event(version=500), *(an_event() for _ in range(30))]
    appended = await store.append(events, expected_version=ANY_VERSION)
    assert versions(appended) == [*range(2, 122), *range(500, 531)]
    assert versions(await store.read_stream("Order", "order-1")) == [1, *versions(appended)]


@pytest.mark.parametrize("isolation", [None, "IMMEDIATE"])
async def test_appending_does_not_depend_on_how_the_driver_opens_transactions(
    sqlite_engine: AsyncEngine, isolation: str | None
) -> None:
    """Whether the driver begins one before a statement depends on the engine; the append is committed either way."""
    engine = create_async_engine(sqlite_engine.url, connect_args={"isolation_level": isolation})
    own = SQLAlchemyEventStore(engine)
    await own.append([an_event()], expected_version=NO_STREAM)
    async with SQLAlchemyUnitOfWork(engine):
        await own.append([an_event()], expected_version=1)
    async with undone(SQLAlchemyUnitOfWork(engine)):
        await own.append([an_event()], expected_version=2)
    await engine.dispose()
    assert versions(await SQLAlchemyEventStore(sqlite_engine).read_all()) == [1, 2]


async def test_it_works_with_the_recipe_that_sqlalchemy_gives_for_transactions(sqlite_engine: AsyncEngine) -> None:
    engine = create_async_engine(sqlite_engine.url, connect_args={"isolation_level": None})
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    own = SQLAlchemyEventStore(engine)
    async with SQLAlchemyUnitOfWork(engine) as uow:
        await own.append([an_event()], expected_version=NO_STREAM)
        async with uow.savepoint():
            await own.append([an_event()], expected_version=1)
    async with undone(SQLAlchemyUnitOfWork(engine)):
        await own.append([an_event()], expected_version=2)
    assert versions(await own.read_all()) == [1, 2]
    await engine.dispose()


async def test_positions_are_never_given_twice_to_what_was_committed(
    sqlite_engine: AsyncEngine, store: SQLAlchemyEventStore
) -> None:
    (first,) = await store.append([an_event()], expected_version=NO_STREAM)
    async with sqlite_engine.begin() as connection:
        await connection.execute(text("DELETE FROM cqrs_ddd_events"))
    (second,) = await store.append([an_event("order-2")], expected_version=NO_STREAM)
    assert (second.position or 0) > (first.position or 0)


async def test_the_loser_of_a_race_is_told_what_the_winner_wrote(
    sqlite_engine: AsyncEngine, store: SQLAlchemyEventStore
) -> None:
    async def append() -> Sequence[StoredEvent]:
        return await store.append([an_event()], expected_version=NO_STREAM)

    results = await asyncio.gather(*(append() for _ in range(5)), return_exceptions=True)
    lost = [result for result in results if isinstance(result, BaseException)]
    assert len(lost) == 4
    for error in lost:
        assert isinstance(error, OptimisticConcurrencyError)
        assert (error.entity_id, error.expected, error.actual) == ("order-1", 0, 1)


async def test_a_subscriber_hears_of_other_processes_by_looking(sqlite_engine: AsyncEngine) -> None:
    other = create_async_engine(sqlite_engine.url)
    reader = SQLAlchemyEventStore(other, poll_interval=timedelta(milliseconds=50))
    events = reader.subscribe()
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.2)
    appended = await SQLAlchemyEventStore(sqlite_engine).append([an_event()], expected_version=NO_STREAM)
    assert list(await asyncio.wait_for(waiting, _LIMIT)) == list(appended)
    await events.aclose()  # type: ignore[attr-defined]  # an async generator
    await other.dispose()


async def test_a_subscriber_in_the_same_process_is_told(sqlite_engine: AsyncEngine) -> None:
    patient = SQLAlchemyEventStore(sqlite_engine, poll_interval=timedelta(hours=1))
    events = patient.subscribe()
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.5)
    appended = await SQLAlchemyEventStore(sqlite_engine).append([an_event()], expected_version=NO_STREAM)
    assert list(await asyncio.wait_for(waiting, _LIMIT)) == list(appended)
    await events.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_readers_and_a_writer_do_not_wait_for_each_other(
    sqlite_engine: AsyncEngine, store: SQLAlchemyEventStore
) -> None:
    async with sqlite_engine.connect() as connection:
        mode = (await connection.execute(text("PRAGMA journal_mode"))).scalar_one()
    assert mode == "wal"
    async with SQLAlchemyUnitOfWork(sqlite_engine):
        await store.append([an_event()], expected_version=NO_STREAM)
        async with asyncio.timeout(_LIMIT):
            assert await store.read_all() == []
