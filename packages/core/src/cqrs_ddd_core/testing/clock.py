"""Time that passes when a test says so."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, override

from cqrs_ddd_core.primitives.clock import IClock, get_clock, set_clock

__all__ = ["VirtualClock", "run_in_virtual_time"]

_DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)
_ROUNDS = 20
"""How often ``VirtualClock.sleep`` lets the other tasks run: a task that was woken may wake others."""


class VirtualClock:
    """A clock that stands still until it is moved.

    ``with VirtualClock() as clock:`` makes it the clock of the process within the block, so that every timestamp and
    every in-memory lease follows it. It is an ``IClock`` and can also be given to ``use_clock``.
    """

    def __init__(self, start: datetime = _DEFAULT_START) -> None:
        """``start`` is timezone-aware; without it the clock begins at 1 January 2026, midnight UTC."""
        if start.tzinfo is None:
            raise ValueError(f"The start needs a time zone: {start!r} has none. Write datetime(…, tzinfo=UTC).")
        self._now = start.astimezone(UTC)
        self._former: list[IClock] = []

    def __repr__(self) -> str:
        return f"VirtualClock({self._now.isoformat()})"

    def now(self) -> datetime:
        return self._now

    def advance(self, delta: timedelta | float) -> datetime:
        """Let a time pass (seconds, if it is a number) and return the new time. Raises ``ValueError`` below zero."""
        duration = delta if isinstance(delta, timedelta) else timedelta(seconds=delta)
        if duration < timedelta(0):
            raise ValueError(f"Time does not run backwards: cannot advance by {duration}.")
        self._now += duration
        return self._now

    async def sleep(self, delta: timedelta | float) -> datetime:
        """Let a time pass and then the other tasks of the loop run. It does not wait for their timers.

        For code that waits with ``asyncio.sleep`` or ``asyncio.timeout``, use ``run_in_virtual_time``.
        """
        now = self.advance(delta)
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        return now

    def __enter__(self) -> Self:
        self._former.append(get_clock())
        set_clock(self)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        set_clock(self._former.pop())


def run_in_virtual_time[R](main: Coroutine[Any, Any, R], *, clock: VirtualClock | None = None) -> R:
    """Run a coroutine in an event loop of its own, in which nobody waits: as ``asyncio.run``, for tests.

    Whenever all tasks wait for a timer, time jumps to the next one: ``asyncio.sleep``, ``asyncio.timeout`` and
    ``loop.call_later`` take no real time, in the right order. ``clock`` is the clock of the process meanwhile and moves
    with the loop. ``VirtualClock.advance`` moves the clock alone.

    Sockets and threads run in real time: while they are busy, timers fire early. Raises ``RuntimeError`` when all tasks
    wait for something that can never happen.
    """
    used = VirtualClock() if clock is None else clock
    with used, asyncio.Runner(loop_factory=lambda: _VirtualTimeLoop(used)) as runner:
        return runner.run(main)


_STUCK_AFTER = 10.0
"""Seconds of real time that may pass without any timer, before all tasks count as stuck."""


class _JumpingSelector(selectors.DefaultSelector):
    """Answers at once: the time that it would have waited has passed on the clock."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.elapsed = timedelta(0)
        self.jumping = True

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # No timer at all: only a thread or a socket can go on from here.
            ready = super().select(_STUCK_AFTER)
            if not ready:
                raise RuntimeError("All tasks wait for something that will never happen.")
            return ready
        ready = super().select(0 if self.jumping else timeout)
        if not ready and timeout > 0:
            # Rounded up: a loop that wakes a fraction too early would ask for the same moment again.
            step = timedelta(seconds=timeout, microseconds=1)
            self.elapsed += step
            self._clock.advance(step)
        return ready


class _VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        self._jumping = _JumpingSelector(clock)
        super().__init__(self._jumping)

    @override
    def time(self) -> float:
        return self._jumping.elapsed.total_seconds()

    @override
    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        # The threads end in real time, and so must the limit on waiting for them.
        self._jumping.jumping = False
        await super().shutdown_default_executor(timeout)
