"""What time it is: a port, and the one clock of the process."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

__all__ = ["IClock", "SystemClock", "get_clock", "set_clock", "use_clock", "utc_now"]


@runtime_checkable
class IClock(Protocol):
    """Tells the time. Every timestamp that the toolkit makes comes from one of these."""

    def now(self) -> datetime:
        """The time now: timezone-aware, UTC."""
        ...


class SystemClock:
    """The clock of the operating system."""

    def now(self) -> datetime:
        return datetime.now(UTC)


_clock: IClock = SystemClock()


def get_clock() -> IClock:
    """The clock of this process; the system's clock unless it was replaced."""
    return _clock


def set_clock(clock: IClock) -> None:
    """Replace the clock of this process. For one test, prefer ``use_clock``."""
    global _clock  # noqa: PLW0603 - one clock per process is the point
    _clock = clock


@contextmanager
def use_clock[ClockT: IClock](clock: ClockT) -> Generator[ClockT]:
    """Replace the clock of this process within the block, then put the former one back."""
    former = get_clock()
    set_clock(clock)
    try:
        yield clock
    finally:
        set_clock(former)


def utc_now() -> datetime:
    """The time now on the clock of this process: timezone-aware, UTC."""
    return _clock.now()
