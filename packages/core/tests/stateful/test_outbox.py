"""The in-memory outbox behaves as the model of it, whatever is done to it."""

from collections.abc import Callable
from datetime import timedelta
from typing import override

from hypothesis import settings

from cqrs_ddd_core.adapters.memory import InMemoryOutboxStorage, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.outbox import IOutboxStorage
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing import VirtualClock
from cqrs_ddd_core.testing.stateful.outbox import OutboxMachine


class InMemoryOutboxMachine(OutboxMachine):
    moves_time = True

    @override
    async def open_outbox(self) -> tuple[IOutboxStorage, Callable[[], UnitOfWork]]:
        self.clock = VirtualClock()
        self.clock.__enter__()
        store = InMemoryStore()
        return InMemoryOutboxStorage(store), lambda: InMemoryUnitOfWork(store)

    @override
    async def pass_time(self, duration: timedelta) -> None:
        self.clock.advance(duration)

    @override
    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.clock.__exit__(None, None, None)


class OutboxMachineInRealTime(OutboxMachine):
    """The machine as it treats a store whose clock it cannot move."""

    @override
    async def open_outbox(self) -> tuple[IOutboxStorage, Callable[[], UnitOfWork]]:
        store = InMemoryStore()
        return InMemoryOutboxStorage(store), lambda: InMemoryUnitOfWork(store)


TestInMemoryOutbox = InMemoryOutboxMachine.TestCase
TestInMemoryOutbox.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestInRealTime = OutboxMachineInRealTime.TestCase
TestInRealTime.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
