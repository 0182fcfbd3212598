"""What tests of several rooms use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cqrs_ddd_core.primitives.clock import use_clock
from cqrs_ddd_core.testing import VirtualClock

type Until = Callable[[Callable[[], Any]], Awaitable[None]]


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """The clock of the process, standing still until it is moved."""
    with use_clock(VirtualClock(datetime(2026, 5, 1, 12, tzinfo=UTC))) as clock:
        yield clock


@pytest.fixture
def until() -> Until:
    """``await until(lambda: worker.waiting == 0)``: let others run until the condition holds, generously."""

    async def wait(condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(20.0):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.001)

    return wait
