"""What carries the commands out, each in one unit of work."""

from __future__ import annotations

from cqrs_ddd_core import CommandHandler, CommandResponse, get_current_uow
from cqrs_ddd_core.primitives import EntityNotFoundError
from orders.application.commands import AddLine, ConfirmOrder, PlaceOrder, StockUp
from orders.application.services import Catalogue
from orders.domain import Money, Order, OrderRuleError, StockItem

__all__ = ["AddLineHandler", "ConfirmOrderHandler", "PlaceOrderHandler", "StockUpHandler"]


async def _order(order_id: str) -> Order:
    order = await get_current_uow().repository(Order).get(order_id)
    if order is None:
        raise EntityNotFoundError("Order", order_id)
    return order


class PlaceOrderHandler(CommandHandler[str]):
    """Opens an order; refuses an id that is taken."""

    async def handle(self, command: PlaceOrder) -> CommandResponse[str]:
        orders = get_current_uow().repository(Order)
        if await orders.get(command.order_id) is not None:
            raise OrderRuleError(f"There is an order {command.order_id} already.")
        order = Order.place(command.order_id, command.customer)
        await orders.add(order)
        return CommandResponse(result=order.id, events=order.clear_events())


class AddLineHandler(CommandHandler[Money]):
    """Puts a product into an order, at today's price."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def handle(self, command: AddLine) -> CommandResponse[Money]:
        order = await _order(command.order_id)
        # While this waits, somebody else may change the same order: whoever commits first wins.
        price = await self._catalogue.price_of(command.product)
        order.add_line(command.product, command.quantity, price)
        return CommandResponse(result=order.total, events=order.clear_events())


class ConfirmOrderHandler(CommandHandler[Money]):
    """Confirms an order. What has to follow is in ``reactions``."""

    async def handle(self, command: ConfirmOrder) -> CommandResponse[Money]:
        order = await _order(command.order_id)
        order.confirm()
        return CommandResponse(result=order.total, events=order.clear_events())


class StockUpHandler(CommandHandler[int]):
    """Takes goods in, also of a product that was never there."""

    async def handle(self, command: StockUp) -> CommandResponse[int]:
        stock = get_current_uow().repository(StockItem)
        item = await stock.get(command.product) or StockItem(id=command.product)
        item.arrive(command.quantity)
        await stock.add(item)
        return CommandResponse(result=item.free, events=item.clear_events())
