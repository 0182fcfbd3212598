"""Deciders: two pure functions that are an aggregate to the rest of the toolkit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from cqrs_ddd_advanced_core.event_sourcing import Decider, EventSourcedMediator
from cqrs_ddd_advanced_core.snapshots import EveryNEventsStrategy
from cqrs_ddd_core import Command, DomainEvent, HandlerRegistry, InMemoryStore
from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemorySnapshotStore
from cqrs_ddd_core.primitives.exceptions import InvariantViolationError, OptimisticConcurrencyError


class BasketFilled(DomainEvent):
    fruit: str


class BasketSold(DomainEvent):
    pass


class FillBasket(Command[int]):
    basket_id: str
    fruit: str
    times: int = 1


class SellBasket(Command[int]):
    basket_id: str


@dataclass(frozen=True)
class BasketState:
    fruits: tuple[str, ...] = ()
    sold: bool = False


def decide(command: FillBasket | SellBasket, state: BasketState) -> Iterator[DomainEvent]:
    if isinstance(command, SellBasket):
        if not state.fruits:
            raise ValueError("It is empty.")
        yield BasketSold()
    else:
        for _ in range(command.times):
            yield BasketFilled(fruit=command.fruit)


def evolve(state: BasketState, event: BasketFilled | BasketSold) -> BasketState:
    if isinstance(event, BasketFilled):
        return replace(state, fruits=(*state.fruits, event.fruit))
    return replace(state, sold=True)


basket = Decider(
    name="Basket", initial=BasketState(), decide=decide, evolve=evolve, is_terminal=lambda state: state.sold
)


@pytest.fixture
def database() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def event_store(database: InMemoryStore) -> InMemoryEventStore:
    return InMemoryEventStore(database)


@pytest.fixture
def snapshot_store(database: InMemoryStore) -> InMemorySnapshotStore:
    return InMemorySnapshotStore(database)


@pytest.fixture
def mediator(event_store: InMemoryEventStore, snapshot_store: InMemorySnapshotStore) -> EventSourcedMediator:
    registry = HandlerRegistry()
    registry.register_command_handler(FillBasket, basket.handler(lambda command: command.basket_id))
    registry.register_command_handler(SellBasket, basket.handler(lambda command: command.basket_id))
    return EventSourcedMediator(registry, event_store, snapshot_store, EveryNEventsStrategy(2), verify=True)


def test_it_needs_nothing_but_itself() -> None:
    fill = FillBasket(basket_id="b", fruit="fig")
    events = basket.run(BasketState(), fill)
    assert [event.event_type for event in events] == ["BasketFilled"]
    assert basket.fold(events) == BasketState(("fig",))
    assert basket.fold([BasketSold()], BasketState(("fig",))) == BasketState(("fig",), sold=True)


async def test_its_commands_are_handled_as_events(
    mediator: EventSourcedMediator, event_store: InMemoryEventStore
) -> None:
    assert (await mediator.send(FillBasket(basket_id="b", fruit="fig"))).result == 1
    response = await mediator.send(SellBasket(basket_id="b"))
    assert (response.result, [event.event_type for event in response.events]) == (2, ["BasketSold"])
    stored = await event_store.read_stream("Basket", "b")
    assert [(event.event_type, event.causation_id is not None) for event in stored] == [
        ("BasketFilled", True),
        ("BasketSold", True),
    ]
    found = await mediator.load("b")
    assert found.state == BasketState(("fig",), sold=True)
    assert (await mediator.load("b", at=1)).state.sold is False


async def test_its_state_is_kept_in_snapshots(
    mediator: EventSourcedMediator, snapshot_store: InMemorySnapshotStore
) -> None:
    await mediator.send(FillBasket(basket_id="b", fruit="fig", times=3))
    snapshot = await snapshot_store.latest("Basket", "b")
    assert snapshot is not None
    assert snapshot.state == {"id": "b", "state": {"fruits": ["fig"] * 3, "sold": False}}
    rebuilt = await mediator.sourcing.loader(basket.aggregate_cls).rebuild("b")
    assert rebuilt is not None
    assert (rebuilt.facts.snapshot_version, rebuilt.aggregate.state) == (3, BasketState(("fig",) * 3))


async def test_a_refusal_leaves_no_trace(mediator: EventSourcedMediator, event_store: InMemoryEventStore) -> None:
    with pytest.raises(ValueError, match="empty"):
        await mediator.send(SellBasket(basket_id="b"))
    assert await event_store.read_all() == []


async def test_a_command_that_changes_nothing_stores_nothing(
    mediator: EventSourcedMediator, event_store: InMemoryEventStore
) -> None:
    response = await mediator.send(FillBasket(basket_id="b", fruit="fig", times=0))
    assert (response.result, list(response.events), await event_store.read_all()) == (0, [], [])


async def test_nothing_happens_after_the_end(mediator: EventSourcedMediator) -> None:
    await mediator.send(FillBasket(basket_id="b", fruit="fig"))
    await mediator.send(SellBasket(basket_id="b"))
    with pytest.raises(InvariantViolationError, match="Basket has come to its end: FillBasket is too late"):
        await mediator.send(FillBasket(basket_id="b", fruit="fig"))


async def test_two_that_raced_are_noticed(mediator: EventSourcedMediator) -> None:
    await mediator.send(FillBasket(basket_id="b", fruit="fig"))
    first, second = await mediator.load("b"), await mediator.load("b")
    for each in (first, second):
        each.decide(FillBasket(basket_id="b", fruit="plum"))
    await mediator.save(first)
    with pytest.raises(OptimisticConcurrencyError):
        await mediator.save(second)
