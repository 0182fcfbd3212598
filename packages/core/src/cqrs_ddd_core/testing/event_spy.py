"""Watching which events a mediator hands out."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, override

from cqrs_ddd_core.cqrs.event_dispatcher import EventDispatcher
from cqrs_ddd_core.cqrs.handler import EventHandler
from cqrs_ddd_core.cqrs.mediator import Mediator
from cqrs_ddd_core.cqrs.registry import When
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.testing.expectation import ExpectedEvent, assert_events

__all__ = ["EventSpy", "collect_events"]


class EventSpy(EventHandler[DomainEvent]):
    """An event handler that keeps what it gets, in order.

    Register it as any other: ``registry.register_event_handler(OrderConfirmed, spy)``, or for ``DomainEvent`` to see
    all events. ``collect_events`` does that for the length of a block.
    """

    def __init__(self) -> None:
        self.events: list[DomainEvent] = []
        self._arrived = asyncio.Event()
        self._closed = False

    @override
    async def handle(self, event: DomainEvent, /) -> None:
        if not self._closed:
            self.events.append(event)
            self._arrived.set()

    def of[E: DomainEvent](self, event_class: type[E]) -> list[E]:
        """Those of this class and its subclasses, in order."""
        return [event for event in self.events if isinstance(event, event_class)]

    def assert_events(self, *expected: ExpectedEvent) -> None:
        """Check that exactly these came, in this order; see ``assert_events``."""
        __tracebackhide__ = True
        assert_events(self.events, *expected)

    async def wait_for[E: DomainEvent](self, event_class: type[E], *, timeout: float = 10.0) -> E:
        """The first event of this class, when it has come. Raises ``TimeoutError`` after ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not (found := self.of(event_class)):
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            came = ", ".join(event.event_type for event in self.events) or "nothing"
            raise TimeoutError(f"No {event_class.__name__} within {timeout:g} s; what came: {came}.") from None
        return found[0]

    def clear(self) -> None:
        """Forget what came so far."""
        self.events.clear()

    def close(self) -> None:
        """Take no more; what came stays."""
        self._closed = True


@contextmanager
def collect_events(
    source: Mediator | EventDispatcher,
    event_class: type[DomainEvent] = DomainEvent,
    *,
    when: When | Literal["after_commit", "before_commit"] = When.AFTER_COMMIT,
) -> Generator[EventSpy]:
    """Keep the events that are handed out within the block, nested commands' included.

    ::

        with collect_events(mediator) as spy:
            await mediator.send(ConfirmOrder(order_id="order-1"))
        spy.assert_events(OrderConfirmed)
    """
    spy = EventSpy()
    dispatcher = source.dispatcher if isinstance(source, Mediator) else source
    dispatcher.register(event_class, spy, when=when)
    try:
        yield spy
    finally:
        spy.close()
