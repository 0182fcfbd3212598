"""The in-memory repository keeps what the port promises."""

from collections.abc import Callable
from typing import Any

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryRepository, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.domain import AggregateRoot
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.repository import OpenRepository, RepositoryContract
from cqrs_ddd_core.testing.contracts.search_result import SearchResultContract


class _InMemory:
    @pytest.fixture
    def store(self) -> InMemoryStore:
        return InMemoryStore()

    @pytest.fixture
    def open_repository(self, store: InMemoryStore) -> OpenRepository:
        def open_repository(aggregate_type: type[AggregateRoot[Any]]) -> InMemoryRepository[Any, Any]:
            return InMemoryRepository(aggregate_type, store=store)

        return open_repository

    @pytest.fixture
    def uow_factory(self, store: InMemoryStore) -> Callable[[], UnitOfWork]:
        return lambda: InMemoryUnitOfWork(store)


class TestInMemoryRepository(_InMemory, RepositoryContract): ...


class TestInMemorySearch(_InMemory, SearchResultContract): ...
