"""The way in from other processes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.ports.message import MessageEnvelope

__all__ = ["IMessageConsumer", "MessageHandler"]

type MessageHandler = Callable[[MessageEnvelope], Awaitable[None]]
"""Returning acknowledges the message. Raising does not: it comes again later, and in the end to the dead letters."""


@runtime_checkable
class IMessageConsumer(Protocol):
    """Delivers messages to handlers. One key is delivered in order; a message may come more than once."""

    async def subscribe(
        self, topic: str, handler: MessageHandler, *, queue_name: str | None = None, **options: Any
    ) -> None:
        """Let ``handler`` get the messages of a topic. Consumers with one ``queue_name`` share them.

        Without a queue name the consumer's own default is used. ``options`` are the transport's own.
        """
        ...

    async def start(self) -> None:
        """Begin to deliver. Does nothing when started already."""
        ...

    async def stop(self) -> None:
        """Let the handlers that run finish, then stop. Does nothing when stopped already."""
        ...
