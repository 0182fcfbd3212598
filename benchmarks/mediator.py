"""What dispatching a command costs, against calling its handler; and what making an event costs.

Prints medians of interleaved rounds as nanoseconds and, what counts, as ratios within this run:

- ``direct``: ``await handler.handle(command)``, a response included
- ``bare``: the same call of a handler that returns a plain value
- ``mediator``: ``Mediator.send`` with an in-memory unit of work and no middleware
- ``mediator, 3 middlewares``: the same with three that only go on
- ``event``: a ``DomainEvent`` with two fields, against a bare frozen pydantic model with the same fields and defaults
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cqrs_ddd_core import (
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    HandlerRegistry,
    InMemoryUnitOfWork,
    Mediator,
    MiddlewareRegistry,
)

ROUNDS, CALLS = 15, 5_000


class Ping(Command[int]):
    """A command that does nothing."""

    value: int


class PingHandler(CommandHandler[int]):
    """Answers with a response."""

    async def handle(self, command: Ping) -> CommandResponse[int]:
        return CommandResponse(result=command.value)


class BareHandler:
    """Answers with the value itself."""

    async def handle(self, command: Ping) -> int:
        return command.value


class Happened(DomainEvent):
    """An event with two fields of its own."""

    order_id: str
    amount: int


class BareHappened(BaseModel):
    """The fields of ``Happened`` and its base, with the defaults of the standard library."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    occurred_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    version: int = 1
    aggregate_id: str | None = None
    aggregate_type: str | None = None
    aggregate_version: int | None = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])
    correlation_id: str | None = None
    causation_id: str | None = None
    order_id: str
    amount: int


def _passing() -> Any:
    async def middleware(message: Any, next_handler: Any) -> Any:
        return await next_handler(message)

    return middleware


def _mediator(middlewares: int) -> Mediator:
    registry = HandlerRegistry()
    registry.register_command_handler(Ping, PingHandler())
    return Mediator(
        registry,
        lambda: InMemoryUnitOfWork(),  # noqa: PLW0108 - as users write it
        middleware_registry=MiddlewareRegistry([_passing() for _ in range(middlewares)]),
    )


async def _time_calls(call: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter_ns()
    for _ in range(CALLS):
        await call()
    return (time.perf_counter_ns() - started) / CALLS


def _time_making(make: Callable[[], Any]) -> float:
    started = time.perf_counter_ns()
    for _ in range(CALLS):
        make()
    return (time.perf_counter_ns() - started) / CALLS


async def main() -> None:
    """Measure and print."""
    command, handler, bare = Ping(value=1), PingHandler(), BareHandler()
    plain, three = _mediator(0), _mediator(3)
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "bare": lambda: bare.handle(command),
        "direct": lambda: handler.handle(command),
        "mediator": lambda: plain.send(command),
        "mediator, 3 middlewares": lambda: three.send(command),
    }
    makers: dict[str, Callable[[], Any]] = {
        "bare model": lambda: BareHappened(order_id="order-1", amount=3),
        "event": lambda: Happened(order_id="order-1", amount=3),
    }
    results: dict[str, list[float]] = {name: [] for name in [*calls, *makers]}
    gc.disable()
    for _ in range(ROUNDS):  # interleaved, so that whatever else the machine does hits all alike
        for name, call in calls.items():
            results[name].append(await _time_calls(call))
        for name, make in makers.items():
            results[name].append(_time_making(make))
        gc.collect()
    gc.enable()

    medians = {name: statistics.median(values) for name, values in results.items()}
    print(f"{'':26}{'ns':>8}{'x direct':>10}{'x bare':>9}{'target':>14}")
    for name, target in (
        ("bare", ""),
        ("direct", ""),
        ("mediator", "10 x direct"),
        ("mediator, 3 middlewares", "20 x direct"),
    ):
        value = medians[name]
        print(f"{name:26}{value:8.0f}{value / medians['direct']:10.1f}{value / medians['bare']:9.1f}{target:>14}")
    print()
    print(f"{'':26}{'ns':>8}{'x bare model':>14}{'target':>14}")
    for name, target in (("bare model", ""), ("event", "2 x")):
        print(f"{name:26}{medians[name]:8.0f}{medians[name] / medians['bare model']:14.2f}{target:>14}")


if __name__ == "__main__":
    asyncio.run(main())
