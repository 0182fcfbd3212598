"""What follows from an event by itself, in this process."""

from __future__ import annotations

from cqrs_ddd_core import EventHandler, get_current_uow
from orders.application.services import Mailer
from orders.domain import OrderConfirmed, OutOfStockError, StockItem

__all__ = ["ReserveStock", "SendConfirmation"]


class ReserveStock(EventHandler[OrderConfirmed]):
    """Sets the goods aside. Runs before the commit: without goods there is no confirmed order."""

    async def handle(self, event: OrderConfirmed) -> None:
        stock = get_current_uow().repository(StockItem)
        for line in event.lines:
            item = await stock.get(line.product)
            if item is None:
                raise OutOfStockError(f"Order {event.order_id} wants {line.product}, of which there was never any.")
            item.reserve(line.quantity, event.order_id)


class SendConfirmation(EventHandler[OrderConfirmed]):
    """Tells the customer. Runs after the commit: a mail cannot be taken back."""

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    async def handle(self, event: OrderConfirmed) -> None:
        await self._mailer.send(to=event.customer, subject=f"Order {event.order_id}: {event.total} to pay")
