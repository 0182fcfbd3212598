"""One line for each message."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from cqrs_ddd_core.context import current_context
from cqrs_ddd_core.middleware.nesting import enclosing_unit_of_work
from cqrs_ddd_core.ports.middleware import NextHandler, Stage
from cqrs_ddd_core.primitives.exceptions import ConcurrencyError, DomainError, ValidationError

__all__ = ["LoggingMiddleware"]


class LoggingMiddleware:
    """Logs one line for each message when it is done, never its content.

    | outcome | when | level |
    | --- | --- | --- |
    | ``succeeded`` | | INFO |
    | ``refused`` | a business rule or a validator said no | WARNING |
    | ``conflict`` | somebody else was there at the same time | WARNING |
    | ``failed`` | anything else, with the traceback | ERROR |
    | ``cancelled`` | the task was cancelled | INFO |

    A failure is logged once, at the outermost message that it ends; messages nested in it have their line at INFO.

    Fields (``extra``): ``message_type``, ``message_id``, ``correlation_id``, ``tenant_id``, ``duration_ms``,
    ``outcome``, ``nested``, ``error_type`` (None after a success).
    """

    stage: Final = Stage.AROUND
    priority: Final = 20

    def __init__(self, logger: logging.Logger | None = None) -> None:
        """``logger`` defaults to that of this module."""
        self._logger = logging.getLogger(__name__) if logger is None else logger

    def describe(self) -> str:
        return f"one line for each message, to logger {self._logger.name}"

    async def __call__(self, message: Any, next_handler: NextHandler, /) -> Any:
        began = time.perf_counter()
        try:
            response = await next_handler(message)
        except BaseException as error:
            self._log(message, began, error)
            raise
        self._log(message, began, None)
        return response

    def _log(self, message: Any, began: float, error: BaseException | None) -> None:
        duration_ms = (time.perf_counter() - began) * 1000
        outcome, level = _judged(error)
        nested = enclosing_unit_of_work() is not None
        if nested:
            level = logging.INFO
        if not self._logger.isEnabledFor(level):
            return
        message_type: str = getattr(message, "message_type", type(message).__name__)
        context = current_context()
        self._logger.log(
            level,
            "%s %s in %.1f ms%s",
            message_type,
            outcome,
            duration_ms,
            # What a rule says is meant for people; an unexpected error tells its story in the traceback.
            f": {type(error).__name__}: {error}" if outcome in {"refused", "conflict"} else "",
            exc_info=error if level == logging.ERROR else None,
            extra={
                "message_type": message_type,
                "message_id": getattr(message, "message_id", None),
                "correlation_id": context.correlation_id,
                "tenant_id": context.tenant_id,
                "duration_ms": duration_ms,
                "outcome": outcome,
                "nested": nested,
                "error_type": None if error is None else type(error).__name__,
            },
        )


def _judged(error: BaseException | None) -> tuple[str, int]:
    if error is None:
        return "succeeded", logging.INFO
    if isinstance(error, DomainError | ValidationError):
        return "refused", logging.WARNING
    if isinstance(error, ConcurrencyError):
        return "conflict", logging.WARNING
    if isinstance(error, asyncio.CancelledError):
        return "cancelled", logging.INFO
    return "failed", logging.ERROR
