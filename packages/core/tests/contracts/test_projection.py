"""The in-memory read models keep what the port promises."""

from collections.abc import Callable

import pytest

from cqrs_ddd_core.adapters.memory import (
    InMemoryProjectionReader,
    InMemoryProjectionWriter,
    InMemoryStore,
    InMemoryUnitOfWork,
)
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.projection import ProjectionContract


class TestInMemoryProjection(ProjectionContract):
    @pytest.fixture
    def store(self) -> InMemoryStore:
        return InMemoryStore()

    @pytest.fixture
    def projection_writer(self, store: InMemoryStore) -> InMemoryProjectionWriter:
        return InMemoryProjectionWriter(store)

    @pytest.fixture
    def projection_reader(self, store: InMemoryStore) -> InMemoryProjectionReader:
        return InMemoryProjectionReader(store)

    @pytest.fixture
    def uow_factory(self, store: InMemoryStore) -> Callable[[], UnitOfWork]:
        return lambda: InMemoryUnitOfWork(store)
