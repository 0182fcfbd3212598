"""What can be asked for. A command says what is wanted and what a success gives back."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cqrs_ddd_core import Command
from orders.domain import Money

__all__ = ["AddLine", "ConfirmOrder", "PlaceOrder", "StockUp"]

type Pieces = Annotated[int, Field(ge=1, le=1000)]


class PlaceOrder(Command[str]):
    """Open an order; gives its id."""

    order_id: str
    customer: str


class AddLine(Command[Money]):
    """Put a product into an order; gives the new total."""

    order_id: str
    product: str
    quantity: Pieces


class ConfirmOrder(Command[Money]):
    """Order for good; gives what is to be paid."""

    order_id: str


class StockUp(Command[int]):
    """Goods have arrived; gives how many are free now."""

    product: str
    quantity: Pieces
