"""The in-memory inbox keeps what the port promises."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryInbox, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing import VirtualClock
from cqrs_ddd_core.testing.contracts.inbox import InboxContract


class TestInMemoryInbox(InboxContract):
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
    def inbox(self, store: InMemoryStore) -> InMemoryInbox:
        return InMemoryInbox(store)

    @pytest.fixture
    def uow_factory(self, store: InMemoryStore) -> Callable[[], UnitOfWork]:
        return lambda: InMemoryUnitOfWork(store)
