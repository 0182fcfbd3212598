"""Orders: what a customer wants to have."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from cqrs_ddd_core import AggregateRoot, DomainEvent, ValueObject
from cqrs_ddd_core.primitives import InvariantViolationError
from orders.domain.money import Money

__all__ = [
    "Order",
    "OrderConfirmed",
    "OrderEvent",
    "OrderLine",
    "OrderLineAdded",
    "OrderPlaced",
    "OrderRuleError",
    "OrderStatus",
]


class OrderRuleError(InvariantViolationError):
    """A rule of the shop says no; the text says which."""


class OrderStatus(StrEnum):
    """How far an order has come."""

    PENDING = "pending"
    CONFIRMED = "confirmed"


class OrderLine(ValueObject):
    """Some pieces of one product, at the price that was agreed."""

    product: str
    quantity: int
    price: Money
    """For one piece."""


class OrderEvent(DomainEvent):
    """Something that happened to an order."""

    order_id: str


class OrderPlaced(OrderEvent):
    """A customer has opened an order."""

    customer: str


class OrderLineAdded(OrderEvent):
    """A product was put into the order."""

    line: OrderLine
    total: Money
    """Of the whole order, with this line."""


class OrderConfirmed(OrderEvent):
    """The customer wants it for good."""

    customer: str
    lines: tuple[OrderLine, ...]
    total: Money


class Order(AggregateRoot[str]):
    """An order grows line by line until it is confirmed, and never changes after that."""

    customer: str
    lines: list[OrderLine] = Field(default_factory=list[OrderLine])
    status: OrderStatus = OrderStatus.PENDING

    @classmethod
    def place(cls, order_id: str, customer: str) -> Order:
        order = cls(id=order_id, customer=customer)
        order.add_event(OrderPlaced(order_id=order_id, customer=customer))
        return order

    @property
    def total(self) -> Money:
        total = Money(amount=Decimal(0))
        for line in self.lines:
            total += line.price.times(line.quantity)
        return total

    def add_line(self, product: str, quantity: int, price: Money) -> None:
        """Raises ``OrderRuleError`` for a confirmed order, and for less than one piece."""
        self._must_be_pending()
        if quantity < 1:
            raise OrderRuleError(f"Order {self.id}: {quantity} pieces of {product} cannot be ordered.")
        line = OrderLine(product=product, quantity=quantity, price=price)
        self.lines.append(line)
        self.add_event(OrderLineAdded(order_id=self.id, line=line, total=self.total))

    def confirm(self) -> None:
        """Raises ``OrderRuleError`` for a confirmed order, and for one without lines."""
        self._must_be_pending()
        if not self.lines:
            raise OrderRuleError(f"Order {self.id} is empty, so there is nothing to confirm.")
        self.status = OrderStatus.CONFIRMED
        self.add_event(
            OrderConfirmed(order_id=self.id, customer=self.customer, lines=tuple(self.lines), total=self.total)
        )

    def _must_be_pending(self) -> None:
        if self.status is not OrderStatus.PENDING:
            raise OrderRuleError(f"Order {self.id} is {self.status}: it cannot be changed any more.")
