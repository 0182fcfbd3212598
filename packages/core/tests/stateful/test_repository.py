"""The in-memory repository and unit of work behave as the model of them, whatever is done to them."""

from collections.abc import Callable
from typing import override

from hypothesis import settings

from cqrs_ddd_core.adapters.memory import InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.stateful.repository import RepositoryMachine


class InMemoryRepositoryMachine(RepositoryMachine):
    @override
    async def open_unit_of_work(self) -> Callable[[], UnitOfWork]:
        store = InMemoryStore()
        return lambda: InMemoryUnitOfWork(store)


TestInMemoryRepository = InMemoryRepositoryMachine.TestCase
TestInMemoryRepository.settings = settings(max_examples=60, stateful_step_count=10, deadline=None)
