"""What all contract suites have in common."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, ensure_joined

__all__ = ["AdapterContract", "TransactionalContract", "undone", "undone_savepoint"]


class AdapterContract:
    """A suite that an adapter passes by deriving a test class from it and giving the fixtures that it names.

    The adapter begins each test without data, unless the suite says otherwise. The tests are coroutines: they need
    pytest-asyncio in its ``auto`` mode.
    """

    instant: ClassVar[timedelta] = timedelta(milliseconds=50)
    """A time that the store's clock can tell from none. Tests that need two different times let it pass."""
    short_hold: ClassVar[timedelta] = timedelta(milliseconds=500)
    """A lease that is made to run out. Longer where the store is slow, as what is done under it must fit into it."""
    patience: ClassVar[timedelta] = timedelta(milliseconds=300)
    """How long somebody who does not come back counts as waiting for a transaction that the test holds open."""

    async def pass_time(self, duration: timedelta) -> None:
        """Let a time pass on the store's clock: by waiting, unless a subclass can move that clock."""
        await asyncio.sleep(duration.total_seconds())

    async def meanwhile[R](self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        """Do something in a task of its own, until it is done or waits for what this task holds open.

        Await the task that this returns when nothing is held open any more. So a test of two at once also fits stores
        that let one writer in at a time.
        """
        task = asyncio.create_task(work, name="meanwhile")
        await asyncio.wait({task}, timeout=self.patience.total_seconds())
        return task


class TransactionalContract(AdapterContract):
    """A suite for an adapter that takes part in units of work."""

    @pytest.fixture
    @abstractmethod
    def uow_factory(self) -> Callable[[], UnitOfWork]:
        """Makes units of work on the adapter's database; they are opened with ``async with``."""
        raise NotImplementedError("give the fixture uow_factory")

    def check_joins(self, adapter: object, uow: UnitOfWork) -> None:
        """The adapter says that it writes in the transaction of a unit of work on its database."""
        ensure_joined(adapter, uow, "the contract wants it")
        assert uow.begun is False, "asking opens nothing"

    async def race(
        self,
        uow_factory: Callable[[], UnitOfWork],
        first: Callable[[], Awaitable[object]],
        second: Callable[[], Awaitable[object]],
    ) -> list[BaseException]:
        """Do both in units of work that are open at the same time; the errors of those that failed."""
        overtaking: list[asyncio.Task[None]] = []

        async def overtake() -> None:
            async with uow_factory():
                await second()

        async def begin() -> None:
            async with uow_factory():
                await first()
                overtaking.append(await self.meanwhile(overtake()))

        results = list(await asyncio.gather(begin(), return_exceptions=True))
        results += await asyncio.gather(*overtaking, return_exceptions=True)
        return [result for result in results if result is not None]


class _Undo(Exception):
    """Rolls a block back."""


@asynccontextmanager
async def undone[UnitT: UnitOfWork](uow: UnitT) -> AsyncGenerator[UnitT]:
    """Opens a unit of work for the block, and rolls it back at the end."""
    with suppress(_Undo):
        async with uow:
            yield uow
            raise _Undo


@asynccontextmanager
async def undone_savepoint(uow: UnitOfWork) -> AsyncGenerator[None]:
    """A savepoint for the block, to which the unit of work goes back at the end."""
    with suppress(_Undo):
        async with uow.savepoint():
            yield
            raise _Undo
