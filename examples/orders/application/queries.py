"""What can be asked about. A query says what the answer is; answering changes nothing."""

from __future__ import annotations

from cqrs_ddd_core import Query, QueryHandler, QueryResponse, get_current_uow
from cqrs_ddd_core.primitives import EntityNotFoundError
from orders.domain import Order, OrderStatus, StockItem

__all__ = ["FreeStock", "FreeStockHandler", "StatusOfOrder", "StatusOfOrderHandler"]


class StatusOfOrder(Query[OrderStatus]):
    """Ask how far an order is."""

    order_id: str


class StatusOfOrderHandler(QueryHandler[OrderStatus]):
    """Asks the order itself: the answer is true now, and not a little later."""

    async def handle(self, query: StatusOfOrder) -> QueryResponse[OrderStatus]:
        order = await get_current_uow().repository(Order).get(query.order_id)
        if order is None:
            raise EntityNotFoundError("Order", query.order_id)
        return QueryResponse(result=order.status)


class FreeStock(Query[int]):
    """Ask how many pieces of a product are free."""

    product: str


class FreeStockHandler(QueryHandler[int]):
    """Asks the stock. Of a product that was never there, none is free."""

    async def handle(self, query: FreeStock) -> QueryResponse[int]:
        item = await get_current_uow().repository(StockItem).get(query.product)
        return QueryResponse(result=0 if item is None else item.free)
