"""The in-memory event store keeps what the port promises."""

from collections.abc import Callable

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.event_store import IEventStore
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.testing.contracts.event_store import EventStoreContract


class TestInMemoryEventStore(EventStoreContract):
    numbers_at_commit = True

    @pytest.fixture
    def store(self) -> InMemoryStore:
        return InMemoryStore()

    @pytest.fixture
    def open_event_store(self, store: InMemoryStore) -> Callable[[IUpcasterRegistry | None], IEventStore]:
        return lambda upcasters: InMemoryEventStore(store, upcaster_registry=upcasters)

    @pytest.fixture
    def uow_factory(self, store: InMemoryStore) -> Callable[[], UnitOfWork]:
        return lambda: InMemoryUnitOfWork(store)
