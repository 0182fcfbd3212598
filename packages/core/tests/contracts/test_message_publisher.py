"""The in-memory publisher keeps what the port promises."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryMessageBus, InMemoryMessageConsumer, InMemoryMessagePublisher
from cqrs_ddd_core.ports.message_consumer import IMessageConsumer
from cqrs_ddd_core.testing.contracts.message_publisher import MessagePublisherContract


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
