"""A critical section holds its locks as long as its block runs, and says so when it cannot."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryLockStrategy
from cqrs_ddd_core.cqrs.concurrency import CriticalSection
from cqrs_ddd_core.instrumentation import Attributes, get_hook_registry
from cqrs_ddd_core.ports.lock import ILockStrategy, LockLease
from cqrs_ddd_core.primitives.clock import get_clock
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, LockAcquisitionError, LockLostError
from cqrs_ddd_core.primitives.locking import ResourceIdentifier
from cqrs_ddd_core.testing import VirtualClock, record_operations, run_in_virtual_time

type Until = Callable[[Callable[[], object]], Awaitable[None]]

ORDER = ResourceIdentifier("Order", "order-123")
A, B, C = (ResourceIdentifier("Account", name) for name in ("a", "b", "c"))


class Locks(ILockStrategy):
    """In-memory locks that write down what is asked of them, and can be disturbed."""

    def __init__(self) -> None:
        self.inner = InMemoryLockStrategy()
        self.calls: list[str] = []
        self.patience: list[float] = []
        self.before_acquire: Callable[[ResourceIdentifier], Awaitable[None]] = nothing
        self.before_extend: Callable[[ResourceIdentifier], Awaitable[None]] = nothing
        self.before_release: Callable[[ResourceIdentifier], Awaitable[None]] = nothing

    async def acquire(
        self, resource: ResourceIdentifier, *, timeout: float = 10.0, ttl: float = 30.0, session_id: str | None = None
    ) -> LockLease:
        self.calls.append(f"acquire {resource}")
        self.patience.append(timeout)
        await self.before_acquire(resource)
        return await self.inner.acquire(resource, timeout=timeout, ttl=ttl, session_id=session_id)

    async def extend(self, lease: LockLease, *, ttl: float = 30.0) -> LockLease | None:
        self.calls.append(f"extend {lease.resource}")
        await self.before_extend(lease.resource)
        return await self.inner.extend(lease, ttl=ttl)

    async def release(self, lease: LockLease) -> bool:
        self.calls.append(f"release {lease.resource}")
        await self.before_release(lease.resource)
        return await self.inner.release(lease)

    async def health_check(self) -> bool:
        return await self.inner.health_check()

    async def get_active_locks(self) -> Sequence[LockLease]:
        return await self.inner.get_active_locks()

    async def held(self) -> set[str]:
        return {str(lease.resource) for lease in await self.get_active_locks()}

    async def take_away(self, resource: ResourceIdentifier) -> None:
        """What happens when a lock server loses its memory."""
        for lease in await self.get_active_locks():
            if lease.resource.key == resource.key:
                await self.inner.release(lease)


async def nothing(resource: ResourceIdentifier) -> None:
    pass


@pytest.fixture
def locks() -> Locks:
    return Locks()


# ---------------------------------------------------------------------- taking and giving back


async def test_the_locks_are_held_while_the_block_runs(locks: Locks) -> None:
    async with CriticalSection(resources=[ORDER], lock_strategy=locks, timeout=10.0, ttl=60.0) as section:
        assert await locks.held() == {"Order:order-123"}
        assert [lease.resource for lease in section.leases] == [ORDER]
    assert await locks.held() == set()
    assert section.leases == ()


async def test_resources_and_strategy_may_come_by_position(locks: Locks) -> None:
    async with CriticalSection([A, B], locks, timeout=15.0):
        assert await locks.held() == {"Account:a", "Account:b"}


async def test_the_locks_are_given_back_when_the_block_fails(locks: Locks) -> None:
    with pytest.raises(RuntimeError, match="boom"):
        async with CriticalSection([A, B], locks):
            raise RuntimeError("boom")
    assert await locks.held() == set()


async def test_locks_are_taken_in_one_order_and_given_back_in_reverse(locks: Locks) -> None:
    async with CriticalSection([C, A, ORDER, B], locks):
        pass
    names = ["Account:a", "Account:b", "Account:c", "Order:order-123"]
    assert locks.calls == [f"acquire {name}" for name in names] + [f"release {name}" for name in reversed(names)]


async def test_a_resource_that_is_named_twice_is_locked_once_for_writing_if_one_says_so(locks: Locks) -> None:
    reading = [replace(resource, lock_mode="read") for resource in (A, B)]
    section = CriticalSection([*reading, A, *reading], locks)
    assert section.resources == (A, reading[1])
    async with section:
        assert await locks.held() == {"Account:a", "Account:b:read"}


async def test_sections_that_name_the_same_resources_in_another_order_do_not_wait_for_each_other_for_ever(
    locks: Locks,
) -> None:
    async def work(resources: list[ResourceIdentifier]) -> None:
        for _ in range(20):
            async with CriticalSection(resources, locks, timeout=20.0):
                await asyncio.sleep(0)

    async with asyncio.timeout(20.0):
        await asyncio.gather(work([A, B, C]), work([C, B, A]), work([B, C, A]))


async def test_a_section_without_resources_locks_nothing(locks: Locks) -> None:
    async with CriticalSection([], locks) as section:
        assert section.leases == ()
    assert locks.calls == []


async def test_a_section_knows_its_fencing_tokens(locks: Locks) -> None:
    async with CriticalSection([A], locks) as first:
        before = first.fencing_token(A)
    async with CriticalSection([B, A], locks) as second:
        assert second.fencing_token(A) > before
        assert second.fencing_token(replace(A, lock_mode="read")) == second.fencing_token(A)
        assert second.fencing_tokens == {
            "Account:a": second.fencing_token(A),
            "Account:b": second.fencing_token(B),
        }
        with pytest.raises(KeyError):
            second.fencing_token(C)


async def test_a_section_can_be_entered_again_but_not_twice_at_once(locks: Locks) -> None:
    section = CriticalSection([A], locks)
    for _ in range(2):
        async with section:
            with pytest.raises(ConfigurationError, match="entered already"):
                async with section:
                    pass
            assert await locks.held() == {"Account:a"}
    assert await locks.held() == set()


async def test_one_resource_alone_is_a_mistake(locks: Locks) -> None:
    one: object = ORDER
    with pytest.raises(TypeError, match="come as a list"):
        CriticalSection(one, locks)  # type: ignore[arg-type]  # that is the mistake


@pytest.mark.parametrize(("timeout", "ttl"), [(-1.0, 30.0), (float("nan"), 30.0), (1.0, 0.0), (1.0, -1.0)])
def test_times_that_mean_nothing_are_refused(locks: Locks, timeout: float, ttl: float) -> None:
    with pytest.raises(ValueError, match=r"timeout.*ttl"):
        CriticalSection([A], locks, timeout=timeout, ttl=ttl)


# ---------------------------------------------------------------------- what cannot be had


async def test_what_was_taken_is_given_back_when_the_rest_cannot_be_had(locks: Locks) -> None:
    await locks.inner.acquire(B)
    with pytest.raises(LockAcquisitionError) as caught:
        async with CriticalSection([A, B, C], locks, timeout=0.02):
            pytest.fail("B is held by somebody else")
    assert caught.value.resource == B
    assert await locks.held() == {"Account:b"}


async def test_without_patience_each_lock_is_tried_once(locks: Locks) -> None:
    async with CriticalSection([A, B], locks, timeout=0):
        pass
    assert locks.patience == [0.0, 0.0]
    held = await locks.inner.acquire(B)
    with pytest.raises(LockAcquisitionError):
        async with CriticalSection([A, B], locks, timeout=0):
            pass
    await locks.inner.release(held)
    assert await locks.held() == set()


def test_the_timeout_is_for_all_locks_together() -> None:
    async def main() -> None:
        locks = Locks()

        async def dawdle(resource: ResourceIdentifier) -> None:
            await asyncio.sleep(6.0)

        locks.before_acquire = dawdle
        async with CriticalSection([A, B, C], locks, timeout=10.0, ttl=60.0):
            pass
        assert locks.patience == pytest.approx([10.0, 4.0, 0.0], abs=0.01)

    run_in_virtual_time(main())


async def test_an_error_of_the_strategy_is_a_lock_that_cannot_be_had(locks: Locks) -> None:
    async def fail_at_b(resource: ResourceIdentifier) -> None:
        if resource == B:
            raise OSError("the lock server is gone")

    locks.before_acquire = fail_at_b
    with pytest.raises(LockAcquisitionError, match="the lock server is gone") as caught:
        async with CriticalSection([A, B], locks):
            pass
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.resource == B
    assert await locks.held() == set()


async def test_a_cancelled_acquisition_gives_back_what_was_taken(locks: Locks, until: Until) -> None:
    await locks.inner.acquire(C)
    entered = False

    async def work() -> None:
        nonlocal entered
        async with CriticalSection([A, B, C], locks, timeout=20.0):
            entered = True

    task = asyncio.create_task(work())
    await until(lambda: "acquire Account:c" in locks.calls)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert not entered
    assert await locks.held() == {"Account:c"}


async def test_who_is_cancelled_again_while_giving_back_still_gives_everything_back(locks: Locks) -> None:
    entered, releasing, may_go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def dawdle(resource: ResourceIdentifier) -> None:
        releasing.set()
        await may_go_on.wait()

    async def work() -> None:
        async with CriticalSection([A, B], locks):
            entered.set()
            await asyncio.sleep(20.0)

    locks.before_release = dawdle
    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    await releasing.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    may_go_on.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert await locks.held() == set()


async def test_who_is_cancelled_while_giving_back_after_success_hears_of_it(locks: Locks) -> None:
    releasing, may_go_on = asyncio.Event(), asyncio.Event()

    async def dawdle(resource: ResourceIdentifier) -> None:
        releasing.set()
        await may_go_on.wait()

    async def work() -> None:
        async with CriticalSection([A], locks):
            pass

    locks.before_release = dawdle
    task = asyncio.create_task(work())
    await releasing.wait()
    task.cancel()
    await asyncio.sleep(0)
    may_go_on.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert await locks.held() == set()


async def test_a_release_that_fails_is_logged_and_hides_nothing(locks: Locks, caplog: pytest.LogCaptureFixture) -> None:
    async def fail_at_b(resource: ResourceIdentifier) -> None:
        if resource == B:
            raise OSError("the lock server is gone")

    locks.before_release = fail_at_b
    async with CriticalSection([A, B, C], locks):
        pass
    assert await locks.held() == {"Account:b"}
    assert "The lock on Account:b could not be released" in caplog.text
    assert "the lock server is gone" in caplog.text


def test_a_release_that_hangs_ends_with_the_lock(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        locks = Locks()

        async def hang(resource: ResourceIdentifier) -> None:
            if resource == B:
                await asyncio.sleep(3600)

        locks.before_release = hang
        began = asyncio.get_running_loop().time()
        async with CriticalSection([A, B], locks, ttl=30.0):
            pass
        assert asyncio.get_running_loop().time() - began < 31.0
        assert await locks.held() == set()

    run_in_virtual_time(main())
    assert "The lock on Account:b could not be released" in caplog.text


# ---------------------------------------------------------------------- keeping


def test_the_locks_are_renewed_for_as_long_as_the_block_runs() -> None:
    async def main() -> None:
        locks = Locks()
        async with CriticalSection([A, replace(B, lock_mode="read")], locks, ttl=30.0) as section:
            expires_at = section.leases[0].expires_at
            for _ in range(20):
                await asyncio.sleep(25.0)
                assert await locks.held() == {"Account:a", "Account:b:read"}
            assert section.leases[0].expires_at > expires_at
        assert await locks.held() == set()
        renewals = locks.calls.count("extend Account:a")
        assert renewals == pytest.approx(50, abs=2)  # three times per ttl
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_in_virtual_time(main())


def test_the_locks_are_renewed_while_the_others_are_waited_for() -> None:
    async def main() -> None:
        locks = Locks()
        held = await locks.inner.acquire(B, ttl=3600.0)
        asyncio.get_running_loop().call_later(100.0, lambda: asyncio.ensure_future(locks.inner.release(held)))
        async with CriticalSection([A, B], locks, timeout=1000.0, ttl=3.0):
            assert await locks.held() == {"Account:a", "Account:b"}

    run_in_virtual_time(main())


def test_a_lost_lock_ends_the_block() -> None:
    async def main() -> None:
        locks = Locks()
        steps: list[str] = []

        async def work() -> None:
            async with CriticalSection([A, B], locks, ttl=30.0):
                await locks.take_away(B)
                try:
                    await asyncio.sleep(3600)
                    steps.append("went on")
                finally:
                    steps.append("cleaned up")

        with pytest.raises(LockLostError, match="Account:b") as caught:
            await work()
        assert caught.value.resource == B
        assert steps == ["cleaned up"]
        assert await locks.held() == set()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0, "the cancellation was ours, and is over"
        await asyncio.sleep(1.0)

    run_in_virtual_time(main())


def test_a_process_that_stood_still_for_longer_than_its_locks_learns_it() -> None:
    async def main() -> None:
        locks = Locks()

        async def work() -> None:
            async with CriticalSection([A], locks, ttl=30.0):
                clock = get_clock()
                assert isinstance(clock, VirtualClock)
                clock.advance(31.0)
                others.append(await locks.inner.acquire(A, timeout=0))
                await asyncio.sleep(3600)

        others: list[LockLease] = []
        with pytest.raises(LockLostError):
            await work()
        assert await locks.inner.release(others[0]) is True

    run_in_virtual_time(main())


def test_a_block_that_swallows_its_cancellation_does_not_hide_a_lost_lock() -> None:
    async def main() -> None:
        locks = Locks()

        async def work() -> None:
            async with CriticalSection([A], locks, ttl=30.0):
                await locks.take_away(A)
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(3600)

        with pytest.raises(LockLostError):
            await work()

    run_in_virtual_time(main())


def test_an_error_of_the_block_goes_along_with_a_lost_lock() -> None:
    async def main() -> None:
        locks = Locks()

        async def work() -> None:
            async with CriticalSection([A], locks, ttl=30.0):
                await locks.take_away(A)
                try:
                    await asyncio.sleep(3600)
                finally:
                    raise RuntimeError("cleaning up failed")

        with pytest.raises(LockLostError) as caught:
            await work()
        assert isinstance(caught.value.__cause__, RuntimeError)

    run_in_virtual_time(main())


def test_a_lost_lock_ends_a_task_group_in_the_block() -> None:
    async def main() -> None:
        locks = Locks()
        ended: list[str] = []

        async def one(name: str) -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append(name)

        async def work() -> None:
            async with CriticalSection([A], locks, ttl=30.0), asyncio.TaskGroup() as tasks:
                tasks.create_task(one("first"))
                tasks.create_task(one("second"))
                await locks.take_away(A)

        with pytest.raises(LockLostError):
            await work()
        assert sorted(ended) == ["first", "second"]

    run_in_virtual_time(main())


def test_a_timeout_around_or_in_the_block_stays_a_timeout() -> None:
    async def main() -> None:
        locks = Locks()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(50.0), CriticalSection([A], locks, ttl=30.0):
                await asyncio.sleep(3600)
        async with CriticalSection([A], locks, ttl=30.0):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(50.0):
                    await asyncio.sleep(3600)
            assert await locks.held() == {"Account:a"}
        assert await locks.held() == set()

    run_in_virtual_time(main())


def test_a_timeout_in_the_block_does_not_take_a_lost_lock_for_its_own() -> None:
    async def main() -> None:
        locks = Locks()

        async def work() -> None:
            async with CriticalSection([A], locks, ttl=30.0), asyncio.timeout(3600):
                await locks.take_away(A)
                await asyncio.sleep(7200)

        with pytest.raises(LockLostError):
            await work()

    run_in_virtual_time(main())


@pytest.mark.parametrize("lost_first", [True, False])
def test_a_task_that_is_cancelled_by_somebody_else_is_cancelled_although_a_lock_was_lost(lost_first: bool) -> None:
    async def main() -> None:
        locks = Locks()
        cleaning = asyncio.Event()

        async def work() -> None:
            async with CriticalSection([A], locks, ttl=30.0):
                try:
                    await asyncio.sleep(3600)
                finally:
                    cleaning.set()
                    await asyncio.sleep(60.0)

        task = asyncio.create_task(work())
        await asyncio.sleep(1.0)
        await locks.take_away(A)
        if lost_first:
            await cleaning.wait()
            task.cancel()
        else:
            task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    run_in_virtual_time(main())


def test_a_lock_that_cannot_be_renewed_for_a_while_is_kept() -> None:
    async def main() -> None:
        locks = Locks()

        async def fail_at_first(resource: ResourceIdentifier) -> None:
            if locks.calls.count("extend Account:a") <= 2:
                raise OSError("the lock server is gone")

        locks.before_extend = fail_at_first
        async with CriticalSection([A], locks, ttl=30.0):
            await asyncio.sleep(100.0)
            assert await locks.held() == {"Account:a"}

    run_in_virtual_time(main())


@pytest.mark.parametrize("way", ["fails", "hangs"])
def test_a_lock_that_could_not_be_renewed_in_time_counts_as_lost(way: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        locks = Locks()
        loop = asyncio.get_running_loop()

        async def disturb(resource: ResourceIdentifier) -> None:
            if way == "hangs":
                await asyncio.sleep(3600)
            raise OSError("the lock server is gone")

        locks.before_extend = disturb
        began = loop.time()
        with pytest.raises(LockLostError):
            async with CriticalSection([A], locks, ttl=30.0):
                await asyncio.sleep(3600)
        assert loop.time() - began == pytest.approx(30.0, abs=1.0)

    run_in_virtual_time(main())
    assert "The lock on Account:a could not be renewed" in caplog.text


def test_a_lock_that_is_lost_while_the_others_are_waited_for_is_a_section_that_cannot_be_entered() -> None:
    async def main() -> None:
        locks = Locks()
        await locks.inner.acquire(B, ttl=3600)
        asyncio.get_running_loop().call_later(5.0, lambda: asyncio.ensure_future(locks.take_away(A)))
        with pytest.raises(LockAcquisitionError, match="lost again") as caught:
            async with CriticalSection([A, B], locks, timeout=1000.0, ttl=30.0):
                pytest.fail("A was lost before B was had")
        assert caught.value.resource == A
        assert await locks.held() == {"Account:b"}
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run_in_virtual_time(main())


def test_a_lock_that_turns_out_to_be_lost_at_the_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        locks = Locks()
        async with CriticalSection([A], locks):
            await locks.take_away(A)

    with caplog.at_level(logging.WARNING):
        run_in_virtual_time(main())
    assert "The lock on Account:a was lost before it was released" in caplog.text


# ---------------------------------------------------------------------- sessions


async def test_a_section_within_a_section_of_the_same_session_does_not_wait(locks: Locks) -> None:
    async with CriticalSection([ORDER], lock_strategy=locks, session_id="user-session-abc") as outer:
        async with CriticalSection([ORDER], lock_strategy=locks, session_id="user-session-abc", timeout=0) as inner:
            assert inner.fencing_token(ORDER) == outer.fencing_token(ORDER)
        assert await locks.held() == {"Order:order-123"}
    assert await locks.held() == set()


async def test_sections_without_a_session_exclude_each_other(locks: Locks) -> None:
    async with CriticalSection([ORDER], locks):
        with pytest.raises(LockAcquisitionError):
            async with CriticalSection([ORDER], locks, timeout=0):
                pass


def test_a_short_section_within_a_long_one_does_not_shorten_its_lock() -> None:
    async def main() -> None:
        locks = Locks()
        async with CriticalSection([ORDER], locks, ttl=60.0, session_id="s"):
            async with CriticalSection([ORDER], locks, ttl=1.0, session_id="s"):
                await asyncio.sleep(10.0)
            await asyncio.sleep(19.0)
            assert await locks.held() == {"Order:order-123"}

    run_in_virtual_time(main())


def test_sections_within_each_other_lose_one_lock_and_raise_one_error() -> None:
    async def main() -> None:
        locks = Locks()
        sections = [CriticalSection([ORDER], locks, ttl=30.0, session_id="s") for _ in range(2)]

        async def work() -> None:
            async with sections[0], sections[1]:
                await locks.take_away(ORDER)
                await asyncio.sleep(3600)

        with pytest.raises(LockLostError):
            await work()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(1.0)

    run_in_virtual_time(main())


# ---------------------------------------------------------------------- instrumentation


async def test_each_acquisition_is_reported(locks: Locks) -> None:
    with record_operations("lock.*") as recorder:
        async with CriticalSection([replace(A, lock_mode="read"), ORDER], locks, timeout=5.0, ttl=7.0):
            pass
    assert recorder.names == ["lock.acquire.Account", "lock.acquire.Order"]
    attributes = recorder.operations[0].attributes
    assert attributes["resource_id"] == "a"
    assert attributes["lock_mode"] == "read"
    assert attributes["ttl"] == 7.0
    assert 0 < attributes["timeout"] <= 5.0


async def test_who_is_cancelled_in_a_hook_behind_the_acquisition_leaves_no_lock_behind(locks: Locks) -> None:
    acquired = asyncio.Event()

    async def dawdle(
        operation: str, attributes: Attributes, next_handler: Callable[[], Awaitable[object]], /
    ) -> object:
        result = await next_handler()
        acquired.set()
        await asyncio.sleep(20.0)
        return result

    async def work() -> None:
        async with CriticalSection([A, B], locks):
            pass

    registration = get_hook_registry().register(dawdle, operations=["lock.*"])
    try:
        task = asyncio.create_task(work())
        await acquired.wait()
        assert await locks.held() == {"Account:a"}
        task.cancel()
        await asyncio.wait({task})
    finally:
        get_hook_registry().unregister(registration.hook)
    assert task.cancelled()
    assert await locks.held() == set()


def test_many_sections_with_lost_locks_and_cancellations_leave_nothing_behind() -> None:
    async def main() -> None:
        locks = Locks()

        async def work(number: int) -> None:
            resources = [(A, B), (B, C), (C, A)][number % 3]
            async with CriticalSection(resources, locks, timeout=1000.0, ttl=3.0):
                await asyncio.sleep(number % 5)

        tasks = [asyncio.create_task(work(number)) for number in range(30)]
        for number in range(40):
            await asyncio.sleep(1.0)
            if number % 4 == 0:
                tasks[(number * 7) % len(tasks)].cancel()
            if number % 5 == 0:
                await locks.take_away((A, B, C)[number % 3])
        results = await asyncio.gather(*tasks, return_exceptions=True)
        unexpected = [
            result
            for result in results
            if not isinstance(result, asyncio.CancelledError | LockLostError | LockAcquisitionError | None)
        ]
        assert unexpected == []
        assert await locks.held() == set()

    run_in_virtual_time(main())
