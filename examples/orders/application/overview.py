"""The overview of all orders: a read model, kept by those who hear of the events, somewhere else and a little later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cqrs_ddd_core import EventHandler, Query, QueryHandler, QueryOptions, QueryResponse
from cqrs_ddd_core.ports import IProjectionReader, IProjectionWriter, ProjectionRow
from orders.domain import OrderConfirmed, OrderEvent, OrderLineAdded, OrderPlaced

__all__ = ["OrderRow", "OverviewOfOrders", "OverviewOfOrdersHandler", "UpdateOverview"]

_COLLECTION = "order_overview"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One line of the overview."""

    order_id: str
    customer: str
    pieces: int
    total: str
    status: str


class UpdateOverview(EventHandler[OrderEvent]):
    """Writes what an event says into the row of its order."""

    def __init__(self, writer: IProjectionWriter, reader: IProjectionReader) -> None:
        self._writer = writer
        self._reader = reader

    async def handle(self, event: OrderEvent) -> None:
        row = await self._reader.get(_COLLECTION, event.order_id) or {}
        # With the version of the order, an event that comes a second time, or late, changes nothing.
        changed = ProjectionRow(
            row_id=event.order_id, data={**row, **_news(event, row)}, position=event.aggregate_version
        )
        await self._writer.upsert(_COLLECTION, changed)


def _news(event: OrderEvent, row: dict[str, Any]) -> dict[str, Any]:
    match event:
        case OrderPlaced():
            return {
                "order_id": event.order_id,
                "customer": event.customer,
                "pieces": 0,
                "total": "0.00 EUR",
                "status": "pending",
            }
        case OrderLineAdded():
            return {"pieces": row["pieces"] + event.line.quantity, "total": str(event.total)}
        case OrderConfirmed():
            return {"status": "confirmed", "total": str(event.total)}
        case _:
            return {}


class OverviewOfOrders(Query[list[OrderRow]]):
    """All orders, by their ids."""


class OverviewOfOrdersHandler(QueryHandler[list[OrderRow]]):
    """Reads the rows; no order is loaded."""

    def __init__(self, reader: IProjectionReader) -> None:
        self._reader = reader

    async def handle(self, query: OverviewOfOrders) -> QueryResponse[list[OrderRow]]:
        rows = await self._reader.search(_COLLECTION, QueryOptions().with_ordering("order_id"))
        return QueryResponse(result=[OrderRow(**row) for row in await rows])
