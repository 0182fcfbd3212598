"""The in-memory cache keeps what the port promises."""

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryCacheService, InMemoryStore
from cqrs_ddd_core.testing.contracts.cache import CacheContract
from cqrs_ddd_core.testing.in_memory_database import InMemoryDatabase


class TestInMemoryCacheService(InMemoryDatabase, CacheContract):
    @pytest.fixture
    def cache(self, store: InMemoryStore) -> InMemoryCacheService:
        return InMemoryCacheService(store)
