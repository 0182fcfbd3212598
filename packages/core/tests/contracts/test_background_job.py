"""The in-memory repository of background jobs keeps what the port promises."""

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryBackgroundJobRepository, InMemoryStore
from cqrs_ddd_core.testing.contracts.background_job import BackgroundJobContract
from cqrs_ddd_core.testing.in_memory_database import InMemoryDatabase


class TestInMemoryBackgroundJobRepository(InMemoryDatabase, BackgroundJobContract):
    @pytest.fixture
    def jobs(self, store: InMemoryStore) -> InMemoryBackgroundJobRepository:
        return InMemoryBackgroundJobRepository(store)
