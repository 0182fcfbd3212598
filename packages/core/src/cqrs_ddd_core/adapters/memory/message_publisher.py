"""Publishing to consumers of the same process."""

from __future__ import annotations

from collections.abc import Sequence

from cqrs_ddd_core.adapters.memory.message_bus import InMemoryMessageBus, resolve_bus
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_publisher import IBatchMessagePublisher, IMessagePublisher
from cqrs_ddd_core.primitives.exceptions import close_matches

__all__ = ["InMemoryMessagePublisher"]


class InMemoryMessagePublisher(IMessagePublisher, IBatchMessagePublisher):
    """Publishes on an ``InMemoryMessageBus``; without one on that of the running event loop."""

    def __init__(self, bus: InMemoryMessageBus | None = None, *, serializer: EventSerializer | None = None) -> None:
        """``serializer`` turns events into messages."""
        self._bus = bus
        self._serializer = EventSerializer() if serializer is None else serializer

    @property
    def bus(self) -> InMemoryMessageBus:
        """Where it publishes now."""
        return resolve_bus(self._bus)

    @property
    def published(self) -> tuple[MessageEnvelope, ...]:
        """What was published on its bus, oldest first."""
        return self.bus.published

    async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
        envelope = self._serializer.to_envelope(message) if isinstance(message, DomainEvent) else message
        self.bus.publish(topic, envelope)

    async def publish_batch(self, messages: Sequence[tuple[str, MessageEnvelope]], /) -> Sequence[BaseException | None]:
        answers: list[BaseException | None] = []
        failures: dict[str, BaseException] = {}
        for topic, envelope in messages:
            failure = None if envelope.key is None else failures.get(envelope.key)
            if failure is None:
                try:
                    await self.publish(topic, envelope)
                except Exception as error:  # noqa: BLE001 - it is the answer for this message
                    failure = error
                    if envelope.key is not None:
                        failures[envelope.key] = error
            answers.append(failure)
        return answers

    def assert_published(
        self, message_type: str | type[DomainEvent], count: int = 1, *, topic: str | None = None
    ) -> tuple[MessageEnvelope, ...]:
        """Check that exactly ``count`` messages of this type were published (to ``topic``), and return them."""
        wanted = message_type if isinstance(message_type, str) else message_type.event_type
        published = self.published
        found = tuple(
            envelope
            for envelope in published
            if envelope.message_type == wanted and (topic is None or envelope.topic == topic)
        )
        if len(found) == count:
            return found
        where = "" if topic is None else f" to {topic!r}"
        hint = close_matches(wanted, {f"{envelope.message_type}" for envelope in published}) if not found else ""
        raise AssertionError(f"Expected {count} of {wanted!r}{where}, found {len(found)}.{hint}")
