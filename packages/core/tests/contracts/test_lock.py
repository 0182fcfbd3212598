"""The in-memory locks keep what the port promises."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryLockStrategy, InMemoryStore
from cqrs_ddd_core.testing import VirtualClock
from cqrs_ddd_core.testing.contracts.lock import LockContract


class TestInMemoryLockStrategy(LockContract):
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
    def lock_strategy(self, store: InMemoryStore) -> InMemoryLockStrategy:
        return InMemoryLockStrategy(store)

    @pytest.fixture
    def other_lock_strategy(self, store: InMemoryStore) -> InMemoryLockStrategy:
        return InMemoryLockStrategy(store)
