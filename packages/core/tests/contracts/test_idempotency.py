"""The in-memory idempotency store keeps what the port promises."""

from collections.abc import Callable

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryIdempotencyStore, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.idempotency import IdempotencyContract


class TestInMemoryIdempotencyStore(IdempotencyContract):
    @pytest.fixture
    def store(self) -> InMemoryStore:
        return InMemoryStore()

    @pytest.fixture
    def idempotency_store(self, store: InMemoryStore) -> InMemoryIdempotencyStore:
        return InMemoryIdempotencyStore(store)

    @pytest.fixture
    def uow_factory(self, store: InMemoryStore) -> Callable[[], UnitOfWork]:
        return lambda: InMemoryUnitOfWork(store)
