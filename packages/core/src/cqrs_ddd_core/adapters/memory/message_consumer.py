"""Consuming what is published in the same process."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
from collections.abc import Iterator
from typing import Any

from cqrs_ddd_core.adapters.memory.message_bus import Delivery, InMemoryMessageBus, resolve_bus
from cqrs_ddd_core.ports.message_consumer import IMessageConsumer, MessageHandler
from cqrs_ddd_core.primitives.exceptions import ConfigurationError
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["InMemoryMessageConsumer"]

logger = logging.getLogger(__name__)


class InMemoryMessageConsumer(IMessageConsumer):
    """Delivers from an ``InMemoryMessageBus``; without one from that of the running event loop.

    Up to ``max_concurrent`` handlers run at once, never two for messages of one key and queue. Without a queue name a
    consumer has a queue of its own, which nobody shares. Handlers run in an empty context, as if the message had come
    from another process: no tenant, no correlation and no unit of work is left over from whoever started the consumer.
    """

    def __init__(self, bus: InMemoryMessageBus | None = None, *, max_concurrent: int = 10) -> None:
        if max_concurrent < 1:
            raise ValueError(f"max_concurrent is 1 or more, found {max_concurrent}.")
        self._bus = bus
        self._max_concurrent = max_concurrent
        self._own_queue = f"consumer-{new_id()}"
        self._handlers: dict[str, dict[str, MessageHandler]] = {}
        """By queue name and topic."""
        self._pump: asyncio.Task[None] | None = None
        self._wakeup = asyncio.Event()
        self._stopping = False

    @property
    def bus(self) -> InMemoryMessageBus:
        """Where its messages come from."""
        return resolve_bus(self._bus)

    async def subscribe(
        self, topic: str, handler: MessageHandler, *, queue_name: str | None = None, **options: Any
    ) -> None:
        if options:
            raise TypeError(f"The in-memory consumer has no options of its own, found {', '.join(sorted(options))}.")
        queue_name = self._own_queue if queue_name is None else queue_name
        handlers = self._handlers.setdefault(queue_name, {})
        if topic in handlers:
            raise ConfigurationError(
                f"This consumer has a handler for topic {topic!r} on queue {queue_name!r} already, and each message "
                "goes to one handler of a queue. Give the other one another queue_name."
            )
        self.bus.bind(queue_name, topic)
        handlers[topic] = handler
        self._wakeup.set()

    async def start(self) -> None:
        pump = self._pump
        if pump is not None and not pump.done():
            if not self._stopping:
                return
            await asyncio.wait((pump,))
        bus = self.bus
        for queue_name, handlers in self._handlers.items():
            for topic in handlers:
                bus.bind(queue_name, topic)  # subscribed in another event loop, on its bus
        self._stopping = False
        self._wakeup = asyncio.Event()
        self._pump = asyncio.get_running_loop().create_task(
            self._run(bus), name=f"consume {self._own_queue}", context=contextvars.Context()
        )

    async def stop(self) -> None:
        pump = self._pump
        if pump is None:
            return
        self._stopping = True
        self._wakeup.set()
        try:
            await asyncio.wait((pump,))
        except asyncio.CancelledError:
            # Whoever waits has lost patience: the handlers are cancelled, and their messages go back.
            pump.cancel()
            await asyncio.wait((pump,))
            raise
        if self._pump is pump:
            self._pump = None
        if not pump.cancelled():
            pump.result()

    async def _run(self, bus: InMemoryMessageBus) -> None:
        running: set[Delivery] = set()
        bus.listen(self, self._wakeup.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                while not self._stopping:
                    self._wakeup.clear()
                    for delivery, handler in self._deliveries(bus, running):
                        running.add(delivery)
                        task = tasks.create_task(
                            _deliver(bus, delivery, handler),
                            name=f"handle {delivery.envelope.message_type}",
                            context=contextvars.Context(),
                        )
                        task.add_done_callback(functools.partial(self._finished, bus, delivery, running))
                    await self._wakeup.wait()
        finally:
            bus.unlisten(self)

    def _deliveries(self, bus: InMemoryMessageBus, running: set[Delivery]) -> Iterator[tuple[Delivery, MessageHandler]]:
        """What can be taken now, a message of each queue in turn, while there is room."""
        queues = list(self._handlers)
        while queues:
            for queue_name in list(queues):
                if len(running) >= self._max_concurrent:
                    return
                handlers = self._handlers[queue_name]
                delivery = bus.take(queue_name, handlers)
                if delivery is None:
                    queues.remove(queue_name)
                else:
                    yield delivery, handlers[delivery.message.topic]

    def _finished(
        self, bus: InMemoryMessageBus, delivery: Delivery, running: set[Delivery], task: asyncio.Task[None]
    ) -> None:
        running.discard(delivery)
        # Here and not in the task: one that is cancelled before it has begun runs no line of its own.
        if task.cancelled():
            bus.returned(delivery)
        self._wakeup.set()


async def _deliver(bus: InMemoryMessageBus, delivery: Delivery, handler: MessageHandler) -> None:
    try:
        await handler(delivery.envelope)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Nobody cancelled this task: the handler awaited something that was cancelled. That is its failure.
        _failed(bus, delivery, RuntimeError(f"The handler ended with {error!r}."), error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the message was not handled
        _failed(bus, delivery, error, error)
    else:
        bus.done(delivery)


def _failed(bus: InMemoryMessageBus, delivery: Delivery, error: Exception, cause: BaseException) -> None:
    envelope = delivery.envelope
    again = bus.failed(delivery, error)
    logger.log(
        logging.WARNING if again else logging.ERROR,
        "Handling %s %s from %s failed at attempt %d: %s",
        envelope.message_type,
        envelope.message_id,
        envelope.topic,
        envelope.attempt,
        "it comes again" if again else "it is a dead letter now",
        exc_info=cause,
    )
