"""Which middlewares stand around the handlers, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cqrs_ddd_core import Command, DomainEvent, MiddlewareRegistry
from cqrs_ddd_core.adapters.memory import (
    InMemoryEventStore,
    InMemoryIdempotencyStore,
    InMemoryLockStrategy,
    InMemoryOutboxStorage,
)
from cqrs_ddd_core.middleware import (
    ConcurrencyGuardMiddleware,
    EventStorePersistenceMiddleware,
    IdempotencyMiddleware,
    LoggingMiddleware,
    OutboxMiddleware,
    RetryMiddleware,
    TimeoutMiddleware,
    ValidatorMiddleware,
)
from cqrs_ddd_core.ports.middleware import IEventSink, IMiddleware, NextHandler, Stage
from cqrs_ddd_core.primitives.exceptions import PipelineError


class Ping(Command[str]):
    pass


async def ping(command: Any) -> str:
    return "pong"


class Passing:
    async def __call__(self, message: Any, next_handler: NextHandler, /) -> Any:
        return await next_handler(message)


class Inner(Passing):
    stage = Stage.INSIDE


class Sink:
    def __init__(self) -> None:
        self.events: list[DomainEvent] = []

    async def write(self, events: Sequence[DomainEvent], /) -> None:
        self.events.extend(events)


class WithCompanions(Passing):
    priority = 15

    def __init__(self) -> None:
        self.inner, self.sink = Inner(), Sink()
        self.companions = (self.inner, self.sink)


def names(registry: MiddlewareRegistry) -> list[str]:
    return [part.name for part in registry.get_ordered_middlewares()]


def all_middlewares() -> list[Any]:
    return [
        OutboxMiddleware(InMemoryOutboxStorage()),
        EventStorePersistenceMiddleware(InMemoryEventStore()),
        RetryMiddleware(),
        TimeoutMiddleware(5),
        ConcurrencyGuardMiddleware(InMemoryLockStrategy()),
        IdempotencyMiddleware(InMemoryIdempotencyStore()),
        ValidatorMiddleware(),
        LoggingMiddleware(),
    ]


def test_the_middlewares_of_the_toolkit_know_their_places_whatever_the_order_in_the_list() -> None:
    expected = [
        "LoggingMiddleware",
        "ValidatorMiddleware",
        "IdempotencyMiddleware",
        "ConcurrencyGuardMiddleware",
        "TimeoutMiddleware",
        "RetryMiddleware",
        "_AnswerRecorder",
        "EventStorePersistenceMiddleware",
        "OutboxMiddleware",
    ]
    assert names(MiddlewareRegistry(all_middlewares())) == expected
    assert names(MiddlewareRegistry(reversed(all_middlewares()))) == expected


def test_they_are_middlewares_or_event_sinks() -> None:
    for middleware in all_middlewares():
        assert isinstance(middleware, IMiddleware | IEventSink)


def test_every_middleware_of_the_toolkit_says_what_it_does() -> None:
    for part in MiddlewareRegistry(all_middlewares()).get_ordered_middlewares():
        assert part.description, part.name


def test_explaining_a_message_names_the_whole_chain(mediate: Any) -> None:
    text = str(mediate({Ping: ping}, *all_middlewares()).explain(Ping))
    places = [text.index(part.name) for part in MiddlewareRegistry(all_middlewares()).get_ordered_middlewares()]
    assert places == sorted(places)
    assert text.index("RetryMiddleware") < text.index("unit of work") < text.index("_AnswerRecorder")


def test_a_priority_may_be_given(mediate: Any) -> None:
    registry = MiddlewareRegistry()
    registry.register(LoggingMiddleware(), priority=65)
    registry.register(TimeoutMiddleware(5))
    registry.register(RetryMiddleware())
    assert names(registry) == ["TimeoutMiddleware", "LoggingMiddleware", "RetryMiddleware"]


def test_companions_are_registered_with_their_middleware() -> None:
    middleware = WithCompanions()
    registry = MiddlewareRegistry([middleware])
    assert [(part.middleware, part.stage, part.priority) for part in registry.get_ordered_middlewares()] == [
        (middleware, Stage.AROUND, 15),
        (middleware.inner, Stage.INSIDE, 100),
        (middleware.sink, Stage.INSIDE, 100),
    ]


def test_companions_keep_their_places_when_their_middleware_is_given_another_one() -> None:
    registry = MiddlewareRegistry()
    registry.register(WithCompanions(), priority=7)
    assert [part.priority for part in registry.get_ordered_middlewares()] == [7, 100, 100]


def test_a_middleware_whose_companion_is_refused_is_not_registered_by_halves() -> None:
    middleware = WithCompanions()
    registry = MiddlewareRegistry([middleware.sink])
    with pytest.raises(PipelineError, match="registered already"):
        registry.register(middleware)
    assert names(registry) == ["Sink"]


def test_a_class_can_be_registered_by_decorating_it() -> None:
    registry = MiddlewareRegistry()

    @registry.add
    class Plain(Passing):
        pass

    @registry.add(priority=5, stage=Stage.INSIDE)
    class Placed(Passing):
        pass

    assert [(part.name, part.stage, part.priority) for part in registry.get_ordered_middlewares()] == [
        ("Plain", Stage.AROUND, 100),
        ("Placed", Stage.INSIDE, 5),
    ]
    assert isinstance(Plain(), Passing)


@pytest.mark.parametrize("stage", [Stage.AROUND, Stage.INSIDE])
def test_a_middleware_is_refused_at_a_place_where_it_cannot_keep_its_promise(stage: Stage) -> None:
    for middleware in all_middlewares():
        own = Stage.INSIDE if hasattr(middleware, "write") else Stage.AROUND
        registry = MiddlewareRegistry()
        if own is stage:
            registry.register(middleware, stage=stage)
            continue
        with pytest.raises(PipelineError, match=f"{type(middleware).__name__} belongs into stage {own.name}"):
            registry.register(middleware, stage=stage)


@pytest.mark.parametrize("thing", ["logging", None, object()])
def test_what_is_no_middleware_is_refused(thing: Any) -> None:
    with pytest.raises(PipelineError, match="neither"):
        MiddlewareRegistry([thing])


async def test_the_whole_chain_handles_a_command(mediate: Any, store: Any) -> None:
    middlewares = [
        OutboxMiddleware(InMemoryOutboxStorage(store)),
        EventStorePersistenceMiddleware(InMemoryEventStore(store)),
        RetryMiddleware(),
        TimeoutMiddleware(5),
        ConcurrencyGuardMiddleware(InMemoryLockStrategy(store)),
        IdempotencyMiddleware(InMemoryIdempotencyStore(store)),
        ValidatorMiddleware(),
        LoggingMiddleware(),
    ]
    response = await mediate({Ping: ping}, *middlewares).send(Ping())
    assert response.result == "pong"
