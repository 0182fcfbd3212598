"""A publisher that keeps what it is given."""

from __future__ import annotations

from dataclasses import dataclass

from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.message import MessageEnvelope

__all__ = ["PublishedMessage", "RecordingPublisher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedMessage:
    """One message and where it went."""

    topic: str
    envelope: MessageEnvelope


class RecordingPublisher:
    """An ``IMessagePublisher`` for tests: it delivers to nobody.

    ``fail_with`` is raised by the next calls instead, until it is None again: a broker that is down.
    """

    def __init__(self, *, fail_with: Exception | None = None) -> None:
        self.messages: list[PublishedMessage] = []
        self.fail_with = fail_with

    async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
        if self.fail_with is not None:
            raise self.fail_with
        envelope = EventSerializer().to_envelope(message) if isinstance(message, DomainEvent) else message
        self.messages.append(PublishedMessage(topic=topic, envelope=envelope))

    @property
    def topics(self) -> list[str]:
        """Where the messages went, in order."""
        return [message.topic for message in self.messages]

    def to(self, topic: str) -> list[MessageEnvelope]:
        """The messages of one topic, in order."""
        return [message.envelope for message in self.messages if message.topic == topic]

    def clear(self) -> None:
        """Forget what was published so far."""
        self.messages.clear()
