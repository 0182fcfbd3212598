"""The in-memory snapshot store keeps what the port promises."""

from collections.abc import Callable

import pytest

from cqrs_ddd_core.adapters.memory import InMemorySnapshotStore, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.snapshot import SnapshotContract


class TestInMemorySnapshotStore(SnapshotContract):
    @pytest.fixture
    def store(self) -> InMemoryStore:
        return InMemoryStore()

    @pytest.fixture
    def snapshot_store(self, store: InMemoryStore) -> InMemorySnapshotStore:
        return InMemorySnapshotStore(store)

    @pytest.fixture
    def uow_factory(self, store: InMemoryStore) -> Callable[[], UnitOfWork]:
        return lambda: InMemoryUnitOfWork(store)
