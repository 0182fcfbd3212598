"""Which types users see around units of work and repositories. Read by type checkers, never run."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, assert_type

from cqrs_ddd_core import (
    AggregateRoot,
    InMemoryRepository,
    InMemoryStore,
    InMemoryUnitOfWork,
    QueryOptions,
    SearchResult,
    UnitOfWork,
    get_current_uow,
)
from cqrs_ddd_core.ports import IClock, IIDGenerator, IRepository
from cqrs_ddd_core.testing import SequentialIdGenerator, VirtualClock


class Order(AggregateRoot[str]):
    status: str = "pending"


async def what_a_unit_of_work_gives() -> None:
    uow = get_current_uow()
    assert_type(uow, UnitOfWork)
    # By its name the repository is found at run time: checkers cannot know of what it is.
    assert_type(uow.orders, IRepository[Any, Any])
    # By its class they can.
    orders = uow.repository(Order)
    assert_type(orders, IRepository[Order, Any])
    assert_type(await orders.get("order-1"), Order | None)
    assert_type(await orders.list_all(["order-1"]), list[Order])

    async with InMemoryUnitOfWork(InMemoryStore()) as own:
        assert_type(own, InMemoryUnitOfWork)
        async with own.savepoint():
            own.on_commit(lambda: None)


async def what_a_repository_gives(order: Order) -> None:
    repository = InMemoryRepository[Order, str]()
    port: IRepository[Order, str] = repository
    assert_type(await repository.add(order), str)
    assert_type(await repository.get("order-1"), Order | None)
    assert_type(await port.delete("order-1"), str)
    InMemoryRepository[Order, str](Order, store=InMemoryStore())


async def what_a_search_gives(orders: IRepository[Order, str]) -> None:
    options = QueryOptions().with_ordering("-status").with_limit(10).with_aggregation("status", "count_distinct")
    assert_type(options, QueryOptions)
    result = await orders.search(options)
    found: SearchResult[Order] = result
    assert_type(await found.all(), list[Order])
    assert_type(await result, list[Order])
    assert_type(await result.first(), Order | None)
    assert_type(await result.count(), int)
    assert_type(await result.total_count(), int)
    assert_type(await result.aggregations(), Mapping[str, Any])
    assert_type(result.stream(batch_size=50), AsyncIterator[Sequence[Order]])
    async for batch in result.stream():
        assert_type(batch[0], Order)


clock: IClock = VirtualClock()
ids: IIDGenerator = SequentialIdGenerator()
