"""What tests of several rooms use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

type Until = Callable[[Callable[[], Any]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """``await until(lambda: worker.rounds == 3)``: let others run until the condition holds, generously."""

    async def wait(condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(20.0):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.001)

    return wait
