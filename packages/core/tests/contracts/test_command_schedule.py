"""The in-memory command schedule keeps what the port promises."""

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryCommandSchedule, InMemoryStore
from cqrs_ddd_core.testing.contracts.command_schedule import CommandScheduleContract
from cqrs_ddd_core.testing.in_memory_database import InMemoryDatabase


class TestInMemoryCommandSchedule(InMemoryDatabase, CommandScheduleContract):
    @pytest.fixture
    def schedule(self, store: InMemoryStore) -> InMemoryCommandSchedule:
        return InMemoryCommandSchedule(store)
