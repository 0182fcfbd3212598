"""What the application needs from outside. Who starts it says who does it: see ``wiring``."""

from __future__ import annotations

from typing import Protocol

from orders.domain import Money

__all__ = ["Catalogue", "Mailer"]


class Catalogue(Protocol):
    """Knows the prices. It belongs to another team, somewhere on the network."""

    async def price_of(self, product: str) -> Money:
        """The price of one piece. Raises ``LookupError`` for a product that is not sold."""
        ...


class Mailer(Protocol):
    """Sends mail. What it has sent cannot be taken back."""

    async def send(self, *, to: str, subject: str) -> None: ...
