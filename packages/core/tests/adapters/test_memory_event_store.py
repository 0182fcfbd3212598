"""What is special about the event store in memory."""

import asyncio
from datetime import timedelta
from typing import Any, override

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.event_store import ANY_VERSION, NO_STREAM, IEventStore, StoredEvent, StreamAppend
from cqrs_ddd_core.primitives.exceptions import EventStoreError, InvalidPayloadError, OptimisticConcurrencyError
from cqrs_ddd_core.testing import record_operations
from cqrs_ddd_core.testing.adapter_contract import undone

EVENT_STORE_OF_A_MODULE = InMemoryEventStore()


def event(aggregate_id: str = "order-1", **fields: Any) -> StoredEvent:
    defaults: dict[str, Any] = {"event_type": "OrderPlaced", "aggregate_type": "Order", "payload": {}}
    return StoredEvent(aggregate_id=aggregate_id, **{**defaults, **fields})


def test_it_is_an_event_store() -> None:
    assert isinstance(InMemoryEventStore(), IEventStore)


@pytest.mark.parametrize("_run", [1, 2])
async def test_one_that_is_made_at_import_time_starts_empty_in_every_event_loop(_run: int) -> None:
    assert await EVENT_STORE_OF_A_MODULE.latest_position() == 0
    async with InMemoryUnitOfWork():
        await EVENT_STORE_OF_A_MODULE.append([event()], expected_version=NO_STREAM)
        assert await InMemoryEventStore().latest_position() == 0
    assert await InMemoryEventStore().latest_position() == 1


async def test_a_unit_of_work_on_another_store_is_not_joined() -> None:
    event_store = InMemoryEventStore(InMemoryStore())
    other = InMemoryUnitOfWork(InMemoryStore())
    assert not event_store.joins(other)
    async with undone(other):
        (appended,) = await event_store.append([event()], expected_version=NO_STREAM)
        assert appended.position == 1
    assert await event_store.stream_version("Order", "order-1") == 1


async def test_positions_are_counted_in_the_order_of_the_commits() -> None:
    store = InMemoryStore()
    event_store = InMemoryEventStore(store)

    async def overtake() -> None:
        await event_store.append([event("second"), event("second")], expected_version=NO_STREAM)

    async with InMemoryUnitOfWork(store):
        await event_store.append([event("first")], expected_version=NO_STREAM)
        await asyncio.create_task(overtake())
    read = await event_store.read_all()
    assert [(each.aggregate_id, each.position) for each in read] == [("second", 1), ("second", 2), ("first", 3)]


async def test_a_race_that_is_lost_at_the_commit_says_which_versions_met() -> None:
    store = InMemoryStore()
    event_store = InMemoryEventStore(store)
    await event_store.append([event()], expected_version=NO_STREAM)

    async def overtake() -> None:
        await event_store.append([event(), event(), event()], expected_version=1)

    async def lose() -> None:
        async with InMemoryUnitOfWork(store):
            await event_store.append([event()], expected_version=1)
            await event_store.append([event()], expected_version=2)
            await asyncio.create_task(overtake())

    with pytest.raises(OptimisticConcurrencyError) as caught:
        await lose()
    error = caught.value
    assert (error.entity_type, error.entity_id, error.expected, error.actual) == ("Order", "order-1", 1, 4)


async def test_an_event_id_that_another_one_committed_first_is_named() -> None:
    store = InMemoryStore()
    event_store = InMemoryEventStore(store)

    async def overtake() -> None:
        await event_store.append([event("order-2", event_id="the-same")], expected_version=NO_STREAM)

    async def lose() -> None:
        async with InMemoryUnitOfWork(store):
            await event_store.append([event("order-1", event_id="the-same")], expected_version=NO_STREAM)
            await asyncio.create_task(overtake())

    with pytest.raises(EventStoreError, match="the-same"):
        await lose()
    assert await event_store.stream_version("Order", "order-1") == 0


class CountingStore(InMemoryStore):
    """Counts how often somebody begins to wait."""

    waits = 0

    @override
    async def wait_for_change(self, table: str, timeout: timedelta) -> bool:
        self.waits += 1
        return await super().wait_for_change(table, timeout)


async def test_a_subscription_sleeps_until_something_is_committed() -> None:
    store = CountingStore()
    event_store = InMemoryEventStore(store)
    subscription = event_store.subscribe()
    waiting = asyncio.ensure_future(anext(subscription))
    for _ in range(100):
        await asyncio.sleep(0)
    assert store.waits == 1
    await event_store.append([event(), event()], expected_version=NO_STREAM)
    assert [each.version for each in await waiting] == [1, 2]
    assert store.waits == 1


async def test_appending_can_be_watched() -> None:
    event_store = InMemoryEventStore(InMemoryStore())
    with record_operations() as recorded:
        await event_store.append([event(), event()], expected_version=NO_STREAM)
        await event_store.append_batch(
            [
                StreamAppend(events=[event("order-2")], expected_version=NO_STREAM),
                StreamAppend(events=[event("1", aggregate_type="Invoice")], expected_version=NO_STREAM),
            ]
        )
    operations = [(each.name, each.attributes["event_count"]) for each in recorded.operations]
    assert operations == [("event_store.append.Order", 2), ("event_store.append.several", 2)]
    assert await event_store.latest_position() == 4


async def test_a_value_that_cannot_be_kept_is_named_with_its_place() -> None:
    event_store = InMemoryEventStore(InMemoryStore())
    broken = event(payload={"lines": [{"price": 1}, {"price": 1 + 1j}]})
    with pytest.raises(InvalidPayloadError, match=r"OrderPlaced.*payload\.lines\[1\]\.price is a complex"):
        await event_store.append([broken], expected_version=ANY_VERSION)


async def test_types_are_a_collection_and_not_a_text() -> None:
    event_store = InMemoryEventStore(InMemoryStore())
    with pytest.raises(TypeError, match="OrderPlaced"):
        await event_store.read_all(event_types="OrderPlaced")


async def test_a_stream_of_many_thousand_events_is_read_and_let_go() -> None:
    event_store = InMemoryEventStore(InMemoryStore())
    await event_store.append([event() for _ in range(20_000)], expected_version=NO_STREAM)
    assert len(await event_store.read_stream("Order", "order-1", after_version=19_990)) == 10
    del event_store  # a chain of so many must not end in a recursion
