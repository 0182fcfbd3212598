"""Money: an amount and its currency, exact to the cent."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from cqrs_ddd_core import ValueObject

__all__ = ["Money"]


class Money(ValueObject):
    """``Money(amount=Decimal("12.50"))``. Amounts of different currencies do not add up."""

    amount: Annotated[Decimal, Field(decimal_places=2)]
    currency: str = "EUR"

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"{self} and {other} are different currencies.")
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def times(self, quantity: int) -> Money:
        return Money(amount=self.amount * quantity, currency=self.currency)

    def __str__(self) -> str:
        return f"{self.amount:.2f} {self.currency}"
