"""The in-memory locks keep what the port promises."""

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryLockStrategy, InMemoryStore
from cqrs_ddd_core.testing.contracts.lock import LockContract
from cqrs_ddd_core.testing.in_memory_database import InMemoryDatabase


class TestInMemoryLockStrategy(InMemoryDatabase, LockContract):
    @pytest.fixture
    def lock_strategy(self, store: InMemoryStore) -> InMemoryLockStrategy:
        return InMemoryLockStrategy(store)

    @pytest.fixture
    def other_lock_strategy(self, store: InMemoryStore) -> InMemoryLockStrategy:
        return InMemoryLockStrategy(store)
