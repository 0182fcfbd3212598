"""The in-memory repository of undo tokens keeps what the port promises."""

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryStore, InMemoryUndoTokenRepository
from cqrs_ddd_core.testing.contracts.undo import UndoTokenContract
from cqrs_ddd_core.testing.in_memory_database import InMemoryDatabase


class TestInMemoryUndoTokenRepository(InMemoryDatabase, UndoTokenContract):
    @pytest.fixture
    def undo_tokens(self, store: InMemoryStore) -> InMemoryUndoTokenRepository:
        return InMemoryUndoTokenRepository(store)
