"""Stock: how much of each product is there to be sold."""

from __future__ import annotations

from cqrs_ddd_core import AggregateRoot, DomainEvent
from cqrs_ddd_core.primitives import InvariantViolationError

__all__ = ["OutOfStockError", "StockArrived", "StockItem", "StockReserved"]


class OutOfStockError(InvariantViolationError):
    """There is not enough of a product."""


class StockArrived(DomainEvent):
    """Goods have come in."""

    product: str
    quantity: int


class StockReserved(DomainEvent):
    """Goods were set aside for an order."""

    product: str
    quantity: int
    order_id: str
    left: int


class StockItem(AggregateRoot[str]):
    """The free pieces of one product, whose name is the id."""

    collection_name = "stock"

    free: int = 0

    def arrive(self, quantity: int) -> None:
        self.free += quantity
        self.add_event(StockArrived(product=self.id, quantity=quantity))

    def reserve(self, quantity: int, order_id: str) -> None:
        """Raises ``OutOfStockError`` when there are fewer pieces."""
        if quantity > self.free:
            raise OutOfStockError(f"Order {order_id} wants {quantity} of {self.id}, but only {self.free} are free.")
        self.free -= quantity
        self.add_event(StockReserved(product=self.id, quantity=quantity, order_id=order_id, left=self.free))
