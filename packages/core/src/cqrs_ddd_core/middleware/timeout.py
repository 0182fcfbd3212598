"""A limit on how long a message may take."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from cqrs_ddd_core.cqrs.mediator import has_committed
from cqrs_ddd_core.ports.middleware import NextHandler, Stage
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, HandlerError, HandlerTimeoutError

__all__ = ["TimeoutMiddleware"]


class TimeoutMiddleware:
    """Cancels the handling of a message after some seconds, and raises ``HandlerTimeoutError`` after the rollback.

    Waiting for locks does not count, repetitions after a lost race do. A handler that swallows its cancellation, or
    blocks the event loop, is not stopped by this.
    """

    stage: Final = Stage.AROUND
    priority: Final = 60

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ConfigurationError(f"A timeout is a number of seconds above 0, found {seconds!r}.")
        self._seconds = seconds

    def describe(self) -> str:
        return f"at most {self._seconds:g} s"

    async def __call__(self, message: Any, next_handler: NextHandler, /) -> Any:
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                return await next_handler(message)
        except TimeoutError as error:
            if not limit.expired():
                raise  # the handler's own
            name: str = getattr(message, "message_type", type(message).__name__)
            if has_committed():
                raise HandlerError(
                    f"{name} is committed; what follows the commit did not end within {self._seconds:g} s."
                ) from error
            raise HandlerTimeoutError(name, self._seconds) from error
