"""The in-memory saga repository keeps what the port promises."""

import pytest

from cqrs_ddd_core.adapters.memory import InMemorySagaRepository, InMemoryStore
from cqrs_ddd_core.testing.contracts.saga import SagaContract
from cqrs_ddd_core.testing.in_memory_database import InMemoryDatabase


class TestInMemorySagaRepository(InMemoryDatabase, SagaContract):
    @pytest.fixture
    def sagas(self, store: InMemoryStore) -> InMemorySagaRepository:
        return InMemorySagaRepository(store)
