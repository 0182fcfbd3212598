"""What is special about the outbox in memory."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, override

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryOutboxStorage, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.outbox import IOutboxStorage, OutboxMessage, OutboxStatus
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OutboxError
from cqrs_ddd_core.testing import VirtualClock, run_in_virtual_time
from cqrs_ddd_core.testing.adapter_contract import undone

HOLD = timedelta(seconds=30)


def message(message_id: str, key: str | None = None, **fields: Any) -> OutboxMessage:
    envelope = MessageEnvelope(message_type="OrderPlaced", payload={}, message_id=message_id, key=key)
    return OutboxMessage(topic="orders", envelope=envelope, **fields)


class CountingStore(InMemoryStore):
    """Counts how often somebody begins to wait."""

    waits = 0

    @override
    async def wait_for_change(self, table: str, timeout: timedelta) -> bool:
        self.waits += 1
        return await super().wait_for_change(table, timeout)


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    with VirtualClock() as clock:
        yield clock


def test_it_is_an_outbox() -> None:
    assert isinstance(InMemoryOutboxStorage(), IOutboxStorage)


async def test_one_without_a_store_shares_that_of_the_event_loop() -> None:
    async with InMemoryUnitOfWork():
        await InMemoryOutboxStorage().add([message("a")])
        assert (await InMemoryOutboxStorage().statistics()).pending == 0
    assert (await InMemoryOutboxStorage().statistics()).pending == 1


async def test_relays_commit_at_once_whatever_unit_of_work_is_open() -> None:
    store = InMemoryStore()
    outbox = InMemoryOutboxStorage(store)
    await outbox.add([message("a"), message("b")])
    async with undone(InMemoryUnitOfWork(store)):
        first, _ = await outbox.lease(2, hold=HOLD)
        await outbox.mark_published([first])
    statistics = await outbox.statistics()
    assert (statistics.published, statistics.leased) == (1, 1)


async def test_messages_are_ordered_by_their_commits() -> None:
    store = InMemoryStore()
    outbox = InMemoryOutboxStorage(store)
    async with InMemoryUnitOfWork(store):
        await outbox.add([message("first")])
        await asyncio.create_task(outbox.add([message("second")]))
    assert [each.message_id for each in await outbox.lease(2, hold=HOLD)] == ["second", "first"]


async def test_a_lease_that_has_run_out_can_be_settled_until_somebody_else_takes_the_message(
    clock: VirtualClock,
) -> None:
    outbox = InMemoryOutboxStorage(InMemoryStore())
    await outbox.add([message("a"), message("b")])
    first, second = await outbox.lease(2, hold=HOLD)
    clock.advance(HOLD)
    assert await outbox.mark_published([first]) == ["a"]
    await outbox.lease(1, hold=HOLD)
    assert await outbox.mark_published([second]) == []


async def test_a_lease_ends_when_its_time_is_over_and_not_before(clock: VirtualClock) -> None:
    outbox = InMemoryOutboxStorage(InMemoryStore())
    await outbox.add([message("a")])
    await outbox.lease(1, hold=HOLD)
    clock.advance(HOLD - timedelta(microseconds=1))
    assert await outbox.lease(1, hold=HOLD) == []
    clock.advance(timedelta(microseconds=1))
    assert len(await outbox.lease(1, hold=HOLD)) == 1


@pytest.mark.parametrize("state", [{"status": OutboxStatus.DEAD}, {"status": OutboxStatus.PUBLISHED}, {"lease": "x"}])
async def test_only_messages_that_nobody_has_tried_are_added(state: dict[str, Any]) -> None:
    outbox = InMemoryOutboxStorage(InMemoryStore())
    with pytest.raises(OutboxError, match="nobody has tried"):
        await outbox.add([message("a", **state)])


async def test_headers_are_text() -> None:
    outbox = InMemoryOutboxStorage(InMemoryStore())
    given = message("a")
    headers: Any = {"attempt": 1}
    with pytest.raises(OutboxError, match="attempt"):
        await outbox.add([replace(given, envelope=replace(given.envelope, headers=headers))])


async def test_a_relay_is_not_woken_for_what_it_may_not_have() -> None:
    store = CountingStore()
    outbox = InMemoryOutboxStorage(store)
    await outbox.add([message("a1", "a"), message("a2", "a")])
    await outbox.lease(1, hold=HOLD)
    assert await outbox.wait_for_messages(timedelta(milliseconds=20)) is False
    assert store.waits == 1


@pytest.mark.parametrize("settle", ["publish", "give up", "release"])
async def test_a_relay_is_woken_when_a_key_becomes_free(settle: str) -> None:
    outbox = InMemoryOutboxStorage(InMemoryStore())
    await outbox.add([message("a1", "a"), message("a2", "a")])
    (first,) = await outbox.lease(1, hold=timedelta(hours=1))
    waiting = asyncio.create_task(outbox.wait_for_messages(timedelta(hours=1)))
    await asyncio.sleep(0)
    match settle:
        case "publish":
            await outbox.mark_published([first])
        case "give up":
            await outbox.mark_failed(first, "no", retry_at=None)
        case _:
            await outbox.release([first])
    assert await waiting is True


async def test_a_relay_is_woken_when_a_dead_message_is_replayed() -> None:
    outbox = InMemoryOutboxStorage(InMemoryStore())
    await outbox.add([message("a")])
    (leased,) = await outbox.lease(1, hold=HOLD)
    await outbox.mark_failed(leased, "no", retry_at=None)
    waiting = asyncio.create_task(outbox.wait_for_messages(timedelta(hours=1)))
    await asyncio.sleep(0)
    await outbox.replay(["a"])
    assert await waiting is True


def test_a_relay_is_woken_when_the_next_attempt_is_due() -> None:
    async def wait() -> tuple[bool, timedelta]:
        outbox = InMemoryOutboxStorage(InMemoryStore())
        await outbox.add([message("a")])
        (leased,) = await outbox.lease(1, hold=HOLD)
        began = utc_now()
        await outbox.mark_failed(leased, "no", retry_at=began + timedelta(minutes=10))
        return await outbox.wait_for_messages(timedelta(hours=1)), utc_now() - began

    woken, after = run_in_virtual_time(wait())
    assert woken is True
    assert timedelta(minutes=10) <= after < timedelta(minutes=11)


async def test_waiting_beside_a_clock_that_stands_still_does_not_spin(clock: VirtualClock) -> None:
    store = CountingStore()
    outbox = InMemoryOutboxStorage(store)
    await outbox.add([message("a", available_at=clock.now() + timedelta(microseconds=1))])
    assert await outbox.wait_for_messages(timedelta(milliseconds=50)) is False
    assert store.waits <= 6
