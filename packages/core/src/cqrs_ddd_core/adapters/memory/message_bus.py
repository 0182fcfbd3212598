"""A message broker within one process: what publisher and consumer meet on."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cqrs_ddd_core.adapters.arguments import as_utc
from cqrs_ddd_core.adapters.stored_json import from_json, to_json
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.primitives.exceptions import InvalidPayloadError

__all__ = ["DeadLetter", "Delivery", "InMemoryMessageBus", "resolve_bus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that no handler could handle."""

    queue_name: str
    envelope: MessageEnvelope
    """As it was delivered for the last time."""
    error: Exception
    """What the handler raised that time."""


@dataclass(eq=False, slots=True)
class _Message:
    topic: str
    envelope: MessageEnvelope
    payload: str
    """As JSON: every delivery gets a payload of its own."""
    number: int
    """The order of publishing."""
    attempt: int = 0
    """How often it has been delivered."""
    lane: object = None
    """Messages of one lane wait for each other: the key, or something unique for a message without one."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Delivery:
    """A message in the hands of a consumer, until ``done``, ``failed`` or ``returned`` is called."""

    queue: _Queue
    message: _Message
    envelope: MessageEnvelope


@dataclass(eq=False, slots=True)
class _Queue:
    """What waits for the consumers of one queue name. Of each lane only the first message can be taken."""

    name: str
    topics: set[str] = field(default_factory=set[str])
    lanes: dict[object, deque[_Message]] = field(default_factory=dict[object, deque[_Message]])
    ready: dict[str, deque[_Message]] = field(default_factory=dict[str, deque[_Message]])
    """Messages that can be taken now, by topic."""

    def add(self, message: _Message) -> None:
        lane = self.lanes.setdefault(message.lane, deque())
        lane.append(message)
        if len(lane) == 1:
            self.offer(message)

    def offer(self, message: _Message) -> None:
        self.ready.setdefault(message.topic, deque()).append(message)

    def take(self, topics: Iterable[str]) -> _Message | None:
        offered = [self.ready[topic] for topic in topics if self.ready.get(topic)]
        if not offered:
            return None
        return min(offered, key=lambda messages: messages[0].number).popleft()

    def settle(self, message: _Message) -> None:
        """Forget a message that was taken, and offer the next of its lane."""
        lane = self.lanes[message.lane]
        lane.popleft()
        if lane:
            self.offer(lane[0])
        else:
            del self.lanes[message.lane]


class InMemoryMessageBus:
    """Topics and queues in memory, with the promises of a broker.

    A queue exists from the first subscription under its name on, and keeps what is published to its topics until a
    handler has handled it, whether consumers run or not. A message to a topic without any queue goes nowhere.
    Delivery is at least once. Within a queue, the messages of one key are handled one after another in the order of
    publishing, also while the first of them fails: the others wait, those of other keys do not. After
    ``max_attempts`` deliveries a message is a dead letter, and its key goes on.
    """

    def __init__(self, *, max_attempts: int = 5, retry_delay: float = 0.01, history: int = 10_000) -> None:
        """``retry_delay`` is in seconds, for the first retry; each further one waits twice as long as the one before.

        ``history`` is how many of the last messages ``published`` keeps, for tests.
        """
        if max_attempts < 1 or retry_delay < 0:
            raise ValueError(
                f"max_attempts is 1 or more and retry_delay 0 or more: found {max_attempts} and {retry_delay}."
            )
        self._max_attempts = max_attempts
        self._retry_delay = retry_delay
        self._queues: dict[str, _Queue] = {}
        self._published: deque[MessageEnvelope] = deque(maxlen=history)
        self._dead: list[DeadLetter] = []
        self._number = 0
        self._listeners: dict[object, Callable[[], None]] = {}
        self._idle: set[asyncio.Future[None]] = set()

    @property
    def published(self) -> tuple[MessageEnvelope, ...]:
        """What was published, oldest first, with its topic."""
        return tuple(self._published)

    @property
    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """What was given up, oldest first."""
        return tuple(self._dead)

    @property
    def pending(self) -> int:
        """How many messages wait in all queues, those included that are being handled."""
        return sum(len(lane) for queue in self._queues.values() for lane in queue.lanes.values())

    async def join(self) -> None:
        """Wait until nothing is pending. Consumers have to run, or it waits for ever."""
        while self.pending:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.add(future)
            try:
                await future
            finally:
                self._idle.discard(future)

    def publish(self, topic: str, envelope: MessageEnvelope) -> MessageEnvelope:
        """Put a message into every queue of the topic. Raises ``InvalidPayloadError`` for what is not JSON."""
        if not topic:
            raise ValueError("A topic is a text that is not empty.")
        payload = to_json(envelope.payload, kind="message", name=envelope.message_type)
        envelope = _as_received(topic, envelope, from_json(payload))
        self._published.append(envelope)
        self._number += 1
        for queue in self._queues.values():
            if topic in queue.topics:
                lane = object() if envelope.key is None else envelope.key
                queue.add(_Message(topic, envelope, payload, self._number, lane=lane))
        self._changed()
        return envelope

    def bind(self, queue_name: str, topic: str) -> None:
        """Let a queue get the messages of a topic from now on; makes the queue if there is none."""
        self._queues.setdefault(queue_name, _Queue(queue_name)).topics.add(topic)

    def listen(self, listener: object, wake: Callable[[], None]) -> None:
        """Call ``wake`` whenever there may be something to take."""
        self._listeners[listener] = wake

    def unlisten(self, listener: object) -> None:
        self._listeners.pop(listener, None)

    def take(self, queue_name: str, topics: Iterable[str]) -> Delivery | None:
        """The oldest message of these topics that can be taken from a queue, if there is one."""
        queue = self._queues[queue_name]
        message = queue.take(topics)
        if message is None:
            return None
        message.attempt += 1
        envelope = replace(message.envelope, payload=from_json(message.payload), attempt=message.attempt)
        return Delivery(queue=queue, message=message, envelope=envelope)

    def done(self, delivery: Delivery) -> None:
        """It was handled."""
        delivery.queue.settle(delivery.message)
        self._changed()

    def failed(self, delivery: Delivery, error: Exception) -> bool:
        """It could not be handled: again later, True; or a dead letter, False."""
        message = delivery.message
        if message.attempt < self._max_attempts:
            # The message waits, not the consumer: it goes on with other keys.
            delay = self._retry_delay * 2 ** (message.attempt - 1)
            asyncio.get_running_loop().call_later(delay, self._offer_again, delivery)
            return True
        self._dead.append(DeadLetter(queue_name=delivery.queue.name, envelope=delivery.envelope, error=error))
        self.done(delivery)
        return False

    def returned(self, delivery: Delivery) -> None:
        """Nobody handled it: the consumer went away. It may have had effects already, so the attempt counts."""
        self._offer_again(delivery)

    def _offer_again(self, delivery: Delivery) -> None:
        delivery.queue.offer(delivery.message)
        self._changed()

    def _changed(self) -> None:
        for wake in list(self._listeners.values()):
            wake()
        if self._idle and not self.pending:
            for future in self._idle:
                if not future.done():
                    future.set_result(None)


def _as_received(topic: str, envelope: MessageEnvelope, payload: dict[str, Any]) -> MessageEnvelope:
    """What comes out at the other end of a wire."""
    headers: Mapping[str, Any] = envelope.headers
    for name, value in headers.items():
        if not isinstance(value, str):
            raise InvalidPayloadError("message", envelope.message_type, f"header {name!r} is not text: {value!r}")
    return replace(
        envelope,
        topic=topic,
        attempt=1,
        payload=payload,
        headers={name.lower(): value for name, value in headers.items()},
        occurred_at=as_utc(envelope.occurred_at, "occurred_at"),
    )


_buses: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, InMemoryMessageBus] = weakref.WeakKeyDictionary()


def resolve_bus(bus: InMemoryMessageBus | None) -> InMemoryMessageBus:
    """The given bus, else the one of the running event loop: every loop, and so every test, starts empty."""
    return _buses.setdefault(asyncio.get_running_loop(), InMemoryMessageBus()) if bus is None else bus
