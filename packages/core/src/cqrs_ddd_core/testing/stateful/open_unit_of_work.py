"""Units of work that stay open while the test does something else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork

__all__ = ["OpenUnitOfWork"]


class _Undo(Exception):
    """Rolls the unit of work back."""


class OpenUnitOfWork:
    """A unit of work in a task of its own: what ``do`` is given happens inside it, whoever calls."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._steps: asyncio.Queue[tuple[Callable[[UnitOfWork], Awaitable[Any]], asyncio.Future[Any]] | None]
        self._steps = asyncio.Queue()
        self._undo = False
        self._task = asyncio.create_task(self._live(), name="open unit of work")

    @classmethod
    async def begin(cls, uow: UnitOfWork) -> Self:
        """Open ``uow``. Its transaction begins with the first thing that is done in it."""
        return cls(uow)

    async def do[R](self, step: Callable[[UnitOfWork], Awaitable[R]]) -> R:
        """Do something inside. What it raises is raised here; the unit of work stays open."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        await self._steps.put((step, answer))
        return await answer

    async def commit(self) -> None:
        """Leave it. Raises what the commit raises."""
        await self._steps.put(None)
        await self._task

    async def rollback(self) -> None:
        """Leave it with an error of its own."""
        self._undo = True
        await self._steps.put(None)
        await self._task

    async def _live(self) -> None:
        try:
            async with self._uow as uow:
                while (given := await self._steps.get()) is not None:
                    step, answer = given
                    try:
                        answer.set_result(await step(uow))
                    except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the answer
                        answer.set_exception(error)
                if self._undo:
                    raise _Undo
        except _Undo:
            pass
