"""State machines whose rules are coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, override

from hypothesis.stateful import RuleBasedStateMachine

__all__ = ["AsyncStateMachine"]


class AsyncStateMachine(RuleBasedStateMachine):
    """Rules call ``run`` with a coroutine. All of them run in one event loop; tasks go on from rule to rule."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = self.open_runner()
        try:
            self.run(self.open())
        except BaseException:
            self._runner.close()
            raise

    def open_runner(self) -> asyncio.Runner:
        """The event loop to use. A subclass may choose another kind."""
        return asyncio.Runner()

    async def open(self) -> None:
        """Make the adapter, without any data. Called first, inside the event loop."""
        raise NotImplementedError("open() makes the adapter and everything else that the machine needs")

    async def close(self) -> None:
        """Compare for a last time and let everything go. Called last, inside the event loop."""

    def run[R](self, work: Coroutine[Any, Any, R]) -> R:
        return self._runner.run(work)

    @override
    def teardown(self) -> None:
        try:
            self.run(self.close())
        finally:
            self._runner.close()
