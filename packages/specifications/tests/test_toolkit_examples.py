"""Searching a repository as the guide to the toolkit does, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import Field

from cqrs_ddd_core import (
    AggregateRoot,
    HandlerRegistry,
    InMemoryRepository,
    InMemoryStore,
    InMemoryUnitOfWork,
    Mediator,
    ValueObject,
)
from cqrs_ddd_core.cqrs import Query, QueryHandler, QueryResponse, get_current_uow
from cqrs_ddd_core.ports import SearchResult
from cqrs_ddd_specifications import AndSpecification, QueryOptions, SpecificationBuilder


class Money(ValueObject):
    amount: float
    currency: str = "USD"


class Order(AggregateRoot[str]):
    customer_id: str
    items: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    total: Money = Money(amount=0.0)
    status: str = "pending"


class SalesOrder(AggregateRoot[str]):
    name: str
    description: str = ""
    customer_id: str = "cust-1"
    status: str = "active"
    total: float = 0.0
    created_at: datetime = datetime(2024, 6, 1, tzinfo=UTC)
    deleted_at: datetime | None = None
    tags: list[str] = Field(default_factory=list[str])
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


def sales_order(number: int, **changes: Any) -> SalesOrder:
    fields: dict[str, Any] = {
        "id": f"order-{number:03}",
        "name": f"Order {number:03}",
        "description": "Premium goods",
        "total": 100.0 + number,
        "created_at": datetime(2024, 1, 1 + number % 28, tzinfo=UTC),
        "tags": ["urgent"],
        "metadata": {"priority": 6},
    }
    return SalesOrder(**{**fields, **changes})


DIFFERENT = [
    {"status": "closed"},
    {"total": 100.0},
    {"customer_id": "cust-3"},
    {"name": "Offer"},
    {"description": "premium goods"},
    {"deleted_at": datetime(2024, 5, 1, tzinfo=UTC)},
    {"created_at": datetime(2025, 1, 1, tzinfo=UTC)},
    {"metadata": {"priority": 5}},
    {"metadata": {}},
    {"tags": ["normal"]},
]


@pytest.fixture
async def repository() -> InMemoryRepository[SalesOrder, str]:
    """Sixty orders that match, and for each condition one that does not."""
    repository = InMemoryRepository[SalesOrder, str](store=InMemoryStore())
    for number in range(1, 61):
        await repository.add(sales_order(number, customer_id=f"cust-{1 + number % 2}"))
    for number, changes in enumerate(DIFFERENT, start=100):
        await repository.add(sales_order(number, **changes))
    return repository


async def test_a_specification_with_advanced_queries(repository: InMemoryRepository[SalesOrder, str]) -> None:
    processed: list[Any] = []
    process = processed.append

    # Complex specification with multiple operators
    spec = (
        SpecificationBuilder()
        # Standard operators
        .where("status", "==", "active")
        .where("total", ">", 100)
        .where("customer_id", "in", ["cust-1", "cust-2"])
        # String operators
        .where("name", "contains", "Order")
        .where("description", "starts_with", "Premium")
        # Null checks
        .where("deleted_at", "is_null")
        # Range operators
        .where("created_at", "between", ["2024-01-01", "2024-12-31"])
        # JSON path queries
        .where("metadata.priority", ">", 5)
        # Composite operators
        .where("tags", "contains_any", ["urgent", "priority"])
        .build()
    )

    # With pagination, ordering, and field projection
    options = (
        QueryOptions()
        .with_specification(spec)
        .with_pagination(limit=20, offset=40)
        .with_ordering("-created_at", "name")
        .with_fields(["id", "name", "status", "total"])
        .with_grouping("customer_id")
        .with_aggregation("total", "sum")
    )

    # Execute on repository
    result: SearchResult[Any] = await repository.search(options)

    # Access results
    orders = await result
    async for batch in result.stream(batch_size=100):
        for order in batch:
            process(order)

    total = await result.total_count()
    aggregations = await result.aggregations()

    assert total == 60
    assert aggregations["total_sum"] == sum(100.0 + number for number in range(1, 61))
    assert len(orders) == 20
    assert processed == orders
    assert set(orders[0]) == {"id", "name", "status", "total"}
    expected = sorted(range(1, 61), key=lambda number: (-(1 + number % 28), number))[40:]
    assert [order["name"] for order in orders] == [f"Order {number:03}" for number in expected]
    assert [(group["customer_id"], group["count"]) for group in await result.groups()] == [
        ("cust-1", 30),
        ("cust-2", 30),
    ]


async def test_specifications_are_reused(repository: InMemoryRepository[SalesOrder, str]) -> None:
    await repository.add(sales_order(200, status="pending", total=1500.0))
    await repository.add(sales_order(201, status="processing", total=5000.0))
    await repository.add(sales_order(202, status="pending", total=1000.0))
    await repository.add(sales_order(203, status="pending", total=2000.0, deleted_at=datetime(2024, 5, 1, tzinfo=UTC)))

    # Create reusable specifications
    ActiveOrdersSpec = (  # noqa: N806 - as the guide has it
        SpecificationBuilder().where("status", "in", ["pending", "processing"]).where("deleted_at", "is_null").build()
    )
    HighValueOrdersSpec = SpecificationBuilder().where("total", ">", 1000).build()  # noqa: N806

    # Compose specifications
    PremiumActiveOrdersSpec = AndSpecification(ActiveOrdersSpec, HighValueOrdersSpec)  # noqa: N806

    # Use composed spec
    options = QueryOptions().with_specification(PremiumActiveOrdersSpec)
    result = await repository.search(options)
    assert [order.id for order in await result] == ["order-200", "order-201"]


@dataclass
class OrderDTO:
    order_id: str
    customer_id: str
    total: float
    status: str
    item_count: int


class ListOrdersQuery(Query[list[OrderDTO]]):
    customer_id: str | None = None
    status: str | None = None
    limit: int = 100


class ListOrdersHandler(QueryHandler[list[OrderDTO]]):
    async def handle(self, query: ListOrdersQuery) -> QueryResponse[list[OrderDTO]]:
        uow = get_current_uow()

        # Build specification
        from cqrs_ddd_specifications import SpecificationBuilder

        spec_builder = SpecificationBuilder()

        if query.customer_id:
            spec_builder = spec_builder.where("customer_id", "==", query.customer_id)

        if query.status:
            spec_builder = spec_builder.where("status", "==", query.status)

        spec = spec_builder.build()

        # Search
        from cqrs_ddd_core.ports import QueryOptions

        options = QueryOptions().with_specification(spec).with_limit(query.limit)

        result = await uow.orders.search(options)
        orders = await result  # Await SearchResult

        # Convert to DTOs
        dtos = [
            OrderDTO(
                order_id=o.id,
                customer_id=o.customer_id,
                total=o.total.amount,
                status=o.status,
                item_count=len(o.items),
            )
            for o in orders
        ]

        return QueryResponse(result=dtos)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (ListOrdersQuery(), ["order-1", "order-2", "order-3"]),
        (ListOrdersQuery(customer_id="cust-1"), ["order-1", "order-2"]),
        (ListOrdersQuery(status="pending"), ["order-1", "order-3"]),
        (ListOrdersQuery(customer_id="cust-1", status="confirmed"), ["order-2"]),
        (ListOrdersQuery(customer_id="nobody"), []),
        (ListOrdersQuery(limit=2), ["order-1", "order-2"]),
    ],
)
async def test_the_handler_that_lists_orders(query: ListOrdersQuery, found: list[str]) -> None:
    store = InMemoryStore()
    async with InMemoryUnitOfWork(store, aggregates=[Order]) as uow:
        await uow.orders.add(Order(id="order-1", customer_id="cust-1", total=Money(amount=5.0), items=[{"sku": "a"}]))
        await uow.orders.add(Order(id="order-2", customer_id="cust-1", status="confirmed"))
        await uow.orders.add(Order(id="order-3", customer_id="cust-2"))
    registry = HandlerRegistry()
    registry.register_query_handler(ListOrdersQuery, ListOrdersHandler())
    mediator = Mediator(registry=registry, uow_factory=lambda: InMemoryUnitOfWork(store, aggregates=[Order]))
    response = await mediator.send(query)
    assert [order.order_id for order in response.result] == found
