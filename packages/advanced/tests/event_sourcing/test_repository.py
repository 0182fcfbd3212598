"""The repository of event-sourced aggregates, in units of work and alone."""

from __future__ import annotations

import pytest

from cqrs_ddd_advanced_core.event_sourcing import EventSourcedAggregate, EventSourcedRepository
from cqrs_ddd_advanced_core.snapshots import EveryNEventsStrategy
from cqrs_ddd_core import AggregateRoot, DomainEvent, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemorySnapshotStore
from cqrs_ddd_core.primitives.exceptions import (
    EventHandlerError,
    EventSourcingConfigurationError,
    OptimisticConcurrencyError,
)


class BellRung(DomainEvent):
    pass


class Bell(EventSourcedAggregate[str]):
    rung: int = 0

    def ring(self) -> None:
        self.add_event(BellRung())

    def apply_bell_rung(self, event: BellRung) -> None:
        self.rung += 1


class Gong(AggregateRoot[str]):
    """Says nothing about what its events change."""


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
def bells(event_store: InMemoryEventStore, snapshot_store: InMemorySnapshotStore) -> EventSourcedRepository[Bell, str]:
    return EventSourcedRepository(
        event_store, snapshot_store, Bell, snapshot_strategy=EveryNEventsStrategy(3), verify=True
    )


def _rung(times: int) -> Bell:
    bell = Bell.begin("b")
    for _ in range(times):
        bell.ring()
    return bell


async def test_alone_every_call_is_a_transaction(bells: EventSourcedRepository[Bell, str]) -> None:
    assert await bells.get("b") is None
    assert await bells.add(_rung(2)) == "b"
    bell = await bells.get("b")
    assert bell is not None
    bell.ring()
    await bells.add(bell)
    assert (await bells.get("b")).rung == 3  # type: ignore[union-attr]
    assert [event.event_type for event in await bells.history("b", after_version=1)] == ["BellRung"] * 2
    assert (await bells.load("b", at=1)).rung == 1  # type: ignore[union-attr]
    assert await bells.load("b") == await bells.load("b", from_version=0)


async def test_it_takes_part_in_the_open_unit_of_work(
    bells: EventSourcedRepository[Bell, str], database: InMemoryStore
) -> None:
    uow = InMemoryUnitOfWork(database)
    async with uow:
        await bells.add(_rung(1))
        await uow.rollback()
    assert await bells.get("b") is None
    async with InMemoryUnitOfWork(database) as uow:
        await bells.add(_rung(1))
        bell = await bells.get("b")
        assert bell is await uow.bells.get("b")
    assert (await bells.get("b")).rung == 1  # type: ignore[union-attr]


async def test_a_unit_of_work_on_another_database_is_left_alone(bells: EventSourcedRepository[Bell, str]) -> None:
    async with InMemoryUnitOfWork(InMemoryStore()) as uow:
        await bells.add(_rung(1))
        await uow.rollback()
    assert await bells.get("b") is not None


async def test_a_state_of_the_past_cannot_be_saved(bells: EventSourcedRepository[Bell, str]) -> None:
    await bells.add(_rung(2))
    past = await bells.load("b", at=1)
    assert past is not None
    past.ring()
    with pytest.raises(OptimisticConcurrencyError, match="expected version 1, found version 2"):
        await bells.add(past)


async def test_snapshots_are_taken_when_they_are_due(
    bells: EventSourcedRepository[Bell, str], snapshot_store: InMemorySnapshotStore
) -> None:
    await bells.add(_rung(2))
    assert await snapshot_store.latest("Bell", "b") is None
    bell = await bells.get("b")
    assert bell is not None
    bell.ring()
    bell.ring()
    await bells.add(bell)
    snapshot = await snapshot_store.latest("Bell", "b")
    assert snapshot is not None
    assert (snapshot.version, snapshot.state["rung"]) == (4, 4)


async def test_it_has_to_know_its_class_which_is_looked_at_when_it_is_used(event_store: InMemoryEventStore) -> None:
    with pytest.raises(EventSourcingConfigurationError, match="aggregate_cls=Order"):
        EventSourcedRepository(event_store)  # type: ignore[var-annotated]
    gongs = EventSourcedRepository[Gong, str](event_store, aggregate_cls=Gong)
    with pytest.raises(EventHandlerError, match="Gong cannot be event-sourced"):
        await gongs.get("g")
