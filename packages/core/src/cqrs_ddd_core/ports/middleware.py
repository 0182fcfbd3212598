"""What stands around the handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.domain.event import DomainEvent

__all__ = ["IEventSink", "IMiddleware", "NextHandler", "Stage"]

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

    Optional attributes: ``stage`` (default ``Stage.AROUND``), ``priority`` (default 100; lower is outer),
    ``companions`` (middlewares and sinks that are registered with it: its part in another stage), and the methods
    ``applies_to(message_type) -> bool``, asked once for each message type when its chain is built, and
    ``describe() -> str``, for ``Mediator.explain``.
    """

    async def __call__(self, message: Any, next_handler: NextHandler, /) -> Any:
        """Await ``next_handler(message)``, usually once, and return its response."""
        ...


@runtime_checkable
class IEventSink(Protocol):
    """Takes the events of commands, inside the transaction: an event store, an outbox, an audit log.

    It is registered like a middleware (stage INSIDE) and has the same optional attributes, but it wraps nothing: it
    gets every event of the transaction exactly once, complete, and in the order in which they came about, also when
    a handler sends nested commands in between. The events of a nested command that fails are undone with it.
    """

    async def write(self, events: Sequence[DomainEvent], /) -> None:
        """Write these events as part of the open unit of work. A failure fails the command."""
        ...
