"""Loading and saving outside of handlers, and how the mediator is put together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from cqrs_ddd_advanced_core.event_sourcing import (
    EventSourcedAggregate,
    EventSourcedMediator,
    EventSourcedRepository,
    EventSourcing,
    SaveAggregate,
)
from cqrs_ddd_advanced_core.snapshots import EveryNEventsStrategy, SnapshotWorker
from cqrs_ddd_core import (
    AggregateRoot,
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    HandlerRegistry,
    InMemoryStore,
    InMemoryUnitOfWork,
    MiddlewareRegistry,
    get_current_uow,
)
from cqrs_ddd_core.adapters.memory import InMemoryEventStore
from cqrs_ddd_core.middleware import EventStorePersistenceMiddleware, ValidatorMiddleware
from cqrs_ddd_core.primitives.exceptions import (
    AmbiguousAggregateError,
    ConfigurationError,
    EntityNotFoundError,
    EventSourcedAggregateRequiredError,
    EventSourcingConfigurationError,
    UnitOfWorkError,
)
from cqrs_ddd_core.validation import PydanticValidator


class ValveTurned(DomainEvent):
    by: int = 1


class Valve(EventSourcedAggregate[str]):
    turns: int = 0

    def turn(self, by: int = 1) -> None:
        self.add_event(ValveTurned(by=by))

    def apply_valve_turned(self, event: ValveTurned) -> None:
        self.turns += event.by


class Spindle(EventSourcedAggregate[str]):
    def apply_valve_turned(self, event: ValveTurned) -> None: ...


class Gauge(EventSourcedAggregate[UUID]):
    def apply_valve_turned(self, event: ValveTurned) -> None: ...


class Hose(AggregateRoot[str]):
    length: int = 0

    def apply_valve_turned(self, event: ValveTurned) -> None: ...


@pytest.fixture
def database() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def event_store(database: InMemoryStore) -> InMemoryEventStore:
    return InMemoryEventStore(database)


@pytest.fixture
def mediator(event_store: InMemoryEventStore) -> EventSourcedMediator:
    return EventSourcedMediator(HandlerRegistry(), event_store)


async def _saved(mediator: EventSourcedMediator, valve_id: str = "v", turns: int = 3) -> Valve:
    valve = Valve.begin(valve_id)
    for _ in range(turns):
        valve.turn()
    await mediator.save(valve)
    return valve


async def test_what_was_saved_is_loaded(mediator: EventSourcedMediator) -> None:
    valve = await _saved(mediator)
    loaded = await mediator.load("v")
    assert loaded == valve
    assert loaded is not valve


async def test_saving_gives_version_and_events(mediator: EventSourcedMediator) -> None:
    valve = await _saved(mediator)
    valve.turn()
    response = await mediator.save(valve)
    assert (response.result, [event.aggregate_version for event in response.events]) == (4, [4])
    assert (await mediator.save(valve)).result == 4


async def test_saving_goes_the_way_of_a_command(event_store: InMemoryEventStore) -> None:
    seen: list[Any] = []

    async def around(message: Any, next_handler: Any) -> Any:
        seen.append(type(message))
        return await next_handler(message)

    async def hear(event: ValveTurned) -> None:
        seen.append(event.by)

    registry = HandlerRegistry()
    registry.register_event_handler(ValveTurned, hear)
    mediator = EventSourcedMediator(
        registry,
        event_store,
        middleware_registry=MiddlewareRegistry([around, ValidatorMiddleware(PydanticValidator())]),  # type: ignore[list-item]
    )
    await _saved(mediator, turns=1)
    assert seen == [SaveAggregate, 1]


async def test_loading_says_when_there_is_none(mediator: EventSourcedMediator) -> None:
    with pytest.raises(EntityNotFoundError, match="Valve"):
        await mediator.load("v")
    with pytest.raises(EntityNotFoundError, match="Valve 'v' was not found"):
        await mediator.load("v", aggregate_cls=Valve)
    await _saved(mediator)
    with pytest.raises(EntityNotFoundError, match="Valve 'v' was not found"):
        await mediator.load("v", at=datetime(2000, 1, 1, tzinfo=UTC))


async def test_the_past_can_be_loaded(mediator: EventSourcedMediator) -> None:
    await _saved(mediator)
    assert (await mediator.load("v", at=2)).turns == 2
    assert (await mediator.load("v", from_version=0)).turns == 3


async def test_an_id_of_several_types_has_to_be_settled(mediator: EventSourcedMediator) -> None:
    await _saved(mediator, "x")
    spindle = Spindle.begin("x")
    spindle.add_event(ValveTurned())
    await mediator.save(spindle)
    with pytest.raises(AmbiguousAggregateError, match=r"Spindle .* and Valve .* aggregate 'x'.* aggregate_cls"):
        await mediator.load("x")
    assert isinstance(await mediator.load("x", aggregate_cls=Spindle), Spindle)


async def test_an_id_may_be_given_as_text(mediator: EventSourcedMediator) -> None:
    gauge = Gauge.begin(uuid4())
    gauge.add_event(ValveTurned())
    await mediator.save(gauge)
    assert await mediator.load(str(gauge.id)) == gauge
    assert await mediator.load(gauge.id, aggregate_cls=Gauge) == gauge
    with pytest.raises(ValueError, match="'v' is no id of Gauge, it wants UUID"):
        await mediator.load("v", aggregate_cls=Gauge)


async def test_only_event_sourced_aggregates_are_loaded_and_saved(mediator: EventSourcedMediator) -> None:
    with pytest.raises(EventSourcedAggregateRequiredError, match="Hose is not event-sourced here"):
        await mediator.load("h", aggregate_cls=Hose)
    with pytest.raises(EventSourcedAggregateRequiredError, match="Hose is not event-sourced here"):
        await mediator.save(Hose(id="h"))
    mediator.register_aggregate(Hose)
    hose = Hose(id="h")
    hose.add_event(ValveTurned())
    await mediator.save(hose)
    assert await mediator.load("h") == hose


async def test_a_repository_on_the_same_event_store_makes_a_class_known(
    mediator: EventSourcedMediator, event_store: InMemoryEventStore, database: InMemoryStore
) -> None:
    repository = EventSourcedRepository[Hose, str](event_store, aggregate_cls=Hose)
    hose = Hose(id="h")
    hose.add_event(ValveTurned())
    await repository.add(hose)
    assert isinstance(await mediator.load("h"), Hose)
    elsewhere = EventSourcedMediator(HandlerRegistry(), InMemoryEventStore(database))
    with pytest.raises(EntityNotFoundError):
        await elsewhere.load("h")


class TurnValve(Command[int]):
    valve_id: str


class TurnValveHandler(CommandHandler[int]):
    mediator: EventSourcedMediator

    async def handle(self, command: TurnValve) -> CommandResponse[int]:
        valve = await self.mediator.load(command.valve_id, aggregate_cls=Valve)
        assert await get_current_uow().valves.get(command.valve_id) is valve
        valve.turn()
        await self.mediator.save(valve)
        return CommandResponse(result=valve.turns)


async def test_inside_of_a_handler_they_belong_to_its_unit_of_work(event_store: InMemoryEventStore) -> None:
    registry = HandlerRegistry()
    handler = TurnValveHandler()
    registry.register_command_handler(TurnValve, handler)
    mediator = handler.mediator = EventSourcedMediator(registry, event_store)
    await _saved(mediator)
    response = await mediator.send(TurnValve(valve_id="v"))
    assert response.result == 4
    assert await event_store.stream_version("Valve", "v") == 4


async def test_what_a_repository_saved_is_told_by_the_next_save_and_stored_once(
    event_store: InMemoryEventStore,
) -> None:
    heard: list[int | None] = []

    async def hear(event: ValveTurned) -> None:
        heard.append(event.aggregate_version)

    registry = HandlerRegistry()
    registry.register_event_handler(ValveTurned, hear)
    mediator = EventSourcedMediator(
        registry,
        event_store,
        middleware_registry=MiddlewareRegistry([EventStorePersistenceMiddleware(event_store)]),
    )
    valve = Valve.begin("v")
    valve.turn()
    await EventSourcedRepository[Valve, str](event_store, aggregate_cls=Valve).add(valve)
    valve.turn()
    await mediator.save(valve)
    assert heard == [1, 2]
    assert len(await event_store.read_all()) == 2


# ------------------------------------------------------------------ putting it together


class _ForeignStore:
    """An event store that cannot open units of work."""

    def __init__(self, inner: InMemoryEventStore) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        if name == "open_unit_of_work":
            raise AttributeError(name)
        return getattr(self._inner, name)


async def test_an_event_store_that_opens_no_units_of_work_needs_a_factory(
    event_store: InMemoryEventStore, database: InMemoryStore
) -> None:
    foreign: Any = _ForeignStore(event_store)
    with pytest.raises(EventSourcingConfigurationError, match=r"_ForeignStore cannot open .* uow_factory="):
        EventSourcedMediator(HandlerRegistry(), foreign)
    mediator = EventSourcedMediator(HandlerRegistry(), foreign, uow_factory=lambda: InMemoryUnitOfWork(database))
    await _saved(mediator)
    assert (await mediator.load("v")).turns == 3


async def test_what_the_unit_of_work_was_given_counts_more(
    event_store: InMemoryEventStore, database: InMemoryStore
) -> None:
    other = InMemoryEventStore(database)
    own = EventSourcing(other, aggregates=[Hose])
    mediator = EventSourcedMediator(
        HandlerRegistry(), event_store, uow_factory=lambda: InMemoryUnitOfWork(database, aggregate_stores=own)
    )
    uow = mediator._open_equipped()
    assert Hose in (uow.aggregate_stores or ())
    assert Valve in (uow.aggregate_stores or ())
    assert AggregateRoot not in (uow.aggregate_stores or ())


async def test_half_settings_are_refused(event_store: InMemoryEventStore) -> None:
    with pytest.raises(EventSourcingConfigurationError, match="no snapshot_store"):
        EventSourcing(event_store, snapshot_strategy=EveryNEventsStrategy(2))
    with pytest.raises(EventSourcingConfigurationError, match="no snapshot_strategy"):
        EventSourcing(event_store, snapshot_worker=SnapshotWorker())


async def test_two_classes_of_one_name_are_refused(event_store: InMemoryEventStore) -> None:
    def another() -> type[AggregateRoot[Any]]:
        class Valve(EventSourcedAggregate[str]):
            def apply_valve_turned(self, event: ValveTurned) -> None: ...

        return Valve

    with pytest.raises(ConfigurationError, match="share the aggregate_type 'Valve'"):
        EventSourcing(event_store, aggregates=[Valve, another()])


async def test_a_unit_of_work_that_keeps_the_state_does_not_keep_the_events_too(
    event_store: InMemoryEventStore, database: InMemoryStore
) -> None:
    repository = EventSourcedRepository[Hose, str](event_store, aggregate_cls=Hose)
    async with InMemoryUnitOfWork(database) as uow:
        await uow.hoses.get("h")
        with pytest.raises(UnitOfWorkError, match="keeps Hose as its state, and this repository keeps them as events"):
            await repository.get("h")


async def test_the_explanation_says_what_is_kept_as_events(event_store: InMemoryEventStore) -> None:
    registry = HandlerRegistry()
    registry.register_command_handler(TurnValve, TurnValveHandler())
    explained = str(EventSourcedMediator(registry, event_store, aggregates=[Valve]).explain(TurnValve))
    assert "kept as events in InMemoryEventStore" in explained
    assert "Valve" in explained
