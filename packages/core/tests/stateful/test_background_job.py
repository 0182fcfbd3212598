"""The in-memory repository of background jobs behaves as the model of it, whatever is done to it."""

from collections.abc import Callable
from datetime import timedelta
from typing import override

from hypothesis import settings

from cqrs_ddd_core.adapters.memory import InMemoryBackgroundJobRepository, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.background_job import IBackgroundJobRepository
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing import VirtualClock
from cqrs_ddd_core.testing.stateful.background_job import BackgroundJobMachine


class InMemoryBackgroundJobMachine(BackgroundJobMachine):
    moves_time = True

    @override
    async def open_jobs(self) -> tuple[IBackgroundJobRepository, Callable[[], UnitOfWork]]:
        self.clock = VirtualClock()
        self.clock.__enter__()
        store = InMemoryStore()
        return InMemoryBackgroundJobRepository(store), lambda: InMemoryUnitOfWork(store)

    @override
    async def pass_time(self, duration: timedelta) -> None:
        self.clock.advance(duration)

    @override
    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.clock.__exit__(None, None, None)


class BackgroundJobMachineInRealTime(BackgroundJobMachine):
    """The machine as it treats a store whose clock it cannot move."""

    @override
    async def open_jobs(self) -> tuple[IBackgroundJobRepository, Callable[[], UnitOfWork]]:
        store = InMemoryStore()
        return InMemoryBackgroundJobRepository(store), lambda: InMemoryUnitOfWork(store)


TestInMemoryBackgroundJobs = InMemoryBackgroundJobMachine.TestCase
TestInMemoryBackgroundJobs.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestInRealTime = BackgroundJobMachineInRealTime.TestCase
TestInRealTime.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
