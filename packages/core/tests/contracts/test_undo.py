"""The in-memory repository of undo tokens keeps what the port promises."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryStore, InMemoryUndoTokenRepository, InMemoryUnitOfWork
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing import VirtualClock
from cqrs_ddd_core.testing.contracts.undo import UndoTokenContract


class TestInMemoryUndoTokenRepository(UndoTokenContract):
    patience = timedelta(milliseconds=20)
    clock: VirtualClock

    @pytest.fixture(autouse=True)
    def move_the_clock(self) -> Iterator[None]:
        with VirtualClock() as self.clock:
            yield

    async def pass_time(self, duration: timedelta) -> None:
        self.clock.advance(duration)

    @pytest.fixture
    def store(self) -> InMemoryStore:
        return InMemoryStore()

    @pytest.fixture
    def undo_tokens(self, store: InMemoryStore) -> InMemoryUndoTokenRepository:
        return InMemoryUndoTokenRepository(store)

    @pytest.fixture
    def uow_factory(self, store: InMemoryStore) -> Callable[[], UnitOfWork]:
        return lambda: InMemoryUnitOfWork(store)
