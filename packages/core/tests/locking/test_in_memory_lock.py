"""What the in-memory locks promise beyond the port."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cqrs_ddd_core.adapters.memory import InMemoryLockStrategy, InMemoryStore
from cqrs_ddd_core.primitives.exceptions import LockAcquisitionError
from cqrs_ddd_core.primitives.locking import LockMode, ResourceIdentifier
from cqrs_ddd_core.testing import run_in_virtual_time

ORDER = ResourceIdentifier("Order", "order-1")
READING = ResourceIdentifier("Order", "order-1", "read")


async def test_all_locks_of_an_event_loop_are_one() -> None:
    await InMemoryLockStrategy().acquire(ORDER)
    with pytest.raises(LockAcquisitionError):
        await InMemoryLockStrategy().acquire(ORDER, timeout=0)
    await InMemoryLockStrategy(InMemoryStore()).acquire(ORDER, timeout=0)


def test_every_event_loop_begins_without_locks() -> None:
    locks = InMemoryLockStrategy()
    for _ in range(2):
        asyncio.run(_acquire(locks))


async def _acquire(locks: InMemoryLockStrategy) -> None:
    await locks.acquire(ORDER, timeout=0)


async def test_resources_whose_texts_look_alike_are_two() -> None:
    locks = InMemoryLockStrategy()
    await locks.acquire(ResourceIdentifier("a:b", "c"), timeout=0)
    await locks.acquire(ResourceIdentifier("a", "b:c"), timeout=0)


async def test_a_reader_does_not_overtake_a_waiting_writer() -> None:
    locks = InMemoryLockStrategy()
    reader = await locks.acquire(READING)
    writing = asyncio.create_task(locks.acquire(ORDER))
    await asyncio.sleep(0)
    with pytest.raises(LockAcquisitionError):
        await locks.acquire(READING, timeout=0)
    reading = asyncio.create_task(locks.acquire(READING))
    await locks.release(reader)
    writer = await writing
    assert not reading.done()
    await locks.release(writer)
    await reading


async def test_readers_behind_a_writer_come_in_together() -> None:
    locks = InMemoryLockStrategy()
    writer = await locks.acquire(ORDER)
    reading = [asyncio.create_task(locks.acquire(READING)) for _ in range(3)]
    last = asyncio.create_task(locks.acquire(ORDER))
    await asyncio.sleep(0)
    await locks.release(writer)
    readers = await asyncio.gather(*reading)
    assert not last.done()
    for reader in readers:
        await locks.release(reader)
    await last


async def test_a_session_that_alone_reads_may_write() -> None:
    locks = InMemoryLockStrategy()
    reading = await locks.acquire(READING, session_id="s")
    writing = await locks.acquire(ORDER, timeout=0, session_id="s")
    assert writing.fencing_token > reading.fencing_token
    with pytest.raises(LockAcquisitionError):
        await locks.acquire(READING, timeout=0)
    await locks.release(writing)
    other = await locks.acquire(READING, timeout=0)  # it only reads again
    assert await locks.release(reading)
    assert await locks.release(other)


async def test_two_readers_that_both_want_to_write_are_told_so_at_once() -> None:
    locks = InMemoryLockStrategy()
    for session_id in ("first", "second"):
        await locks.acquire(READING, session_id=session_id)
    for session_id in ("first", "second"):
        with pytest.raises(LockAcquisitionError, match="lock it for writing from the start"):
            await locks.acquire(ORDER, timeout=60.0, session_id=session_id)


async def test_who_is_not_let_in_is_told_who_is_inside() -> None:
    locks = InMemoryLockStrategy()
    for _ in range(2):
        await locks.acquire(READING)
    with pytest.raises(LockAcquisitionError, match="2 hold it for read, until"):
        await locks.acquire(ORDER, timeout=0)


async def test_each_acquisition_of_a_session_is_given_back_once() -> None:
    locks = InMemoryLockStrategy()
    outer = await locks.acquire(ORDER, session_id="s")
    inner = await locks.acquire(ORDER, session_id="s")
    assert await locks.release(inner) is True
    assert await locks.release(inner) is False, "giving it back twice must not open the outer one"
    with pytest.raises(LockAcquisitionError):
        await locks.acquire(ORDER, timeout=0)
    assert await locks.release(outer) is True


async def test_a_resource_that_nobody_wants_costs_nothing() -> None:
    locks = InMemoryLockStrategy()
    for number in range(100):
        resource = ResourceIdentifier("Order", str(number))
        lease = await locks.acquire(resource)
        with pytest.raises(LockAcquisitionError):
            await locks.acquire(resource, timeout=0)
        await locks.release(lease)
    assert locks._locks() == {}


def test_who_waits_comes_in_as_soon_as_the_lock_runs_out() -> None:
    async def main() -> None:
        locks = InMemoryLockStrategy()
        await locks.acquire(ORDER, ttl=5.0)
        await locks.acquire(ORDER, timeout=60.0)
        assert asyncio.get_running_loop().time() == pytest.approx(5.0, abs=0.01)

    run_in_virtual_time(main())


def test_patience_may_be_without_end() -> None:
    async def main() -> None:
        locks = InMemoryLockStrategy()
        await locks.acquire(ORDER, ttl=500.0)
        await locks.acquire(ORDER, timeout=float("inf"))

    run_in_virtual_time(main())


@given(
    seed=st.integers(0, 2**32),
    visitors=st.lists(
        st.tuples(
            st.sampled_from(["read", "write"]),
            st.sampled_from([None, "s", "t"]),
            st.integers(0, 20),  # arrives
            st.integers(0, 10),  # has patience
            st.integers(1, 10),  # wants to stay
            st.integers(1, 12),  # holds the lock
            st.one_of(st.none(), st.integers(0, 30)),  # is cancelled
        ),
        min_size=2,
        max_size=12,
    ),
)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_a_lock_keeps_its_promises(
    seed: int, visitors: list[tuple[LockMode, str | None, int, int, int, int, int | None]]
) -> None:
    """Whoever still holds it after a stay was never inside together with somebody it excludes."""
    chance = random.Random(seed)

    async def main() -> None:
        locks = InMemoryLockStrategy()
        loop = asyncio.get_running_loop()
        stays: list[tuple[LockMode, object, float, float]] = []

        async def visit(
            mode: LockMode, session: str | None, *, arrives: int, patience: int, stay: int, ttl: int
        ) -> None:
            await asyncio.sleep(arrives)
            resource = ResourceIdentifier("Room", "1", mode)
            try:
                lease = await locks.acquire(resource, timeout=patience, ttl=ttl, session_id=session)
            except LockAcquisitionError:
                return
            entered = loop.time()
            try:
                await asyncio.sleep(stay * chance.random())
            finally:
                left = loop.time()
                if await locks.release(lease):
                    stays.append((mode, session or object(), entered, left))

        tasks: list[asyncio.Task[None]] = []
        for mode, session, arrives, patience, stay, ttl, cancelled in visitors:
            task = asyncio.create_task(visit(mode, session, arrives=arrives, patience=patience, stay=stay, ttl=ttl))
            if cancelled is not None:
                loop.call_later(cancelled, task.cancel)
            tasks.append(task)
        await asyncio.wait(tasks)
        for number, (mode, session, entered, left) in enumerate(stays):
            for other_mode, other_session, other_entered, other_left in stays[number + 1 :]:
                if session != other_session and "write" in {mode, other_mode}:
                    assert left <= other_entered or other_left <= entered, "two were inside that exclude each other"
        await asyncio.sleep(20.0)
        last = await locks.acquire(ResourceIdentifier("Room", "1"), timeout=0)
        assert await locks.release(last)
        assert locks._locks() == {}

    run_in_virtual_time(main())
