"""Aggregates of some classes can be kept in another way than the unit of work keeps the others."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import pytest

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
    get_current_uow,
)
from cqrs_ddd_core.adapters.memory import InMemoryEventStore
from cqrs_ddd_core.adapters.memory.aggregate_store import InMemoryAggregateStore
from cqrs_ddd_core.context import use_context
from cqrs_ddd_core.domain.aggregate import (
    capture_state,
    mark_persisted,
    restore_state,
    unsaved_events,
    withdraw_last_event,
)
from cqrs_ddd_core.middleware.event_store import EventStorePersistenceMiddleware
from cqrs_ddd_core.ports import UnitOfWork
from cqrs_ddd_core.ports.unit_of_work import current_uow_or_none


class Renamed(DomainEvent):
    name: str


class Ledger(AggregateRoot[str]):
    name: str = ""

    def rename(self, name: str) -> None:
        self.name = name
        self.add_event(Renamed(name=name))


class Invoice(AggregateRoot[str]):
    name: str = ""


class RecordingStore(InMemoryAggregateStore[Any, Any]):
    """Says that it keeps events, and notes what it is asked to write."""

    keeps_events = True
    written: ClassVar[list[tuple[int, int, list[str]]]] = []

    async def write(self, entity: Any, /, *, expected_version: int, version: int) -> None:
        names = [
            event.name
            for event in unsaved_events(entity)
            if isinstance(event, Renamed) and (event.aggregate_version or 0) > expected_version
        ]
        self.written.append((expected_version, version, names))
        await super().write(entity, expected_version=expected_version, version=version)


@pytest.fixture
def written() -> list[tuple[int, int, list[str]]]:
    RecordingStore.written.clear()
    return RecordingStore.written


@pytest.fixture
def database() -> InMemoryStore:
    return InMemoryStore()


def _uow(database: InMemoryStore) -> UnitOfWork:
    return InMemoryUnitOfWork(database, aggregate_stores={Ledger: lambda uow: RecordingStore(uow, Ledger)})  # type: ignore[arg-type]


async def test_the_named_classes_are_kept_by_their_own_stores(database: InMemoryStore) -> None:
    uow = _uow(database)
    assert isinstance(uow.store(Ledger), RecordingStore)
    assert type(uow.store(Invoice)) is InMemoryAggregateStore


async def test_a_store_that_keeps_events_writes_only_new_events(
    database: InMemoryStore, written: list[tuple[int, int, list[str]]]
) -> None:
    async with _uow(database) as uow:
        ledger = Ledger(id="1")
        ledger.rename("a")
        await uow.ledgers.add(ledger)
        await uow.flush()
        ledger.rename("b")
        ledger.collect_events()
    async with _uow(database) as uow:
        ledger = await uow.ledgers.get("1")
        assert ledger is not None
        await uow.ledgers.add(ledger)
    assert written == [(0, 1, ["a"]), (1, 2, ["b"])]
    assert ledger.version == 2


async def test_what_a_savepoint_undid_is_not_written(
    database: InMemoryStore, written: list[tuple[int, int, list[str]]]
) -> None:
    async with _uow(database) as uow:
        ledger = Ledger(id="1")
        ledger.rename("a")
        await uow.ledgers.add(ledger)
        with contextlib.suppress(RuntimeError):
            async with uow.savepoint():
                ledger.rename("b")
                await uow.flush()
                raise RuntimeError
        ledger.rename("c")
    assert written == [(0, 2, ["a", "b"]), (0, 2, ["a", "c"])]


async def test_events_are_unsaved_until_the_commit(database: InMemoryStore) -> None:
    async with _uow(database) as uow:
        ledger = Ledger(id="1")
        ledger.rename("a")
        await uow.ledgers.add(ledger)
        ledger.collect_events()
        await uow.flush()
        assert [event.name for event in unsaved_events(ledger)] == ["a"]  # type: ignore[attr-defined]
    assert unsaved_events(ledger) == ()


def test_copies_and_restored_states_have_unsaved_events_of_their_own() -> None:
    ledger = Ledger(id="1")
    ledger.rename("a")
    copied = ledger.model_copy()
    state = capture_state(ledger)
    copied.rename("b")
    ledger.rename("c")
    restore_state(ledger, state)
    assert [len(unsaved_events(each)) for each in (ledger, copied)] == [1, 2]


def test_the_last_event_can_be_withdrawn() -> None:
    ledger = Ledger(id="1")
    mark_persisted(ledger, 4)
    ledger.rename("a")
    withdraw_last_event(ledger)
    assert (ledger.version, unsaved_events(ledger), ledger.collect_events()) == (4, (), [])


def test_an_event_belongs_to_the_work_in_which_it_was_recorded() -> None:
    ledger = Ledger(id="1")
    with use_context(correlation_id="correlation", causation_id="cause"):
        ledger.rename("a")
        ledger.add_event(Renamed(name="b", correlation_id="own", causation_id="own"))
    first, second = unsaved_events(ledger)
    assert (first.correlation_id, first.causation_id) == ("correlation", "cause")
    assert (second.correlation_id, second.causation_id) == ("own", "own")


class Rename(Command[None]):
    name: str


class RenameHandler(CommandHandler[None]):
    async def handle(self, command: Rename) -> CommandResponse[None]:
        uow = get_current_uow()
        ledger, invoice = Ledger(id="1"), Invoice(id="1")
        ledger.rename(command.name)
        invoice.add_event(Renamed(name="invoice"))
        await uow.ledgers.add(ledger)
        await uow.invoices.add(invoice)
        return CommandResponse(result=None, events=ledger.clear_events())


async def test_the_event_store_middleware_leaves_the_events_of_such_stores_to_them(database: InMemoryStore) -> None:
    event_store = InMemoryEventStore(database)
    registry = HandlerRegistry()
    registry.register_command_handler(Rename, RenameHandler())
    mediator = Mediator(
        registry,
        lambda: _uow(database),
        middleware_registry=MiddlewareRegistry([EventStorePersistenceMiddleware(event_store)]),
    )
    response = await mediator.send(Rename(name="a"))
    assert len(response.events) == 2
    assert [event.aggregate_type for event in await event_store.read_all()] == ["Invoice"]


async def test_a_unit_of_work_can_be_made_the_ambient_one_for_a_while(database: InMemoryStore) -> None:
    event_store = InMemoryEventStore(database)
    uow = event_store.open_unit_of_work()
    assert event_store.joins(uow)
    with uow.ambient():
        assert current_uow_or_none() is uow
    assert current_uow_or_none() is None
