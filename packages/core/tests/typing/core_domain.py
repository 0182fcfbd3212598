"""Which types users see in their domain model. Read by type checkers, never run."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Self, assert_type
from uuid import UUID

from pydantic import Field

from cqrs_ddd_core.domain import (
    AggregateRoot,
    AndSpecification,
    ArchivableMixin,
    AuditableMixin,
    DomainEvent,
    Entity,
    EventTypeRegistry,
    PredicateSpecification,
    Specification,
    ValueObject,
)


class Money(ValueObject):
    amount: Decimal
    currency: str = "USD"


class OrderCreated(DomainEvent):
    order_id: str
    total: Money


class OrderLine(Entity[int]):
    price: Money


class Order(AuditableMixin, ArchivableMixin, AggregateRoot[str]):
    customer_id: str
    lines: list[OrderLine] = Field(default_factory=list[OrderLine])
    total: Money = Money(amount=Decimal(0))

    @classmethod
    def create(cls, order_id: str, customer_id: str) -> Self:
        order = cls(id=order_id, customer_id=customer_id)
        order.add_event(OrderCreated(aggregate_id=order_id, order_id=order_id, total=order.total))
        return order


class Parcel(AggregateRoot[UUID]):
    weight: int = 0


order = Order.create("order-1", "ada")
assert_type(order, Order)
assert_type(order.id, str)
assert_type(order.version, int)
assert_type(order.clear_events(), list[DomainEvent])
assert_type(order.collect_events(), list[DomainEvent])
assert_type(order.created_at, datetime)
assert_type(order.archived_by, str | None)
assert_type(order.lines[0].id, int)
assert_type(Order.reconstitute("order-1", version=3, customer_id="ada"), Order)


def what_a_parcel_has(parcel: Parcel) -> None:
    assert_type(parcel.id, UUID)


event = OrderCreated(order_id="order-1", total=Money(amount=Decimal(1)))
assert_type(event.total.currency, str)
assert_type(event.occurred_at, datetime)
assert_type(event.metadata, dict[str, Any])
assert_type(event.with_envelope(correlation_id="c-1"), OrderCreated)
assert_type(EventTypeRegistry(OrderCreated).hydrate("OrderCreated", {}), DomainEvent)
assert_type(EventTypeRegistry().get("OrderCreated"), type[DomainEvent])


class Large(Specification[Order]):
    def is_satisfied_by(self, candidate: Order, /) -> bool:
        return candidate.total.amount > 1000


rule = Large() & ~PredicateSpecification[Order](lambda candidate: candidate.is_archived)
assert_type(rule, AndSpecification[Order])
assert_type((rule | Large()).is_satisfied_by(order), bool)
