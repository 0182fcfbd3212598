"""Taking turns on the one connection of a SQLite database in memory."""

from __future__ import annotations

import asyncio
from collections import deque

from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["Turn"]


class Turn:
    """Who may use the connection. All transactions would be one on it, and end with the first that ends.

    An owner is any object; it may take the turn that it has already.
    """

    def __init__(self) -> None:
        self._owner: object | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()

    def is_of(self, owner: object) -> bool:
        return self._owner is owner

    def take_now(self, owner: object) -> None:
        """Take the turn. Raises ``ConfigurationError`` when another one has it."""
        if self._owner is not None and self._owner is not owner:
            raise ConfigurationError(
                "This SQLite database in memory has one connection, and a transaction is open on it: another one at "
                "the same time would be mixed up with it. Use a file."
            )
        self._owner = owner

    async def take(self, owner: object) -> None:
        """Take the turn, after all who wait for it."""
        while self._owner is not None and self._owner is not owner:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(woken)
            try:
                await woken
            except asyncio.CancelledError:
                if woken.done() and not woken.cancelled():
                    self._wake_next()
                raise
        self._owner = owner

    def give_back(self, owner: object) -> None:
        """Let the next one have it; nothing happens when ``owner`` does not have it."""
        if self._owner is owner:
            self._owner = None
            self._wake_next()

    def _wake_next(self) -> None:
        while self._waiting:
            woken = self._waiting.popleft()
            if not woken.done():
                woken.set_result(None)
                return
