"""Trying again after a lost race."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any, Final

from cqrs_ddd_core.cqrs.mediator import has_committed
from cqrs_ddd_core.cqrs.message import Command
from cqrs_ddd_core.instrumentation import notify
from cqrs_ddd_core.middleware.nesting import enclosing_unit_of_work
from cqrs_ddd_core.ports.middleware import NextHandler, Stage
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, OptimisticConcurrencyError

__all__ = ["RetryMiddleware"]

logger = logging.getLogger(__name__)


class RetryMiddleware:
    """Handles a command again, in a new unit of work, when another writer was first.

    The handler runs once for each attempt, so what it does outside of the unit of work happens as often. Nested
    commands are not repeated by themselves: their unit of work is lost, and the outermost command starts again.
    Nothing is repeated after a commit.

    The first delay is ``base_delay`` seconds, each further one is twice as long, at most ``max_delay``; of each delay
    a random part of up to ``jitter`` (0 to 1) is left out, so that those who met do not meet again.
    """

    stage: Final = Stage.AROUND
    priority: Final = 70

    def __init__(
        self,
        max_attempts: int = 3,
        base_delay: float = 0.05,
        max_delay: float = 1.0,
        jitter: float = 0.5,
        retry_on: tuple[type[Exception], ...] = (OptimisticConcurrencyError,),
    ) -> None:
        """``max_attempts`` counts the first one."""
        if max_attempts < 1 or base_delay < 0 or max_delay < base_delay or not 0 <= jitter <= 1:
            raise ConfigurationError(
                "max_attempts is 1 or more, 0 <= base_delay <= max_delay (seconds), and jitter from 0 to 1; "
                f"found {max_attempts}, {base_delay:g}, {max_delay:g} and {jitter:g}."
            )
        self._max_attempts = max_attempts
        self._base_delay = base_delay
        self._max_delay = max_delay
        self._jitter = jitter
        self._retry_on = retry_on

    def describe(self) -> str:
        return f"up to {self._max_attempts} attempts after {', '.join(error.__name__ for error in self._retry_on)}"

    def applies_to(self, message_type: type[Any]) -> bool:
        return issubclass(message_type, Command)

    async def __call__(self, message: Any, next_handler: NextHandler, /) -> Any:
        if enclosing_unit_of_work() is not None:
            return await next_handler(message)
        for attempt in range(1, self._max_attempts):
            try:
                return await next_handler(message)
            except self._retry_on as error:
                if has_committed():
                    raise
                delay = self._delay(attempt)
                self._tell(message, attempt, delay, error)
            await asyncio.sleep(delay)
        return await next_handler(message)

    def _delay(self, attempt: int) -> float:
        delay = min(self._max_delay, self._base_delay * 2.0 ** min(attempt - 1, 60))
        return delay * random.uniform(1 - self._jitter, 1)

    def _tell(self, message: Any, attempt: int, delay: float, error: Exception) -> None:
        name: str = getattr(message, "message_type", type(message).__name__)
        logger.info("%s starts again in %.3f s after attempt %d: %s", name, delay, attempt, error)
        notify(
            f"command.retry.{name}",
            {"message_type": type(message), "attempt": attempt, "delay": delay, "error.type": type(error).__name__},
        )
