"""The in-memory event store behaves as the model of it, whatever is done to it."""

from collections.abc import Callable

from hypothesis import settings

from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.ports.event_store import IEventStore
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.stateful.event_store import EventStoreMachine


class InMemoryEventStoreMachine(EventStoreMachine):
    numbers_at_commit = True
    interleaving = "all"

    async def open_event_store(self) -> tuple[IEventStore, Callable[[], UnitOfWork]]:
        store = InMemoryStore()
        return InMemoryEventStore(store), lambda: InMemoryUnitOfWork(store)


class CarefulEventStoreMachine(InMemoryEventStoreMachine):
    """The machine as it treats a store that lets one writer in at a time."""

    numbers_at_commit = False
    interleaving = "none"
    reads_committed = False


TestInMemoryEventStore = InMemoryEventStoreMachine.TestCase
TestInMemoryEventStore.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestCarefully = CarefulEventStoreMachine.TestCase
TestCarefully.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
