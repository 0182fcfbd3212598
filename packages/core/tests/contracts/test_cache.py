"""The in-memory cache keeps what the port promises."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryCacheService
from cqrs_ddd_core.testing import VirtualClock
from cqrs_ddd_core.testing.contracts.cache import CacheContract


class TestInMemoryCacheService(CacheContract):
    clock: VirtualClock

    @pytest.fixture(autouse=True)
    def move_the_clock(self) -> Iterator[None]:
        with VirtualClock() as self.clock:
            yield

    async def pass_time(self, duration: timedelta) -> None:
        self.clock.advance(duration)

    @pytest.fixture
    def cache(self) -> InMemoryCacheService:
        return InMemoryCacheService()
