"""The lifecycle that everything long-running shares: relays, projections, schedulers, recovery."""

from __future__ import annotations

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["Worker"]

logger = logging.getLogger(__name__)

_SHORTEST_WAIT = 0.05
"""Seconds. A ``wait`` that returns at once, again and again, must not make a hot loop."""


class Worker(ABC):
    """One loop with a name: a round of work, then the next one, or waiting for work.

    ``async with worker:`` runs it for the block; ``start`` and ``stop`` do it by hand; ``run`` runs it in the caller's
    task, for example in a ``TaskGroup``. It can be started again after it has stopped.

    A round that fails is logged when the failing begins and when it ends, and repeated after a delay that grows from
    ``error_delay`` to ``max_error_delay`` seconds, with jitter. Nothing but ``stop`` and cancelling ends the loop.

    ``stop``, and the first cancelling of ``run``, let the round in hand finish; a second one cancels the round too.

    A subclass writes ``work``, and ``wait`` when it knows better than a timer when there is work again.
    """

    def __init__(
        self, name: str, *, poll_interval: float = 10.0, error_delay: float = 0.1, max_error_delay: float = 30.0
    ) -> None:
        """``poll_interval`` is how many seconds ``wait`` waits when it is not overridden."""
        for what, seconds in (
            ("poll_interval", poll_interval),
            ("error_delay", error_delay),
            ("max_error_delay", max_error_delay),
        ):
            if not seconds > 0:
                raise ConfigurationError(f"{what} is a number of seconds above 0, found {seconds!r}.")
        self._name = name
        self._poll_interval = poll_interval
        self._error_delay = error_delay
        self._max_error_delay = max(error_delay, max_error_delay)
        self._last_heartbeat: datetime | None = None
        self._failures = 0
        self._last_error: Exception | None = None
        self._task: asyncio.Task[None] | None = None
        """Made by ``start``."""
        self._running: asyncio.Task[Any] | None = None
        """In which ``run`` runs."""
        self._ended: asyncio.Event | None = None
        self._stopping = False
        self._triggered = False
        self._round: asyncio.Task[bool | None] | None = None
        self._waiting: asyncio.Task[Exception | None] | None = None
        self._deaf = False
        """Waits after an error: only ``stop`` ends that."""
        self._failed_while = ""

    # ------------------------------------------------------------------ subclasses

    @abstractmethod
    async def work(self) -> bool:
        """One round. True: there may be more at once; False: wait first.

        A long round asks ``stopping`` now and then. It may raise: the loop goes on after a delay.
        """

    async def wait(self) -> None:
        """Wait until there may be work again. ``trigger`` and ``stop`` end it by cancelling it."""
        await asyncio.sleep(self._poll_interval)

    # ------------------------------------------------------------------ state

    @property
    def name(self) -> str:
        return self._name

    @property
    def last_heartbeat(self) -> datetime | None:
        return self._last_heartbeat

    @property
    def is_running(self) -> bool:
        return self._running is not None or (self._task is not None and not self._task.done())

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop: a long round should come to an end."""
        return self._stopping

    @property
    def consecutive_failures(self) -> int:
        """How many rounds have failed since the last good one."""
        return self._failures

    @property
    def last_error(self) -> Exception | None:
        """Why the last round failed; None after a good one."""
        return self._last_error

    # ------------------------------------------------------------------ life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        if self.is_running:
            return
        self._stopping = False
        self._task = asyncio.create_task(self.run(), name=self.name)
        self._task.add_done_callback(self._report_death)

    async def stop(self) -> None:
        """Let the round in hand finish, then return. Does nothing when it does not run.

        Cancelled while it waits for that, it cancels the round and lets go. Called by the round itself it returns at
        once, and the loop ends after the round.
        """
        self._stopping = True
        if self._waiting is not None:
            self._waiting.cancel()
        if asyncio.current_task() in {self._task, self._running, self._round, self._waiting}:
            return
        task, ended = self._task, self._ended
        try:
            if task is not None:
                await asyncio.wait({task})
            elif ended is not None:
                await ended.wait()
        except asyncio.CancelledError:
            if self._round is not None:
                self._round.cancel()
            raise

    def trigger(self) -> None:
        """There is work: end the waiting. Not after an error: then the delay is kept."""
        self._triggered = True
        if self._waiting is not None and not self._deaf:
            self._waiting.cancel()

    async def run(self) -> None:
        """Run in the caller's task until ``stop``. Raises ``ConfigurationError`` when it runs already.

        Cancelled, it lets the round in hand finish and raises ``CancelledError`` then; cancelled again it cancels the
        round too.
        """
        running = asyncio.current_task()
        if self._running is not None or (self._task not in {None, running} and self.is_running):
            raise ConfigurationError(f"{self.name} runs already. One worker is one loop: make a second one.")
        if self._task is not running:
            self._task = None
            self._stopping = False
        self._running = running
        self._ended = ended = asyncio.Event()
        self._failures, self._last_error = 0, None
        try:
            async with asyncio.TaskGroup() as group:
                while not self._stopping:
                    await self._go_round(group)
        finally:
            self._running = self._round = self._waiting = self._ended = None
            ended.set()

    async def _go_round(self, group: asyncio.TaskGroup) -> None:
        self._round = group.create_task(self._attempt(), name=f"{self.name}: round")
        more = await self._finished(self._round)
        self._round = None
        if more is None:
            await self._pause(group)
        elif not more and not self._triggered:
            await self._wait_for_work(group)

    async def _wait_for_work(self, group: asyncio.TaskGroup) -> None:
        began = asyncio.get_running_loop().time()
        error = await self._idle(group, self.wait)
        if error is not None:
            self._failed(error, "waiting")
            await self._pause(group)
            return
        self._recovered("waiting")
        if not self._triggered and asyncio.get_running_loop().time() - began < _SHORTEST_WAIT:
            await self._idle(group, lambda: asyncio.sleep(_SHORTEST_WAIT))

    async def _finished(self, round_: asyncio.Task[bool | None]) -> bool | None:
        """What the round gave: whether there is more, or None when it failed."""
        running = asyncio.current_task()
        assert running is not None
        cancelled_before = running.cancelling()
        try:
            return await asyncio.shield(round_)
        except asyncio.CancelledError:
            if running.cancelling() == cancelled_before:
                # It is the round that was cancelled: by a stop() that could not wait, or by something in it.
                if not self._stopping:
                    self._failed(RuntimeError("The round was cancelled from within."), "working")
                return None
            self._stopping = True
            await round_  # without a shield: being cancelled again cancels the round
            raise

    async def _attempt(self) -> bool | None:
        """One round, with what is to be noted about it. None when it failed."""
        self._triggered = False
        try:
            hooks = get_hook_registry()
            if hooks:
                more = await hooks.execute_all(f"worker.round.{self.name}", {"worker.name": self.name}, self.work)
            else:
                more = await self.work()
        except Exception as error:  # noqa: BLE001 - _failed logs it
            self._failed(error, "working")
            return None
        self._last_heartbeat = utc_now()
        self._recovered("working")
        return more

    async def _pause(self, group: asyncio.TaskGroup) -> None:
        """Wait after a failure: longer each time, and whatever ``trigger`` says."""
        delay = min(self._max_error_delay, self._error_delay * 2 ** min(self._failures - 1, 30))
        self._deaf = True
        try:
            # Jitter, so that workers that were stopped by one outage do not come back as one.
            await self._idle(group, lambda: asyncio.sleep(delay * random.uniform(0.5, 1.0)))
        finally:
            self._deaf = False

    async def _idle(self, group: asyncio.TaskGroup, wait: Callable[[], Awaitable[None]]) -> Exception | None:
        """Wait, until that is over or ended from outside. Gives the error of the waiting."""
        if self._stopping:
            return None
        self._waiting = task = group.create_task(_caught(wait), name=f"{self.name}: waiting")
        await asyncio.wait({task})  # if this is cancelled, the group cancels the waiting
        self._waiting = None
        return None if task.cancelled() else task.result()

    def _failed(self, error: Exception, doing: str) -> None:
        self._failures += 1
        self._last_error, self._failed_while = error, doing
        self._last_heartbeat = utc_now()
        if self._failures == 1:
            logger.error(
                "%s failed while %s, and will try again", self.name, doing, exc_info=error, extra={"worker": self.name}
            )

    def _recovered(self, doing: str) -> None:
        # A round that succeeds says nothing about waiting, and the other way round.
        if self._failures and self._failed_while == doing:
            logger.info(
                "%s works again, failed before: %d times", self.name, self._failures, extra={"worker": self.name}
            )
            self._failures, self._last_error = 0, None

    def _report_death(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("%s has died", self.name, exc_info=error, extra={"worker": self.name})


async def _caught(wait: Callable[[], Awaitable[None]]) -> Exception | None:
    """An error while waiting must not end the loop."""
    try:
        await wait()
    except Exception as error:  # noqa: BLE001 - the loop deals with it
        return error
    return None
