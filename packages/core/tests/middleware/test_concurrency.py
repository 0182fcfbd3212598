"""Locks on what a message names as critical, until everything is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, override

import pytest

from cqrs_ddd_core import AggregateRoot, Command, InMemoryStore, InMemoryUnitOfWork, Query, get_current_uow
from cqrs_ddd_core.adapters.memory import InMemoryLockStrategy
from cqrs_ddd_core.context import use_context
from cqrs_ddd_core.cqrs.mediator import joint_transaction
from cqrs_ddd_core.middleware import ConcurrencyGuardMiddleware, RetryMiddleware
from cqrs_ddd_core.ports.lock import LockLease
from cqrs_ddd_core.ports.middleware import Stage
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    LockAcquisitionError,
    LockLostError,
    OptimisticConcurrencyError,
    PipelineError,
)
from cqrs_ddd_core.primitives.locking import ResourceIdentifier


class Locker(AggregateRoot[str]):
    collection_name = "guarded_lockers"

    opened: int = 0


class Open(Command[int]):
    lockers: tuple[str, ...] = ("a",)
    mode: Any = "write"

    @override
    def get_critical_resources(self) -> Sequence[ResourceIdentifier]:
        return [ResourceIdentifier("Locker", name, self.mode) for name in self.lockers]


class Tour(Command[Any]):
    """Opens lockers by nested commands."""

    lockers: tuple[str, ...] = ()

    @override
    def get_critical_resources(self) -> Sequence[ResourceIdentifier]:
        return [ResourceIdentifier("Locker", name) for name in self.lockers]


class Peek(Query[Any]):
    @override
    def get_critical_resources(self) -> Sequence[ResourceIdentifier]:
        return [ResourceIdentifier("Locker", "a", "read")]


class Idle(Command[None]):
    pass


@pytest.fixture
def locks(store: InMemoryStore) -> InMemoryLockStrategy:
    return InMemoryLockStrategy(store)


async def held(locks: InMemoryLockStrategy) -> list[str]:
    return sorted(lease.resource.resource_id for lease in await locks.get_active_locks())


async def open_locker(command: Open) -> int:
    """Reads, lets others run, and writes: without a lock, openings would be lost."""
    lockers = get_current_uow().guarded_lockers
    locker = await lockers.get(command.lockers[0]) or Locker(id=command.lockers[0])
    await asyncio.sleep(0)
    locker.opened += 1
    await lockers.add(locker)
    return int(locker.opened)


class Down(InMemoryLockStrategy):
    """A lock service that cannot be reached."""

    @override
    async def acquire(self, resource: ResourceIdentifier, **_: Any) -> LockLease:
        raise ConnectionError("redis is away")


class Unwell(InMemoryLockStrategy):
    """A lock service without a majority: it answers, and gives no locks."""

    @override
    async def acquire(self, resource: ResourceIdentifier, *, timeout: float = 10.0, **_: Any) -> LockLease:
        raise LockAcquisitionError(resource, timeout, "only 1 of 3 nodes agreed")

    @override
    async def health_check(self) -> bool:
        return False


# ---------------------------------------------------------------- one command after another


async def test_commands_on_one_resource_run_one_after_another(
    mediate: Any, store: InMemoryStore, locks: InMemoryLockStrategy
) -> None:
    mediator = mediate({Open: open_locker}, ConcurrencyGuardMiddleware(locks))
    results = await asyncio.gather(*(mediator.send(Open()) for _ in range(20)))
    assert [response.result for response in results] == list(range(1, 21))
    assert await held(locks) == []


async def test_the_lock_is_held_until_the_commit_is_over(
    mediate: Any, store: InMemoryStore, locks: InMemoryLockStrategy
) -> None:
    seen: list[tuple[str, list[str]]] = []

    class Watched(InMemoryUnitOfWork):
        @override
        async def _commit(self) -> None:
            seen.append(("before the commit", await held(locks)))
            await super()._commit()
            seen.append(("after the commit", await held(locks)))

    mediator = mediate({Open: open_locker}, ConcurrencyGuardMiddleware(locks), uow_factory=lambda: Watched(store))
    await mediator.send(Open())
    assert seen == [("before the commit", ["a"]), ("after the commit", ["a"])]
    assert await held(locks) == []


async def test_the_lock_is_taken_before_the_unit_of_work_opens(
    mediate: Any, store: InMemoryStore, locks: InMemoryLockStrategy
) -> None:
    opened: list[list[str]] = []

    async def note(command: Open) -> int:
        opened.append(await held(locks))
        return 0

    await mediate({Open: note}, ConcurrencyGuardMiddleware(locks)).send(Open(lockers=("b", "a")))
    assert opened == [["a", "b"]]


async def test_two_commands_of_one_request_exclude_each_other(
    mediate: Any, store: InMemoryStore, locks: InMemoryLockStrategy
) -> None:
    """The correlation id is no key to a lock: both commands have the same."""
    mediator = mediate({Open: open_locker}, ConcurrencyGuardMiddleware(locks))
    with use_context(correlation_id="one-request"):
        results = await asyncio.gather(mediator.send(Open()), mediator.send(Open()))
    assert sorted(response.result for response in results) == [1, 2]


async def test_readers_share_and_exclude_writers(mediate: Any, locks: InMemoryLockStrategy) -> None:
    inside = 0
    most = 0

    async def look(command: Open) -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.001)
        inside -= 1
        return most

    mediator = mediate({Open: look}, ConcurrencyGuardMiddleware(locks))
    await asyncio.gather(*(mediator.send(Open(mode="read")) for _ in range(5)))
    assert most == 5
    most = 0
    await asyncio.gather(*(mediator.send(Open(mode="write")) for _ in range(5)))
    assert most == 1


async def test_a_lock_that_is_not_free_in_time_is_an_error_and_nothing_runs(
    mediate: Any, locks: InMemoryLockStrategy
) -> None:
    ran: list[Any] = []

    async def note(command: Open) -> int:
        ran.append(command)
        return 0

    other = await locks.acquire(ResourceIdentifier("Locker", "b"))
    mediator = mediate({Open: note}, ConcurrencyGuardMiddleware(locks, timeout=0.01))
    with pytest.raises(LockAcquisitionError, match="Could not lock Locker:b"):
        await mediator.send(Open(lockers=("a", "b")))
    assert ran == []
    assert await held(locks) == ["b"], "what had been locked already is given back"
    await locks.release(other)


async def test_locks_are_released_when_the_handler_fails(mediate: Any, locks: InMemoryLockStrategy) -> None:
    async def fail(command: Open) -> int:
        raise ValueError("jammed")

    with pytest.raises(ValueError, match="jammed"):
        await mediate({Open: fail}, ConcurrencyGuardMiddleware(locks)).send(Open())
    assert await held(locks) == []


async def test_queries_may_lock_too(mediate: Any, locks: InMemoryLockStrategy) -> None:
    async def peek(query: Peek) -> list[str]:
        return await held(locks)

    assert (await mediate({Peek: peek}, ConcurrencyGuardMiddleware(locks)).send(Peek())).result == ["a"]
    assert await held(locks) == []


async def test_a_message_without_critical_resources_asks_no_lock_service(mediate: Any) -> None:
    async def idle(command: Idle) -> None:
        pass

    await mediate({Idle: idle}, ConcurrencyGuardMiddleware(Down())).send(Idle())


async def test_a_retry_keeps_the_lock(mediate: Any, store: InMemoryStore, locks: InMemoryLockStrategy) -> None:
    tokens: list[int] = []

    async def losing_at_first(command: Open) -> int:
        tokens.extend(lease.fencing_token for lease in await locks.get_active_locks())
        if len(tokens) < 3:
            raise OptimisticConcurrencyError("Locker", "a", 1)
        return 0

    retry = RetryMiddleware(5, base_delay=0.0001)
    await mediate({Open: losing_at_first}, ConcurrencyGuardMiddleware(locks), retry).send(Open())
    assert len(set(tokens)) == 1


# ---------------------------------------------------------------- nested commands


async def test_a_nested_command_does_not_wait_for_the_lock_of_the_outer_one(
    mediate: Any, locks: InMemoryLockStrategy
) -> None:
    async def tour(command: Tour) -> int:
        await mediator.send(Open())
        return int((await mediator.send(Open())).result)

    mediator = mediate({Open: open_locker, Tour: tour}, ConcurrencyGuardMiddleware(locks, timeout=0.05))
    assert (await mediator.send(Tour(lockers=("a",)))).result == 2
    assert await held(locks) == []


@pytest.mark.parametrize("outer", [(), ("z",)], ids=["nothing locked outside", "something else locked outside"])
async def test_what_a_nested_command_locked_is_held_until_the_outer_one_has_committed(
    mediate: Any, store: InMemoryStore, locks: InMemoryLockStrategy, outer: tuple[str, ...]
) -> None:
    seen: list[list[str]] = []

    class Watched(InMemoryUnitOfWork):
        @override
        async def _commit(self) -> None:
            seen.append(await held(locks))
            await super()._commit()

    async def tour(command: Tour) -> None:
        await mediator.send(Open(lockers=("a",)))
        seen.append(await held(locks))
        await mediator.send(Open(lockers=("b",)))

    mediator = mediate(
        {Open: open_locker, Tour: tour}, ConcurrencyGuardMiddleware(locks), uow_factory=lambda: Watched(store)
    )
    await mediator.send(Tour(lockers=outer))
    assert seen == [sorted(["a", *outer]), sorted(["a", "b", *outer])]
    assert await held(locks) == []


async def test_two_tours_never_see_each_others_uncommitted_work(
    mediate: Any, store: InMemoryStore, locks: InMemoryLockStrategy
) -> None:
    async def tour(command: Tour) -> int:
        result = (await mediator.send(Open())).result
        for _ in range(5):
            await asyncio.sleep(0)
        return int(result)

    mediator = mediate({Open: open_locker, Tour: tour}, ConcurrencyGuardMiddleware(locks))
    with use_context(correlation_id="one-request"):
        results = await asyncio.gather(*(mediator.send(Tour()) for _ in range(10)))
    assert sorted(response.result for response in results) == list(range(1, 11))


async def test_the_locks_of_a_nested_command_that_failed_and_was_caught_are_released(
    mediate: Any, locks: InMemoryLockStrategy
) -> None:
    async def fail(command: Open) -> int:
        raise ValueError("jammed")

    async def tour(command: Tour) -> list[str]:
        with pytest.raises(ValueError, match="jammed"):
            await mediator.send(Open(lockers=("a",)))
        return await held(locks)

    mediator = mediate({Open: fail, Tour: tour}, ConcurrencyGuardMiddleware(locks))
    assert (await mediator.send(Tour(lockers=("z",)))).result == ["z"]
    assert await held(locks) == []


async def test_locks_of_nested_commands_are_released_when_the_outer_one_fails(
    mediate: Any, locks: InMemoryLockStrategy
) -> None:
    async def tour(command: Tour) -> None:
        await mediator.send(Open())
        raise ValueError("closed")

    mediator = mediate({Open: open_locker, Tour: tour}, ConcurrencyGuardMiddleware(locks))
    with pytest.raises(ValueError, match="closed"):
        await mediator.send(Tour())
    assert await held(locks) == []


async def test_nested_locks_are_held_to_the_end_although_the_outer_mediator_has_no_guard(
    mediate: Any, store: InMemoryStore, locks: InMemoryLockStrategy
) -> None:
    seen: list[list[str]] = []

    async def tour(command: Tour) -> None:
        await guarded.send(Open(lockers=("a",)))
        await guarded.send(Open(lockers=("a", "b")))
        seen.append(await held(locks))

    guarded = mediate({Open: open_locker}, ConcurrencyGuardMiddleware(locks, timeout=0.05))
    await mediate({Tour: tour}).send(Tour())
    assert sorted(set(seen[0])) == ["a", "b"]
    assert await held(locks) == []


async def test_commands_in_a_joint_transaction_hold_their_locks_until_its_commit(
    mediate: Any, store: InMemoryStore, locks: InMemoryLockStrategy
) -> None:
    mediator = mediate({Open: open_locker}, ConcurrencyGuardMiddleware(locks, timeout=0.05))
    async with joint_transaction(InMemoryUnitOfWork(store), "a test"):
        await mediator.send(Open())
        await mediator.send(Open())
        assert set(await held(locks)) == {"a"}
    assert await held(locks) == []


async def test_a_task_that_a_handler_starts_does_not_share_its_locks(mediate: Any, locks: InMemoryLockStrategy) -> None:
    async def tour(command: Tour) -> str:
        async def elsewhere() -> None:
            await mediator.send(Open())

        with pytest.raises(LockAcquisitionError):
            await asyncio.create_task(elsewhere())
        return "waited in vain"

    mediator = mediate({Open: open_locker, Tour: tour}, ConcurrencyGuardMiddleware(locks, timeout=0.01))
    assert (await mediator.send(Tour(lockers=("a",)))).result == "waited in vain"


# ---------------------------------------------------------------- when locks cannot be had, or are lost


@pytest.mark.parametrize("strategy", [Down, Unwell])
async def test_a_lock_service_that_is_down_fails_the_command(mediate: Any, strategy: Any) -> None:
    with pytest.raises(LockAcquisitionError):
        await mediate({Open: open_locker}, ConcurrencyGuardMiddleware(strategy())).send(Open())


@pytest.mark.parametrize("strategy", [Down, Unwell])
async def test_fail_open_goes_on_without_locks_while_the_lock_service_is_down(
    mediate: Any, strategy: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def tour(command: Tour) -> int:
        return int((await mediator.send(Open())).result)

    guard = ConcurrencyGuardMiddleware(strategy(), fail_open=True)
    mediator = mediate({Open: open_locker, Tour: tour}, guard)
    assert (await mediator.send(Open())).result == 1
    assert (await mediator.send(Tour(lockers=("b",)))).result == 2
    assert caplog.text.count("is handled without its locks") == 3


async def test_fail_open_still_waits_for_a_lock_that_somebody_holds(mediate: Any, locks: InMemoryLockStrategy) -> None:
    await locks.acquire(ResourceIdentifier("Locker", "a"))
    guard = ConcurrencyGuardMiddleware(locks, timeout=0.01, fail_open=True)
    with pytest.raises(LockAcquisitionError):
        await mediate({Open: open_locker}, guard).send(Open())


@pytest.mark.parametrize(
    "error",
    [
        LockAcquisitionError("something else", 1.0),
        ConnectionError("the database"),
        OptimisticConcurrencyError("X", 1, 1),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("strategy", [InMemoryLockStrategy, Down, Unwell])
async def test_fail_open_never_catches_an_error_of_the_handler_and_never_runs_it_twice(
    mediate: Any, error: Exception, strategy: Any
) -> None:
    runs = 0

    async def fail(command: Open) -> int:
        nonlocal runs
        runs += 1
        raise error

    with pytest.raises(type(error)) as caught:
        await mediate({Open: fail}, ConcurrencyGuardMiddleware(strategy(), fail_open=True)).send(Open())
    assert caught.value is error
    assert runs == 1


class Forgetting(InMemoryLockStrategy):
    """Loses every lock that it is asked to extend."""

    @override
    async def extend(self, lease: LockLease, *, ttl: float = 30.0) -> LockLease | None:
        await super().release(lease)
        return None


@pytest.mark.parametrize("nested", [False, True], ids=["outermost", "nested"])
async def test_a_command_whose_lock_is_lost_is_stopped_and_rolled_back(
    mediate: Any, store: InMemoryStore, nested: bool
) -> None:
    async def slow(command: Open) -> int:
        await open_locker(command)
        await asyncio.Event().wait()
        return 0

    async def tour(command: Tour) -> None:
        await mediator.send(Open())

    mediator = mediate({Open: slow, Tour: tour}, ConcurrencyGuardMiddleware(Forgetting(store), ttl=0.05))
    with pytest.raises(LockLostError):
        await mediator.send(Tour() if nested else Open())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    async with InMemoryUnitOfWork(store) as uow:
        assert await uow.guarded_lockers.list_all() == []


async def test_a_lock_of_a_nested_command_that_is_lost_afterwards_stops_the_outer_one(
    mediate: Any, store: InMemoryStore
) -> None:
    async def tour(command: Tour) -> None:
        await mediator.send(Open())
        await asyncio.Event().wait()

    mediator = mediate({Open: open_locker, Tour: tour}, ConcurrencyGuardMiddleware(Forgetting(store), ttl=0.05))
    with pytest.raises(LockLostError):
        await mediator.send(Tour())
    async with InMemoryUnitOfWork(store) as uow:
        assert await uow.guarded_lockers.list_all() == []


async def test_cancelled_at_any_moment_it_leaves_no_lock_behind(mediate: Any, store: InMemoryStore) -> None:
    """Every call of the lock service can be interrupted before and after it has taken effect."""

    class Slow(InMemoryLockStrategy):
        @override
        async def acquire(self, resource: ResourceIdentifier, **arguments: Any) -> LockLease:
            await asyncio.sleep(0)
            return await super().acquire(resource, **arguments)

        @override
        async def release(self, lease: LockLease) -> bool:
            await asyncio.sleep(0)
            return await super().release(lease)

    async def tour(command: Tour) -> None:
        await asyncio.sleep(0)
        await mediator.send(Open(lockers=("a", "c")))
        await asyncio.sleep(0)

    locks = Slow(store)
    mediator = mediate({Open: open_locker, Tour: tour}, ConcurrencyGuardMiddleware(locks))
    finished = cancelled = 0
    for steps in range(60):
        sending = asyncio.create_task(mediator.send(Tour(lockers=("a", "b"))))
        for _ in range(steps):
            await asyncio.sleep(0)
        sending.cancel()
        try:
            await sending
            finished += 1
        except asyncio.CancelledError:
            cancelled += 1
        assert await held(locks) == [], f"cancelled after {steps} steps"
    assert finished
    assert cancelled >= 10


# ---------------------------------------------------------------- wiring


def test_it_cannot_be_registered_inside_the_transaction(mediate: Any, locks: InMemoryLockStrategy) -> None:
    mediator = mediate({Open: open_locker})
    registry = mediator._middlewares
    with pytest.raises(PipelineError, match="ConcurrencyGuardMiddleware belongs into stage AROUND"):
        registry.register(ConcurrencyGuardMiddleware(locks), stage=Stage.INSIDE)


@pytest.mark.parametrize("settings", [{"timeout": -1}, {"ttl": 0}])
def test_settings_that_make_no_sense_are_refused(locks: InMemoryLockStrategy, settings: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout is 0 or more and ttl more than 0"):
        ConcurrencyGuardMiddleware(locks, **settings)
