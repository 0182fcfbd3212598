"""Every store in memory joins the unit of work that is open on the same store, and no other."""

from collections.abc import Callable

import pytest

from cqrs_ddd_core.adapters.memory import (
    InMemoryCheckpointStore,
    InMemoryEventStore,
    InMemoryIdempotencyStore,
    InMemoryInbox,
    InMemoryOutboxStorage,
    InMemoryProjectionReader,
    InMemoryProjectionWriter,
    InMemorySnapshotStore,
    InMemoryStore,
    InMemoryUnitOfWork,
)
from cqrs_ddd_core.ports.unit_of_work import ITransactional

ADAPTERS: list[Callable[[InMemoryStore | None], ITransactional]] = [
    InMemoryCheckpointStore,
    InMemoryEventStore,
    InMemoryIdempotencyStore,
    InMemoryInbox,
    InMemoryOutboxStorage,
    InMemoryProjectionReader,
    InMemoryProjectionWriter,
    InMemorySnapshotStore,
]


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_it_joins_units_of_work_on_its_store_only(
    adapter: Callable[[InMemoryStore | None], ITransactional],
) -> None:
    store = InMemoryStore()
    assert adapter(store).joins(InMemoryUnitOfWork(store))
    assert not adapter(store).joins(InMemoryUnitOfWork(InMemoryStore()))
    assert not adapter(store).joins(InMemoryUnitOfWork())


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_without_a_store_it_joins_units_of_work_without_one(
    adapter: Callable[[InMemoryStore | None], ITransactional],
) -> None:
    assert adapter(None).joins(InMemoryUnitOfWork())
    assert not adapter(None).joins(InMemoryUnitOfWork(InMemoryStore()))
