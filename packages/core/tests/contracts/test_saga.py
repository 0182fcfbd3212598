"""The in-memory saga repository keeps what the port promises."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from cqrs_ddd_core.adapters.memory import InMemorySagaRepository, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing import VirtualClock
from cqrs_ddd_core.testing.contracts.saga import SagaContract


class TestInMemorySagaRepository(SagaContract):
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
    def sagas(self, store: InMemoryStore) -> InMemorySagaRepository:
        return InMemorySagaRepository(store)

    @pytest.fixture
    def uow_factory(self, store: InMemoryStore) -> Callable[[], UnitOfWork]:
        return lambda: InMemoryUnitOfWork(store)
