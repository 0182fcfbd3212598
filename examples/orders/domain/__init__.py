"""The business of the shop: orders, stock, money. It knows nothing of commands, storage or mail."""

from orders.domain.money import Money
from orders.domain.order import (
    Order,
    OrderConfirmed,
    OrderEvent,
    OrderLine,
    OrderLineAdded,
    OrderPlaced,
    OrderRuleError,
    OrderStatus,
)
from orders.domain.stock import OutOfStockError, StockArrived, StockItem, StockReserved

__all__ = [
    "Money",
    "Order",
    "OrderConfirmed",
    "OrderEvent",
    "OrderLine",
    "OrderLineAdded",
    "OrderPlaced",
    "OrderRuleError",
    "OrderStatus",
    "OutOfStockError",
    "StockArrived",
    "StockItem",
    "StockReserved",
]
