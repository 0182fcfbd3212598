"""Tells what happens, line by line, as it happens.

Nothing in the application prints. What is told comes from three places that every application has: an instrumentation
hook, an event sink, and the mailer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

from cqrs_ddd_core import DomainEvent
from cqrs_ddd_core.instrumentation import Attributes
from cqrs_ddd_core.ports import Stage
from orders.domain import OrderConfirmed, OrderLineAdded, OrderPlaced, StockArrived, StockReserved

__all__ = ["Narration", "speaker"]

speaker: ContextVar[str] = ContextVar("speaker", default="")
"""Who is meant, where two speak at the same time."""
_elsewhere: ContextVar[bool] = ContextVar("elsewhere", default=False)
"""What the receiver of a message does is not told in detail."""


class Narration:
    """An instrumentation hook, an event sink and a mailer that print what they are told."""

    stage = Stage.INSIDE

    def __init__(self) -> None:
        self._received: Counter[str] = Counter()

    def chapter(self, title: str) -> None:
        print(f"\n{title}\n{'-' * len(title)}")

    def say(self, text: str) -> None:
        print(text)

    def step(self, what: str, detail: str = "") -> None:
        who = speaker.get()
        print(f"  {f'{who}: ' if who else ''}{what:<15}{detail}".rstrip())

    def tell_received(self, who: str) -> None:
        """What was received since the last call; too much for a line each."""
        counts = ", ".join(f"{count} {message_type}" for message_type, count in self._received.items())
        self.step("receive", f"{who} hears of {counts}")
        self._received.clear()

    # ------------------------------------------------------------------ as an instrumentation hook

    async def __call__(
        self, operation: str, attributes: Attributes, next_handler: Callable[[], Awaitable[Any]], /
    ) -> Any:
        if _elsewhere.get():
            return await next_handler()
        self._begin(operation, attributes)
        token = _elsewhere.set(operation.startswith("consumer."))
        try:
            result = await next_handler()
        finally:
            _elsewhere.reset(token)
        if operation == "uow.commit":
            self.step("commit", "all of it, together")
        return result

    def _begin(self, operation: str, attributes: Attributes) -> None:
        kind = operation.split(".", 2)
        match kind:
            case ["event", "handler", _]:
                when = str(attributes["when"]).replace("_", " ")
                self.step(when, f"{attributes['handler.type']} hears of {attributes['event.type']}")
            case ["uow", "rollback"]:
                self.step("rollback", "nothing of it has happened")
            case ["command", "retry", _]:
                self.step("retry", "somebody else was first: once more, with the order as it is now")
            case ["publisher", "publish_batch"]:
                self.step("publish", f"{attributes['message.count']} messages, from the outbox to the bus")
            case ["consumer", "consume", message_type]:
                self._received[message_type] += 1
            case _:
                pass

    # ------------------------------------------------------------------ as an event sink

    def describe(self) -> str:
        return "tells this story"

    async def write(self, events: Sequence[DomainEvent], /) -> None:
        for event in events:
            self.step("event", f"{event.event_type}: {_told(event)}")

    # ------------------------------------------------------------------ as a mailer

    async def send(self, *, to: str, subject: str) -> None:
        self.step("mail", f"to {to}: {subject}")


def _told(event: DomainEvent) -> str:
    match event:
        case OrderPlaced():
            return f"{event.order_id} for {event.customer}"
        case OrderLineAdded():
            return f"{event.line.quantity} {event.line.product} into {event.order_id}, {event.total} so far"
        case OrderConfirmed():
            return f"{event.order_id}, {event.total}"
        case StockArrived():
            return f"{event.quantity} {event.product}"
        case StockReserved():
            return f"{event.quantity} {event.product} for {event.order_id}, {event.left} left"
        case _:
            return event.event_id
