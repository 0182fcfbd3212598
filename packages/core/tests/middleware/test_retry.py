"""Trying again after a lost race."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from cqrs_ddd_core import AggregateRoot, Command, DomainEvent, InMemoryStore, InMemoryUnitOfWork, get_current_uow
from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemoryOutboxStorage
from cqrs_ddd_core.middleware import EventStorePersistenceMiddleware, OutboxMiddleware, RetryMiddleware
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, OptimisticConcurrencyError
from cqrs_ddd_core.testing import record_operations, run_in_virtual_time

QUICK: dict[str, Any] = {"base_delay": 0.0001, "max_delay": 0.0001}


class Counted(DomainEvent):
    event_type = "retry.Counted"


class Counter(AggregateRoot[str]):
    collection_name = "retry_counters"

    value: int = 0

    def count(self) -> None:
        self.value += 1
        self.add_event(Counted())


class Count(Command[int]):
    counter: str = "a"


class CountTwice(Command[None]):
    pass


LOST = OptimisticConcurrencyError("Counter", "a", 1, 2)


async def count(command: Count) -> int:
    counters = get_current_uow().retry_counters
    counter = await counters.get(command.counter) or Counter(id=command.counter)
    await asyncio.sleep(0)
    counter.count()
    await counters.add(counter)
    return int(counter.value)


async def value_of(store: InMemoryStore, counter: str = "a") -> int:
    async with InMemoryUnitOfWork(store) as uow:
        found = await uow.retry_counters.get(counter)
        return 0 if found is None else int(found.value)


async def test_a_lost_race_is_run_again_in_a_new_unit_of_work(mediate: Any, store: InMemoryStore) -> None:
    units: list[Any] = []

    async def losing_at_first(command: Count) -> int:
        units.append(get_current_uow())
        result = await count(command)
        if len(units) < 3:
            raise LOST
        return result

    assert (await mediate({Count: losing_at_first}, RetryMiddleware(3, **QUICK)).send(Count())).result == 1
    assert len({id(uow) for uow in units}) == 3
    assert await value_of(store) == 1


async def test_concurrent_writers_of_one_aggregate_all_succeed(mediate: Any, store: InMemoryStore) -> None:
    events, outbox = InMemoryEventStore(store), InMemoryOutboxStorage(store)
    mediator = mediate(
        {Count: count},
        RetryMiddleware(max_attempts=100, base_delay=0.0001, max_delay=0.01),
        EventStorePersistenceMiddleware(events),
        OutboxMiddleware(outbox),
    )
    results = await asyncio.gather(*(mediator.send(Count()) for _ in range(30)))
    assert sorted(response.result for response in results) == list(range(1, 31))
    assert await value_of(store) == 30
    # What the lost attempts had written is nowhere.
    assert [event.version for event in await events.read_stream("Counter", "a")] == list(range(1, 31))
    assert (await outbox.statistics()).pending == 30


async def test_it_gives_up_after_max_attempts_and_raises_the_last_error(mediate: Any) -> None:
    errors = [OptimisticConcurrencyError("Counter", "a", number) for number in range(5)]
    left = iter(errors)

    async def losing(command: Count) -> int:
        raise next(left)

    with pytest.raises(OptimisticConcurrencyError) as caught:
        await mediate({Count: losing}, RetryMiddleware(3, **QUICK)).send(Count())
    assert caught.value is errors[2]


async def test_other_errors_are_not_tried_again(mediate: Any) -> None:
    attempts = 0

    async def broken(command: Count) -> int:
        nonlocal attempts
        attempts += 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await mediate({Count: broken}, RetryMiddleware(5, **QUICK)).send(Count())
    assert attempts == 1


async def test_other_errors_may_be_named(mediate: Any) -> None:
    attempts = 0

    async def flaky(command: Count) -> int:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ConnectionError("reset")
        return attempts

    retry = RetryMiddleware(5, retry_on=(ConnectionError,), **QUICK)
    assert (await mediate({Count: flaky}, retry).send(Count())).result == 3


async def test_a_nested_command_is_not_repeated_but_the_outermost_one_is(mediate: Any, store: InMemoryStore) -> None:
    runs: list[str] = []

    async def twice(command: CountTwice) -> None:
        runs.append("outer")
        await mediator.send(Count(counter="a"))
        await mediator.send(Count(counter="b"))

    async def losing_at_first(command: Count) -> int:
        runs.append(command.counter)
        if runs.count("b") == 1 and command.counter == "b":
            raise LOST
        return await count(command)

    mediator = mediate({Count: losing_at_first, CountTwice: twice}, RetryMiddleware(5, **QUICK))
    await mediator.send(CountTwice())
    assert runs == ["outer", "a", "b", "outer", "a", "b"]
    assert (await value_of(store, "a"), await value_of(store, "b")) == (1, 1)


async def test_events_of_a_lost_attempt_are_not_told_or_stored(mediate: Any, store: InMemoryStore) -> None:
    told: list[str] = []
    events = InMemoryEventStore(store)
    attempts = 0

    async def outer(command: CountTwice) -> None:
        nonlocal attempts
        attempts += 1
        uow = get_current_uow()
        counter = Counter(id=f"outer-{attempts}")
        counter.count()
        await uow.retry_counters.add(counter)
        await mediator.send(Count(counter="a"))
        if attempts == 1:
            raise LOST

    mediator = mediate(
        {Count: count, CountTwice: outer}, RetryMiddleware(3, **QUICK), EventStorePersistenceMiddleware(events)
    )
    mediator.dispatcher.register(Counted, lambda event: told.append(event.aggregate_id))
    response = await mediator.send(CountTwice())
    assert told == ["outer-2", "a"]
    assert [event.aggregate_id for event in response.events] == ["outer-2"]
    assert [event.aggregate_id for event in await events.read_all()] == ["outer-2", "a"]


async def test_nothing_is_repeated_after_the_commit(mediate: Any, store: InMemoryStore) -> None:
    class LosingAfterTheCommit:
        priority = 80

        async def __call__(self, message: Any, next_handler: Any, /) -> Any:
            await next_handler(message)
            raise LOST

    with pytest.raises(OptimisticConcurrencyError):
        await mediate({Count: count}, RetryMiddleware(5, **QUICK), LosingAfterTheCommit()).send(Count())
    assert await value_of(store) == 1


def test_delays_grow_up_to_a_limit_and_have_jitter(mediate: Any) -> None:
    async def scenario(jitter: float) -> list[float]:
        times: list[float] = []

        async def losing(command: Count) -> int:
            times.append(asyncio.get_running_loop().time())
            raise LOST

        retry = RetryMiddleware(7, base_delay=0.1, max_delay=1.0, jitter=jitter)
        with pytest.raises(OptimisticConcurrencyError):
            await mediate({Count: losing}, retry).send(Count())
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    expected = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert run_in_virtual_time(scenario(0.0)) == pytest.approx(expected, abs=0.001)
    for delay, longest in zip(run_in_virtual_time(scenario(0.5)), expected, strict=True):
        assert longest * 0.5 - 0.001 <= delay <= longest + 0.001


async def test_a_cancellation_while_waiting_ends_it(mediate: Any) -> None:
    waiting = asyncio.Event()

    async def losing(command: Count) -> int:
        waiting.set()
        raise LOST

    sending = asyncio.create_task(
        mediate({Count: losing}, RetryMiddleware(5, base_delay=60, max_delay=60)).send(Count())
    )
    await waiting.wait()
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


async def test_hooks_see_every_repetition(mediate: Any) -> None:
    async def losing(command: Count) -> int:
        raise LOST

    with record_operations("command.retry.*") as recorder:
        with pytest.raises(OptimisticConcurrencyError):
            await mediate({Count: losing}, RetryMiddleware(3, **QUICK)).send(Count())
        await asyncio.sleep(0)
    assert recorder.names == ["command.retry.Count"] * 2
    assert [each.attributes["attempt"] for each in recorder.operations] == [1, 2]


@pytest.mark.parametrize(
    "settings", [{"max_attempts": 0}, {"base_delay": -1}, {"base_delay": 2, "max_delay": 1}, {"jitter": 1.5}]
)
def test_settings_that_make_no_sense_are_refused(settings: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_attempts is 1 or more"):
        RetryMiddleware(**settings)
