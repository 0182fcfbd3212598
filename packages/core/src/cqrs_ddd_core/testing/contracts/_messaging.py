"""What the suites of publishers and of consumers have in common: somebody sends, and somebody listens."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any, ClassVar, Final

import pytest

from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_consumer import IMessageConsumer
from cqrs_ddd_core.ports.message_publisher import IMessagePublisher
from cqrs_ddd_core.primitives.id_generator import new_id
from cqrs_ddd_core.testing.adapter_contract import AdapterContract

__all__ = ["LIMIT", "Listener", "MessagingSuite", "a_message", "ids"]

LIMIT: Final = 30.0
"""Seconds. Far more than anything here takes; a test that waits longer hangs."""


class Listener:
    """A handler that keeps what it gets, and does with it what it is told."""

    def __init__(self, react: Callable[[MessageEnvelope], Awaitable[None]] | None = None) -> None:
        self.started: list[MessageEnvelope] = []
        """Every delivery, as it came."""
        self.handled: list[MessageEnvelope] = []
        """Those that it has acknowledged."""
        self._react = react
        self._changed = asyncio.Event()

    async def __call__(self, message: MessageEnvelope) -> None:
        self.started.append(message)
        self._changed.set()
        if self._react is not None:
            await self._react(message)
        self.handled.append(message)
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds, which is asked whenever something has come or is done."""
        async with asyncio.timeout(LIMIT):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_handled(self, count: int) -> None:
        await self.until(lambda: len(self.handled) >= count)


class MessagingSuite(AdapterContract):
    """Fixtures for a publisher and consumers of one broker."""

    quiet: ClassVar[timedelta] = timedelta(milliseconds=500)
    """When nothing has come for so long, nothing comes."""

    @pytest.fixture
    @abstractmethod
    def message_publisher(self) -> IMessagePublisher:
        """A publisher that is ready to publish."""
        raise NotImplementedError("give the fixture message_publisher")

    @pytest.fixture
    @abstractmethod
    def new_consumer(self) -> Callable[[], IMessageConsumer]:
        """Makes consumers of what ``message_publisher`` publishes, each as another process would have one."""
        raise NotImplementedError("give the fixture new_consumer")

    @pytest.fixture
    async def open_consumer(
        self, new_consumer: Callable[[], IMessageConsumer]
    ) -> AsyncGenerator[Callable[[], IMessageConsumer]]:
        """The same, and they are stopped at the end of the test."""
        opened: list[IMessageConsumer] = []

        def open_one() -> IMessageConsumer:
            opened.append(new_consumer())
            return opened[-1]

        yield open_one
        for consumer in opened:
            async with asyncio.timeout(LIMIT):
                await consumer.stop()

    @pytest.fixture
    def topic(self) -> str:
        return f"topic-{new_id()}"

    @pytest.fixture
    def queue_name(self) -> str:
        return f"queue-{new_id()}"

    async def stay_quiet(self) -> None:
        """Let everything come that could still come."""
        await asyncio.sleep(self.quiet.total_seconds())


def a_message(message_id: str | None = None, **fields: Any) -> MessageEnvelope:
    """A message. Ids are unique, also between tests, unless they are given."""
    given: dict[str, Any] = {"message_type": "OrderPlaced", "payload": {"total": "1.00"}}
    return MessageEnvelope(message_id=message_id or new_id(), **{**given, **fields})


def ids(messages: Iterable[MessageEnvelope]) -> list[str]:
    """The ids of messages."""
    return [message.message_id for message in messages]
