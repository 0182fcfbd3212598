"""The in-memory publisher keeps what the port promises."""

from collections.abc import Callable
from datetime import timedelta
from typing import override

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryMessageBus, InMemoryMessageConsumer, InMemoryMessagePublisher
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_consumer import IMessageConsumer
from cqrs_ddd_core.primitives.exceptions import InfrastructureError
from cqrs_ddd_core.testing.contracts.message_publisher import MessagePublisherContract, UnreachablePublisherContract


class TestInMemoryMessagePublisher(MessagePublisherContract):
    quiet = timedelta(milliseconds=20)

    @pytest.fixture
    def bus(self) -> InMemoryMessageBus:
        return InMemoryMessageBus()

    @pytest.fixture
    def message_publisher(self, bus: InMemoryMessageBus) -> InMemoryMessagePublisher:
        return InMemoryMessagePublisher(bus)

    @pytest.fixture
    def new_consumer(self, bus: InMemoryMessageBus) -> Callable[[], IMessageConsumer]:
        return lambda: InMemoryMessageConsumer(bus)


class PublisherOfABrokerThatIsGone(InMemoryMessagePublisher):
    """In memory nothing can be gone; this shows what the suite for brokers asks."""

    @override
    async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
        raise InfrastructureError("the broker is gone")


class TestPublisherOfABrokerThatIsGone(UnreachablePublisherContract):
    @pytest.fixture
    def message_publisher(self) -> PublisherOfABrokerThatIsGone:
        return PublisherOfABrokerThatIsGone()
