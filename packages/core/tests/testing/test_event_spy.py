import asyncio

import pytest

from cqrs_ddd_core import DomainEvent, EventDispatcher, HandlerRegistry, InMemoryUnitOfWork, Mediator
from cqrs_ddd_core.cqrs import Command, CommandHandler, CommandResponse
from cqrs_ddd_core.testing import EventSpy, collect_events


class BellRang(DomainEvent):
    times: int = 1


class DoorbellRang(BellRang): ...


class LightWentOn(DomainEvent): ...


class Ring(Command[None]): ...


class RingHandler(CommandHandler[None]):
    async def handle(self, command: Ring, /) -> CommandResponse[None]:
        return CommandResponse(result=None, events=[DoorbellRang(), LightWentOn()])


def a_mediator() -> Mediator:
    registry = HandlerRegistry()
    registry.register_command_handler(Ring, RingHandler())
    return Mediator(registry, InMemoryUnitOfWork)


async def test_the_events_of_a_block_are_collected() -> None:
    mediator = a_mediator()
    await mediator.send(Ring())
    with collect_events(mediator) as spy:
        await mediator.send(Ring())
    await mediator.send(Ring())
    spy.assert_events(DoorbellRang(times=1), LightWentOn)
    assert spy.of(BellRang) == [spy.events[0]]
    with pytest.raises(AssertionError, match="1 expected, 2 found"):
        spy.assert_events(BellRang)


async def test_only_events_of_a_class_are_collected() -> None:
    mediator = a_mediator()
    with collect_events(mediator, BellRang, when="before_commit") as spy:
        await mediator.send(Ring())
    spy.assert_events(DoorbellRang)


async def test_a_dispatcher_can_be_watched_by_itself() -> None:
    dispatcher = EventDispatcher()
    with collect_events(dispatcher) as spy:
        await dispatcher.dispatch([LightWentOn()])
    spy.assert_events(LightWentOn)


async def test_a_spy_is_an_event_handler_like_any_other() -> None:
    spy = EventSpy()
    registry = HandlerRegistry()
    registry.register_command_handler(Ring, RingHandler())
    registry.register_event_handler(LightWentOn, spy)
    await Mediator(registry, InMemoryUnitOfWork).send(Ring())
    spy.assert_events(LightWentOn)
    spy.clear()
    assert spy.events == []


async def test_an_event_can_be_waited_for() -> None:
    spy = EventSpy()
    waiting = asyncio.create_task(spy.wait_for(LightWentOn))
    await spy.handle(BellRang())
    await asyncio.sleep(0)
    assert not waiting.done()
    await spy.handle(LightWentOn())
    assert (await waiting) is spy.events[1]
    assert (await spy.wait_for(BellRang)) is spy.events[0]


async def test_waiting_in_vain_says_what_came_instead() -> None:
    spy = EventSpy()
    await spy.handle(BellRang())
    with pytest.raises(TimeoutError, match=r"No LightWentOn within 0\.01 s; what came: BellRang"):
        await spy.wait_for(LightWentOn, timeout=0.01)
