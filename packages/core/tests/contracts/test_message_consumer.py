"""The in-memory consumer keeps what the port promises."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryMessageBus, InMemoryMessageConsumer, InMemoryMessagePublisher
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_consumer import IMessageConsumer
from cqrs_ddd_core.testing.contracts.message_consumer import MessageConsumerContract


class TestInMemoryMessageConsumer(MessageConsumerContract):
    quiet = timedelta(milliseconds=50)
    patience = timedelta(milliseconds=20)
    max_attempts = 3
    bus: InMemoryMessageBus

    @pytest.fixture(autouse=True)
    def open_bus(self) -> None:
        self.bus = InMemoryMessageBus(max_attempts=3, retry_delay=0.001)

    @pytest.fixture
    def message_publisher(self) -> InMemoryMessagePublisher:
        return InMemoryMessagePublisher(self.bus)

    @pytest.fixture
    def new_consumer(self) -> Callable[[], IMessageConsumer]:
        return lambda: InMemoryMessageConsumer(self.bus)

    async def dead_letters(self, queue_name: str) -> Sequence[MessageEnvelope]:
        return [letter.envelope for letter in self.bus.dead_letters if letter.queue_name == queue_name]
