"""What a contract suite needs to run on the in-memory store."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import ClassVar

import pytest

from cqrs_ddd_core.adapters.memory.store import InMemoryStore
from cqrs_ddd_core.adapters.memory.unit_of_work import InMemoryUnitOfWork
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.clock import VirtualClock

__all__ = ["InMemoryDatabase"]


class InMemoryDatabase:
    """Mixed into a suite in front of its contract: a store, units of work on it, and time that stands still.

    ::

        class TestInMemoryOutbox(InMemoryDatabase, OutboxContract):
            @pytest.fixture
            def outbox(self, store: InMemoryStore) -> InMemoryOutboxStorage:
                return InMemoryOutboxStorage(store)
    """

    patience: ClassVar[timedelta] = timedelta(milliseconds=20)
    clock: VirtualClock
    """The clock of the process while a test runs. ``pass_time`` moves it."""

    @pytest.fixture(autouse=True)
    def stop_the_clock(self) -> Generator[None]:
        with VirtualClock() as self.clock:
            yield

    async def pass_time(self, duration: timedelta) -> None:
        """Let a time pass on the clock of the process: the in-memory adapters have no other."""
        self.clock.advance(duration)

    @pytest.fixture
    def store(self) -> InMemoryStore:
        """The store of this test, empty at first."""
        return InMemoryStore()

    @pytest.fixture
    def uow_factory(self, store: InMemoryStore) -> Callable[[], UnitOfWork]:
        return lambda: InMemoryUnitOfWork(store)
