"""What stands around the handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable

__all__ = ["IMiddleware", "NextHandler", "Stage"]

type NextHandler = Callable[[Any], Awaitable[Any]]
"""Goes on with the message that it is given, and gives the response."""


class Stage(IntEnum):
    """Where in the way of a message a middleware stands. Stages are the outer order, priorities the inner one."""

    AROUND = 0
    """Outside of the transaction: it sees the outcome of the commit. The default."""
    INSIDE = 1
    """Inside the transaction: what it writes is committed with the handler's changes, or not at all."""


@runtime_checkable
class IMiddleware(Protocol):
    """Wraps the handling of a message.

    Optional attributes: ``stage`` (default ``Stage.AROUND``), ``priority`` (default 100; lower is outer) and the
    method ``applies_to(message_type) -> bool``, asked once for each message type when its chain is built.
    """

    async def __call__(self, message: Any, next_handler: NextHandler, /) -> Any:
        """Await ``next_handler(message)``, usually once, and return its response."""
        ...
