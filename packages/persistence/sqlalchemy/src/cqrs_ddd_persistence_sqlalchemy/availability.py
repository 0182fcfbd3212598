"""Telling relays and workers that there may be something for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from sqlalchemy import Table

from cqrs_ddd_core.adapters.arguments import longer_than_nothing
from cqrs_ddd_persistence_sqlalchemy.database import Database
from cqrs_ddd_persistence_sqlalchemy.notification import Notifications

__all__ = ["Availability"]

_SHORTEST_WAIT: Final = 0.01
"""Seconds. Whoever waits does not ask more often, whatever the clock of the process says."""


class Availability:
    """Waiting until a row of a table can be taken: one that was committed, or one whose time has come."""

    def __init__(self, database: Database, table: Table, poll_interval: timedelta) -> None:
        self._database = database
        self._poll_interval = longer_than_nothing(poll_interval, "poll_interval")
        self._notifications = Notifications.of(database, table.fullname)

    async def announce(self) -> None:
        """Tell those who wait, as soon as the open unit of work has committed; at once if there is none."""
        uow = self._database.ambient()
        if uow is None:
            await self._notifications.announce()
        else:
            uow.on_commit(self._notifications.announce)

    async def announce_now(self) -> None:
        """Tell those who wait of what was committed apart from the open unit of work."""
        await self._notifications.announce()

    async def wait(self, timeout: timedelta, seconds_until: Callable[[], Awaitable[float]]) -> bool:
        """Wait until ``seconds_until`` is 0: True, or False after ``timeout``.

        It looks into the database: the seconds until a row can be taken, infinity when there is none.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout.total_seconds()
        # Most of the time one look is enough; what waiters need is opened only for those who have to wait.
        if await seconds_until() <= 0:
            return True
        if deadline <= loop.time():
            return False
        async with self._notifications.waiter(self._poll_interval) as waiter:
            while True:
                until = await seconds_until()
                if until <= 0:
                    return True
                left = deadline - loop.time()
                if left <= 0:
                    return False
                await waiter.wait(min(left, max(until, _SHORTEST_WAIT)))
