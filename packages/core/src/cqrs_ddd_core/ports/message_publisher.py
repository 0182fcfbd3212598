"""The way out to other processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.message import MessageEnvelope

__all__ = ["IBatchMessagePublisher", "IMessagePublisher"]


@runtime_checkable
class IMessagePublisher(Protocol):
    """Publishes messages. Messages of one key keep their order; delivery is at least once."""

    async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
        """Publish, and return when the receiving side has taken responsibility for it.

        An event is wrapped: its type, ids and context become the envelope, its aggregate id the key. Raises
        ``InfrastructureError`` when it is not certain that the message was taken; it may have been.
        """
        ...


@runtime_checkable
class IBatchMessagePublisher(Protocol):
    """A publisher that is quicker with many messages at once."""

    async def publish_batch(self, messages: Sequence[tuple[str, MessageEnvelope]], /) -> Sequence[BaseException | None]:
        """Publish pairs of topic and message. One answer for each, in order: None, or why it was not taken.

        After a failure, later messages of the same key are not published but answered with the same failure.
        """
        ...
