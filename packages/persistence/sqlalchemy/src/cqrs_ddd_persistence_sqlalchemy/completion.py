"""Finishing what must not be left half done."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["completed"]


async def completed[R](work: Coroutine[Any, Any, R]) -> R:
    """Run ``work`` to its end, also when the task is cancelled meanwhile; the cancellation goes on afterwards.

    For giving back connections: a rollback that is broken off leaves one behind that nobody can use.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001 - it is in the task, and raised below
            break
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # taken out, so that nobody complains that it was never seen
        raise cancelled
    return task.result()
