"""A limit on how long a message may take."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cqrs_ddd_core import AggregateRoot, Command, InMemoryStore, InMemoryUnitOfWork, Query, get_current_uow
from cqrs_ddd_core.middleware import RetryMiddleware, TimeoutMiddleware
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    HandlerError,
    HandlerTimeoutError,
    OptimisticConcurrencyError,
)


class Shelf(AggregateRoot[str]):
    collection_name = "timeout_shelves"


class Fill(Command[str]):
    shelf: str = "a"


class FillAll(Command[str]):
    pass


class Count(Query[int]):
    pass


async def shelves(store: InMemoryStore) -> list[str]:
    async with InMemoryUnitOfWork(store) as uow:
        return [shelf.id for shelf in await uow.timeout_shelves.list_all()]


async def slow(command: Fill) -> str:
    await get_current_uow().timeout_shelves.add(Shelf(id=command.shelf))
    await asyncio.Event().wait()
    return ""


async def quick(command: Fill) -> str:
    await get_current_uow().timeout_shelves.add(Shelf(id=command.shelf))
    return "filled"


async def test_what_takes_too_long_is_rolled_back_and_says_so(mediate: Any, store: InMemoryStore) -> None:
    with pytest.raises(HandlerTimeoutError, match=r"Fill did not finish within 0.01 s; what it did was rolled back"):
        await mediate({Fill: slow}, TimeoutMiddleware(0.01)).send(Fill())
    assert await shelves(store) == []


async def test_the_rollback_is_over_when_the_error_arrives(mediate: Any, store: InMemoryStore) -> None:
    ended: list[str] = []

    class Slow(InMemoryUnitOfWork):
        async def _rollback(self) -> None:
            await asyncio.sleep(0)
            await super()._rollback()
            ended.append("rolled back")

    mediator = mediate({Fill: slow_after_begin}, TimeoutMiddleware(0.01), uow_factory=lambda: Slow(store))
    with pytest.raises(HandlerTimeoutError):
        await mediator.send(Fill())
    assert ended == ["rolled back"]


async def slow_after_begin(command: Fill) -> str:
    await get_current_uow().timeout_shelves.get("nothing")
    return await slow(command)


async def test_what_is_quick_enough_is_committed(mediate: Any, store: InMemoryStore) -> None:
    assert (await mediate({Fill: quick}, TimeoutMiddleware(60)).send(Fill())).result == "filled"
    assert await shelves(store) == ["a"]


async def test_a_query_has_a_limit_too(mediate: Any) -> None:
    async def hang(query: Count) -> int:
        await asyncio.Event().wait()
        return 0

    with pytest.raises(HandlerTimeoutError, match="Count"):
        await mediate({Count: hang}, TimeoutMiddleware(0.01)).send(Count())


async def test_a_timeout_of_the_handlers_own_goes_through(mediate: Any) -> None:
    async def impatient(command: Fill) -> str:
        raise TimeoutError("the warehouse does not answer")

    with pytest.raises(TimeoutError, match="the warehouse does not answer") as caught:
        await mediate({Fill: impatient}, TimeoutMiddleware(60)).send(Fill())
    assert not isinstance(caught.value, HandlerTimeoutError)


async def test_a_cancellation_from_outside_is_not_turned_into_a_timeout(mediate: Any, store: InMemoryStore) -> None:
    sending = asyncio.create_task(mediate({Fill: slow}, TimeoutMiddleware(60)).send(Fill()))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await shelves(store) == []


async def test_a_timeout_around_the_send_is_the_callers_own(mediate: Any) -> None:
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.01):
            await mediate({Fill: slow}, TimeoutMiddleware(60)).send(Fill())
    assert not isinstance(caught.value, HandlerTimeoutError)


async def test_a_nested_command_that_takes_too_long_can_be_caught(mediate: Any, store: InMemoryStore) -> None:
    async def fill_all(command: FillAll) -> str:
        await get_current_uow().timeout_shelves.add(Shelf(id="outer"))
        try:
            await mediator.send(Fill(shelf="inner"))
        except HandlerTimeoutError:
            return "without the inner one"
        return "all"

    class OnlyNested(TimeoutMiddleware):
        def applies_to(self, message_type: type[Any]) -> bool:
            return message_type is Fill

    mediator = mediate({Fill: slow, FillAll: fill_all}, OnlyNested(0.01))
    assert (await mediator.send(FillAll())).result == "without the inner one"
    assert await shelves(store) == ["outer"]


async def test_repetitions_count_together(mediate: Any) -> None:
    attempts = 0

    async def losing(command: Fill) -> str:
        nonlocal attempts
        attempts += 1
        raise OptimisticConcurrencyError("Shelf", "a", 1)

    mediator = mediate({Fill: losing}, TimeoutMiddleware(0.05), RetryMiddleware(1000, base_delay=0.02))
    with pytest.raises(HandlerTimeoutError):
        await mediator.send(Fill())
    assert 1 <= attempts < 10


async def test_what_is_committed_is_not_called_rolled_back(mediate: Any, store: InMemoryStore) -> None:
    class Dawdling:
        priority = 80

        async def __call__(self, message: Any, next_handler: Any, /) -> Any:
            response = await next_handler(message)
            await asyncio.Event().wait()
            return response

    with pytest.raises(HandlerError, match="Fill is committed") as caught:
        await mediate({Fill: quick}, TimeoutMiddleware(0.01), Dawdling()).send(Fill())
    assert not isinstance(caught.value, HandlerTimeoutError)
    assert await shelves(store) == ["a"]


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_is_above_zero(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="a number of seconds above 0"):
        TimeoutMiddleware(seconds)
