"""The in-memory outbox keeps what the port promises."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryOutboxStorage, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing import VirtualClock
from cqrs_ddd_core.testing.contracts.outbox import OutboxContract


class TestInMemoryOutbox(OutboxContract):
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
    def outbox(self, store: InMemoryStore) -> InMemoryOutboxStorage:
        return InMemoryOutboxStorage(store)

    @pytest.fixture
    def other_outbox(self, store: InMemoryStore) -> InMemoryOutboxStorage:
        return InMemoryOutboxStorage(store)

    @pytest.fixture
    def uow_factory(self, store: InMemoryStore) -> Callable[[], UnitOfWork]:
        return lambda: InMemoryUnitOfWork(store)
