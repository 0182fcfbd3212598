"""No reader misses an event, whatever writers do: they stall, roll back, and commit in any order.

``GAP_TEST_EVENTS=200000`` tries it with that many events instead of a few thousand.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from typing import Final

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cqrs_ddd_core.ports.event_store import ANY_VERSION, NO_STREAM, StoredEvent, StreamAppend
from cqrs_ddd_core.testing.adapter_contract import undone
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyEventStore, SQLAlchemyUnitOfWork

EVENTS: Final = int(os.environ.get("GAP_TEST_EVENTS", "2000"))
WRITERS: Final = 16
# Far more than it takes; a hanging run has to end all the same.
LIMIT: Final = 110.0 + EVENTS / 100

pytestmark = pytest.mark.timeout(LIMIT + 10)


class Truth:
    """What was committed, as the writers know it."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self.committed: set[str] = set()
        self.rolled_back = 0
        self.done = asyncio.Event()

    @property
    def is_enough(self) -> bool:
        return len(self.committed) >= self._wanted

    def add(self, events: Sequence[StoredEvent]) -> None:
        self.committed.update(event.event_id for event in events)


def some_events(chance: random.Random, stream: str, most: int) -> list[StoredEvent]:
    types = ["Frequent", "Frequent", "Frequent", "Rare"]
    return [
        StoredEvent(event_type=chance.choice(types), aggregate_type="Order", aggregate_id=stream, payload={"n": number})
        for number in range(chance.randint(1, most))
    ]


async def write(engine: AsyncEngine, number: int, truth: Truth) -> None:
    """Appends in every way there is, in random order, until there is enough."""
    store = SQLAlchemyEventStore(engine)
    chance = random.Random(number)
    most = 20 if EVENTS > 20_000 else 4
    transactions = 0
    while not truth.is_enough:
        transactions += 1
        stream = f"order-{number}-{transactions}"
        events = some_events(chance, stream, most)
        kind = chance.random()
        if kind < 0.5:
            await store.append(events, expected_version=NO_STREAM)
            truth.add(events)
        elif kind < 0.7:
            async with undone(SQLAlchemyUnitOfWork(engine)):
                await store.append(events, expected_version=NO_STREAM)
                await stall(chance)
            truth.rolled_back += 1
        else:
            others = some_events(chance, f"{stream}-other", most)
            async with SQLAlchemyUnitOfWork(engine):
                await store.append(events, expected_version=NO_STREAM)
                await stall(chance)
                await store.append_batch(
                    [
                        StreamAppend(events=others, expected_version=ANY_VERSION),
                        StreamAppend(events=some_events(chance, f"{stream}-third", 1), expected_version=NO_STREAM),
                    ]
                )
                third = await store.read_stream("Order", f"{stream}-third")
                await stall(chance)
            truth.add([*events, *others, *third])


async def stall(chance: random.Random) -> None:
    await asyncio.sleep(chance.choice([0, 0, 0, 0.001, 0.01, 0.05]))


async def follow(
    store: SQLAlchemyEventStore, truth: Truth, limit: int, event_types: list[str] | None
) -> list[StoredEvent]:
    """Read by pages, going on behind the last event, until everything that was committed has been met."""
    read: list[StoredEvent] = []
    while True:
        done = truth.done.is_set()
        batch = await store.read_all(read[-1].position or 0 if read else 0, limit=limit, event_types=event_types)
        read += batch
        if done and not batch:
            return read
        if not batch:
            await asyncio.sleep(0.001)


async def subscribe(store: SQLAlchemyEventStore, event_types: list[str] | None) -> list[StoredEvent]:
    read: list[StoredEvent] = []
    events = store.subscribe(batch_size=50, event_types=event_types)
    async for batch in events:
        read += batch
        if batch[-1].aggregate_id == "the end":
            return read
    raise AssertionError("a subscription ends by cancelling only")


def positions(events: Sequence[StoredEvent]) -> list[int]:
    return [event.position or 0 for event in events]


@pytest.mark.parametrize("size", ["small pages", "large pages"])
async def test_delivered_is_committed_in_order(engine: AsyncEngine, size: str) -> None:
    writers = create_async_engine(engine.url, pool_size=WRITERS, max_overflow=0)
    foreign = create_async_engine(engine.url)
    store = SQLAlchemyEventStore(engine)
    limit = 7 if size == "small pages" else 1000
    truth = Truth(EVENTS)
    async with foreign.connect() as connection, asyncio.timeout(LIMIT):
        # A transaction of somebody else, open all the time: it has read, and on PostgreSQL it has a transaction id.
        await connection.execute(text("SELECT count(*) FROM cqrs_ddd_events"))
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_current_xact_id()"))
        async with asyncio.TaskGroup() as group:
            everything = group.create_task(follow(store, truth, limit, None))
            rare = group.create_task(follow(store, truth, limit, ["Rare"]))
            subscribed = group.create_task(subscribe(store, None))
            subscribed_rare = group.create_task(subscribe(store, ["Rare", "End"]))
            writing = [group.create_task(write(writers, number, truth)) for number in range(WRITERS)]
            await asyncio.wait(writing)
            end = StoredEvent(event_type="End", aggregate_type="Order", aggregate_id="the end", payload={})
            await store.append([end], expected_version=NO_STREAM)
            truth.add([end])
            truth.done.set()
    await writers.dispose()
    await foreign.dispose()

    assert truth.rolled_back > 0
    assert len(truth.committed) >= EVENTS
    for read in (everything.result(), subscribed.result()):
        assert len(read) == len(truth.committed)
        assert {event.event_id for event in read} == truth.committed
        assert positions(read) == sorted(positions(read))
    rare_ones = [event for event in everything.result() if event.event_type == "Rare"]
    assert rare.result() == rare_ones
    assert [event for event in subscribed_rare.result() if event.event_type == "Rare"] == rare_ones
