"""Event-sourced aggregates in ordinary handlers, next to those that are kept as their state."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

import pytest

from cqrs_ddd_advanced_core.event_sourcing import EventSourcedAggregate, EventSourcedMediator, EventSourcing
from cqrs_ddd_core import (
    AggregateRoot,
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    HandlerRegistry,
    InMemoryStore,
    InMemoryUnitOfWork,
    Mediator,
    MiddlewareRegistry,
    Query,
    QueryHandler,
    QueryResponse,
    get_current_uow,
)
from cqrs_ddd_core.adapters.memory import InMemoryEventStore
from cqrs_ddd_core.context import use_context, with_tenant_context
from cqrs_ddd_core.middleware import EventStorePersistenceMiddleware, RetryMiddleware
from cqrs_ddd_core.ports import QueryOptions
from cqrs_ddd_core.primitives.exceptions import (
    EventSourcedAggregateRequiredError,
    EventStoreError,
    InvariantViolationError,
    OptimisticConcurrencyError,
    PipelineError,
    UnrecordedChangeError,
)


class DrumBought(DomainEvent):
    maker: str


class DrumBeaten(DomainEvent):
    loud: int


class Drum(EventSourcedAggregate[str]):
    maker: str
    noise: int = 0

    @classmethod
    def buy(cls, drum_id: str, maker: str) -> Self:
        drum = cls.begin(drum_id)
        drum.add_event(DrumBought(maker=maker))
        return drum

    def beat(self, loud: int) -> None:
        self.add_event(DrumBeaten(loud=loud))

    def apply_drum_bought(self, event: DrumBought) -> None:
        self.maker = event.maker

    def apply_drum_beaten(self, event: DrumBeaten) -> None:
        self.noise += event.loud


class Drummer(AggregateRoot[str]):
    """Kept as its state."""

    drums: int = 0


class DrummerPaid(DomainEvent):
    pass


class BuyDrum(Command[str]):
    drum_id: str
    maker: str = "yamaha"


class BeatDrum(Command[int]):
    drum_id: str
    loud: int = 1
    times: int = 1
    fail: bool = False
    nested: int = 0


async def _drum(drum_id: str) -> Drum:
    drum = await get_current_uow().repository(Drum).get(drum_id)
    assert drum is not None
    return drum


class BuyDrumHandler(CommandHandler[str]):
    async def handle(self, command: BuyDrum) -> CommandResponse[str]:
        uow = get_current_uow()
        drum = Drum.buy(command.drum_id, command.maker)
        await uow.drums.add(drum)
        drummer = await uow.drummers.get("ringo") or Drummer(id="ringo")
        drummer.drums += 1
        await uow.drummers.add(drummer)
        return CommandResponse(result=drum.id, events=drum.clear_events())


class BeatDrumHandler(CommandHandler[int]):
    mediator: Mediator

    async def handle(self, command: BeatDrum) -> CommandResponse[int]:
        drum = await _drum(command.drum_id)
        for _ in range(command.times):
            drum.beat(command.loud)
        if command.nested:
            inner = BeatDrum(drum_id=command.drum_id, loud=command.nested, fail=command.nested > 100)
            with contextlib.suppress(RuntimeError):
                await self.mediator.send(inner)
        if command.fail:
            raise RuntimeError("the skin is torn")
        return CommandResponse(result=drum.noise)


class Noise(Query[int]):
    drum_id: str


class NoiseHandler(QueryHandler[int]):
    async def handle(self, query: Noise) -> QueryResponse[int]:
        return QueryResponse(result=(await _drum(query.drum_id)).noise)


@pytest.fixture
def database() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def event_store(database: InMemoryStore) -> InMemoryEventStore:
    return InMemoryEventStore(database)


@pytest.fixture
def registry() -> HandlerRegistry:
    registry = HandlerRegistry()
    registry.register_command_handler(BuyDrum, BuyDrumHandler())
    registry.register_command_handler(BeatDrum, BeatDrumHandler())
    registry.register_query_handler(Noise, NoiseHandler())
    return registry


@pytest.fixture
def mediator(registry: HandlerRegistry, event_store: InMemoryEventStore) -> EventSourcedMediator:
    mediator = EventSourcedMediator(
        registry,
        event_store,
        verify=True,
        middleware_registry=MiddlewareRegistry([EventStorePersistenceMiddleware(event_store)]),
    )
    registry.get_command_handler(BeatDrum).mediator = mediator
    return mediator


async def _events(event_store: InMemoryEventStore, drum_id: str = "d") -> list[tuple[int, str]]:
    return [(event.version, event.event_type) for event in await event_store.read_stream("Drum", drum_id)]


async def test_an_ordinary_handler_keeps_its_aggregate_as_events(
    mediator: EventSourcedMediator, event_store: InMemoryEventStore, database: InMemoryStore
) -> None:
    await mediator.send(BuyDrum(drum_id="d"))
    assert (await mediator.send(BeatDrum(drum_id="d", loud=3, times=2))).result == 6
    assert (await mediator.send(Noise(drum_id="d"))).result == 6
    assert await _events(event_store) == [(1, "DrumBought"), (2, "DrumBeaten"), (3, "DrumBeaten")]
    assert "aggregates.drums" not in database.tables
    assert len(database.tables["aggregates.drummers"]) == 1


async def test_events_are_told_once_and_complete(
    registry: HandlerRegistry, mediator: EventSourcedMediator, event_store: InMemoryEventStore
) -> None:
    heard: list[DomainEvent] = []

    async def hear(event: DomainEvent) -> None:
        heard.append(event)

    registry.register_event_handler(DomainEvent, hear)
    command = BuyDrum(drum_id="d", correlation_id="request-1")
    response = await mediator.send(command)
    [event] = heard
    [stored] = await event_store.read_all()
    assert response.events == [event]
    for found in (event, stored):
        assert (found.correlation_id, found.causation_id) == ("request-1", command.command_id)
    assert stored.event_id == event.event_id


async def test_what_was_recorded_outside_of_any_work_is_completed_when_it_is_stored(
    mediator: EventSourcedMediator, event_store: InMemoryEventStore
) -> None:
    drum = Drum.buy("d", "yamaha")
    with use_context(correlation_id="request-1"):
        await mediator.save(drum)
    [stored] = await event_store.read_all()
    assert stored.correlation_id == "request-1"


async def test_a_command_that_fails_leaves_no_events(
    mediator: EventSourcedMediator, event_store: InMemoryEventStore
) -> None:
    await mediator.send(BuyDrum(drum_id="d"))
    with pytest.raises(RuntimeError, match="torn"):
        await mediator.send(BeatDrum(drum_id="d", fail=True))
    assert await _events(event_store) == [(1, "DrumBought")]
    assert (await mediator.send(BeatDrum(drum_id="d"))).result == 1


async def test_nested_commands_go_on_with_the_same_aggregate(
    mediator: EventSourcedMediator, event_store: InMemoryEventStore
) -> None:
    await mediator.send(BuyDrum(drum_id="d"))
    response = await mediator.send(BeatDrum(drum_id="d", loud=1, nested=10))
    assert response.result == 11
    assert len(await _events(event_store)) == 3


async def test_a_nested_command_that_fails_takes_back_its_events_alone(
    mediator: EventSourcedMediator, event_store: InMemoryEventStore
) -> None:
    await mediator.send(BuyDrum(drum_id="d"))
    response = await mediator.send(BeatDrum(drum_id="d", loud=1, nested=1000))
    assert response.result == 1
    assert await _events(event_store) == [(1, "DrumBought"), (2, "DrumBeaten")]
    assert (await mediator.send(Noise(drum_id="d"))).result == 1


async def test_flushing_in_between_stores_each_event_once(
    mediator: EventSourcedMediator, event_store: InMemoryEventStore
) -> None:
    async with event_store.open_unit_of_work() as uow:
        uow.aggregate_stores = mediator.sourcing
        drum = Drum.buy("d", "yamaha")
        await uow.drums.add(drum)
        await uow.flush()
        drum.beat(1)
        await uow.flush()
        assert [version for version, _ in await _events(event_store)] == [1, 2]
        drum.beat(1)
    assert [version for version, _ in await _events(event_store)] == [1, 2, 3]
    assert drum.version == 3


async def test_a_save_without_events_writes_nothing(
    mediator: EventSourcedMediator, event_store: InMemoryEventStore, database: InMemoryStore
) -> None:
    await mediator.send(BuyDrum(drum_id="d"))
    async with InMemoryUnitOfWork(database, aggregate_stores=mediator.sourcing) as uow:
        drum = await _drum("d")
        await uow.drums.add(drum)
    assert drum.version == 1
    assert await event_store.stream_version("Drum", "d") == 1


async def test_the_second_of_two_that_raced_loses(
    mediator: EventSourcedMediator, event_store: InMemoryEventStore
) -> None:
    await mediator.send(BuyDrum(drum_id="d"))
    first, second = await mediator.load("d"), await mediator.load("d")
    first.beat(1)
    second.beat(2)
    await mediator.save(first)
    with pytest.raises(OptimisticConcurrencyError, match="Drum 'd': expected version 1, found version 2"):
        await mediator.save(second)
    assert (await mediator.load("d")).noise == 1


async def test_two_cannot_begin_the_same_aggregate(mediator: EventSourcedMediator) -> None:
    await mediator.send(BuyDrum(drum_id="d"))
    with pytest.raises(OptimisticConcurrencyError):
        await mediator.send(BuyDrum(drum_id="d"))


async def test_many_at_once_with_retries_lose_nothing(
    registry: HandlerRegistry, event_store: InMemoryEventStore
) -> None:
    mediator = EventSourcedMediator(
        registry,
        event_store,
        middleware_registry=MiddlewareRegistry([RetryMiddleware(max_attempts=50, base_delay=0.001, max_delay=0.01)]),
    )
    await mediator.send(BuyDrum(drum_id="d"))
    await asyncio.gather(*(mediator.send(BeatDrum(drum_id="d")) for _ in range(20)))
    assert (await mediator.load("d")).noise == 20
    assert await event_store.stream_version("Drum", "d") == 21


async def test_tenants_are_kept_apart(mediator: EventSourcedMediator) -> None:
    for tenant_id, loud in (("acme", 1), ("umbrella", 2)):
        with with_tenant_context(tenant_id):
            await mediator.send(BuyDrum(drum_id="d"))
            await mediator.send(BeatDrum(drum_id="d", loud=loud))
    with with_tenant_context("acme"):
        assert (await mediator.load("d")).noise == 1


async def test_a_plain_mediator_takes_the_same_stores(
    registry: HandlerRegistry, event_store: InMemoryEventStore, database: InMemoryStore
) -> None:
    sourcing = EventSourcing(event_store)
    mediator = Mediator(registry, lambda: InMemoryUnitOfWork(database, aggregate_stores=sourcing))
    await mediator.send(BuyDrum(drum_id="d"))
    assert await _events(event_store) == [(1, "DrumBought")]


async def test_an_event_store_elsewhere_is_refused(registry: HandlerRegistry, event_store: InMemoryEventStore) -> None:
    mediator = EventSourcedMediator(registry, event_store, uow_factory=lambda: InMemoryUnitOfWork(InMemoryStore()))
    with pytest.raises(PipelineError, match="InMemoryEventStore does not write in the transaction"):
        await mediator.send(BuyDrum(drum_id="d"))


# ------------------------------------------------------------------ what would be lost is refused


class Return(Command[None]):
    """Return an event of an aggregate that is not in the unit of work."""

    how: str


class ReturnHandler(CommandHandler[None]):
    async def handle(self, command: Return) -> CommandResponse[None]:
        if command.how == "forgot to add":
            return CommandResponse(result=None, events=Drum.buy("d", "yamaha").clear_events())
        if command.how == "did not record":
            await get_current_uow().drums.get("d")
            event = DrumBeaten(loud=1, aggregate_id="d", aggregate_type="Drum")
            return CommandResponse(result=None, events=[event])
        return CommandResponse(result=None, events=[DrummerPaid(aggregate_id="ringo", aggregate_type="Drummer")])


@pytest.mark.parametrize("how", ["forgot to add", "did not record"])
async def test_an_event_that_would_be_in_no_stream_fails_the_command(
    registry: HandlerRegistry, event_store: InMemoryEventStore, how: str
) -> None:
    registry.register_command_handler(Return, ReturnHandler())
    mediator = EventSourcedMediator(registry, event_store)
    await mediator.send(BuyDrum(drum_id="d"))
    with pytest.raises(EventStoreError, match="of Drum 'd' would be in no stream"):
        await mediator.send(Return(how=how))


async def test_registration_can_be_enforced(registry: HandlerRegistry, event_store: InMemoryEventStore) -> None:
    registry.register_command_handler(Return, ReturnHandler())
    await EventSourcedMediator(registry, event_store).send(Return(how="of another"))
    strict = EventSourcedMediator(registry, event_store, enforce_registration=True)
    with pytest.raises(EventSourcedAggregateRequiredError, match="Drummer is not event-sourced here"):
        await strict.send(Return(how="of another"))
    allowing = EventSourcedMediator(registry, event_store, enforce_registration=True, state_stored=[Drummer])
    await allowing.send(Return(how="of another"))


async def test_an_aggregate_that_its_events_leave_incomplete_is_not_saved(mediator: EventSourcedMediator) -> None:
    drum = Drum.begin("d")
    drum.beat(1)
    with pytest.raises(InvariantViolationError, match="Drum 'd' cannot be saved: no event has set maker"):
        await mediator.save(drum)


async def test_a_new_aggregate_whose_fields_do_not_fit_is_not_saved(mediator: EventSourcedMediator) -> None:
    drum = Drum.begin("d")
    drum.add_event(DrumBought.model_construct(maker=7, metadata={}))  # type: ignore[arg-type]
    with pytest.raises(InvariantViolationError, match="maker: "):
        await mediator.save(drum)


async def test_an_event_of_another_aggregate_is_refused(mediator: EventSourcedMediator) -> None:
    drum = Drum.buy("d", "yamaha")
    drum.add_event(DrumBeaten(loud=1, aggregate_id="e"))
    with pytest.raises(EventStoreError, match=r"recorded by Drum 'd' and says that it belongs to Drum 'e'"):
        await mediator.save(drum)


async def test_a_version_that_no_event_led_to_is_refused(mediator: EventSourcedMediator) -> None:
    drum = Drum.reconstitute("d", version=3, maker="yamaha")
    drum._version = 5
    with pytest.raises(EventStoreError, match="from version 3 to 5, but not by events"):
        await mediator.save(drum)


class Bongo(Drum):
    pass


async def test_a_subclass_is_refused_by_the_repository_of_its_base(mediator: EventSourcedMediator) -> None:
    async with InMemoryUnitOfWork(aggregate_stores=EventSourcing(InMemoryEventStore())) as uow:
        await uow.drums.add(Bongo.buy("d", "yamaha"))
        with pytest.raises(EventStoreError, match="Drum are kept here, found a Bongo"):
            await uow.flush()
        await uow.rollback()


async def test_they_cannot_be_deleted_or_searched(mediator: EventSourcedMediator) -> None:
    await mediator.send(BuyDrum(drum_id="d"))
    async with mediator.sourcing.event_store.open_unit_of_work() as uow:  # type: ignore[attr-defined]
        uow.aggregate_stores = mediator.sourcing
        with pytest.raises(EventStoreError, match="cannot be deleted"):
            await uow.drums.delete("d")
        with pytest.raises(EventStoreError, match="Search in a projection"):
            await uow.drums.list_all()
        with pytest.raises(EventStoreError, match="Search in a projection"):
            await (await uow.drums.search(QueryOptions())).all()
        assert [drum.id for drum in await uow.drums.list_all(["x", "d", "d"])] == ["d"]


class Tabla(AggregateRoot[str]):
    """Changes its state in the method that decides; forgets an event for one change."""

    beats: int = 0

    def beat(self) -> None:
        self.beats += 1
        self.add_event(DrumBeaten(loud=1))

    def tune(self) -> None:
        self.beats = 100
        self.add_event(DrumBought(maker="me"))

    def apply_drum_beaten(self, event: DrumBeaten) -> None:
        self.beats += 1

    def apply_drum_bought(self, event: DrumBought) -> None: ...


async def test_any_aggregate_that_can_apply_its_events_may_be_event_sourced(
    registry: HandlerRegistry, event_store: InMemoryEventStore
) -> None:
    mediator = EventSourcedMediator(registry, event_store, aggregates=[Tabla], verify=True)
    tabla = Tabla(id="t")
    tabla.beat()
    await mediator.save(tabla)
    loaded = await mediator.load("t", aggregate_cls=Tabla)
    assert loaded == tabla
    loaded.beat()
    await mediator.save(loaded)
    assert (await mediator.load("t", aggregate_cls=Tabla)).beats == 2


async def test_a_state_that_does_not_come_from_events_is_found_where_that_is_checked(
    registry: HandlerRegistry, event_store: InMemoryEventStore
) -> None:
    mediator = EventSourcedMediator(registry, event_store, aggregates=[Tabla], verify=True)
    tabla = Tabla(id="t")
    tabla.tune()
    with pytest.raises(UnrecordedChangeError, match="beats is 100, but a replay of its events gives 0"):
        await mediator.save(tabla)
    assert await event_store.stream_version("Tabla", "t") == 0
