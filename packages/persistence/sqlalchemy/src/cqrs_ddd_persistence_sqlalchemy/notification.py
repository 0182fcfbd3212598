"""Telling those who wait that something was committed.

A notification is a hint and never the news itself: whoever waits also looks by itself now and then. So it may be lost,
and one that follows another one closely is not sent at all.

It is sent after the commit and not as a part of it: PostgreSQL lets the commits of transactions that notify happen only
one after another, so that every writer would wait for every other one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from cqrs_ddd_persistence_sqlalchemy.completion import completed
from cqrs_ddd_persistence_sqlalchemy.database import Database

__all__ = ["Notifications", "Waiter"]

logger = logging.getLogger(__name__)

_QUIET: Final = 0.02
"""Seconds after a notification in which this process sends no other one on the same channel."""
_SOON: Final = 0.025
"""Seconds. The first look after something has happened; longer than the time in which nothing is sent."""
_LISTEN_AGAIN: Final = 5.0
"""Seconds until a lost listening connection is tried again."""


class Notifications:
    """One channel of one database. Waiters in this process hear of a commit directly, others by LISTEN and NOTIFY."""

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel
        self._waiters: set[Waiter] = set()
        self._sent_at = float("-inf")
        self._listener = _Listener(database, channel, self._wake)

    @classmethod
    def of(cls, database: Database, channel: str) -> Notifications:
        """The one object for a channel, so that all adapters on it hear each other."""
        found: Notifications | None = database.channels.get(channel)
        if found is None:
            found = database.channels[channel] = cls(database, channel)
        return found

    async def announce(self) -> None:
        """Something was committed. Never fails: what was committed is committed."""
        self._wake()
        now = time.monotonic()
        if not self._database.is_postgresql or now - self._sent_at < _QUIET:
            return
        self._sent_at = now
        try:
            await self._database.driver(lambda driver: driver.fetchval("SELECT pg_notify($1, '')", self._channel))
        except Exception:  # noqa: BLE001 - whatever it is, the commit stands
            logger.warning("A notification on %s was not sent; readers will look by themselves", self._channel)

    @asynccontextmanager
    async def waiter(self, longest: timedelta) -> AsyncGenerator[Waiter]:
        """Hear of commits from now on. A waiter that hears nothing looks by itself after ``longest`` at the latest."""
        waiter = Waiter(longest.total_seconds())
        self._waiters.add(waiter)
        self._listener.join()
        try:
            yield waiter
        finally:
            self._waiters.discard(waiter)
            await completed(self._listener.leave())

    def _wake(self) -> None:
        for waiter in self._waiters:
            waiter.wake()


class Waiter:
    """Waits for the next commit. Looks soon after something has happened, then less and less often."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._pause = min(_SOON, longest)
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something was committed."""
        self._pause = min(_SOON, self._longest)
        self._woken.set()

    async def wait(self, at_most: float | None = None) -> None:
        """Return when something was committed, or when it is time to look: after ``at_most`` seconds, if given."""
        pause = self._pause if at_most is None else min(self._pause, at_most)
        try:
            async with asyncio.timeout(pause):
                await self._woken.wait()
        except TimeoutError:
            self._pause = min(self._pause * 2, self._longest)
        self._woken.clear()


class _Listener:
    """One connection that listens for all waiters of a channel in this process, for as long as there are any."""

    def __init__(self, database: Database, channel: str, wake: Any) -> None:
        self._database = database
        self._channel = channel
        self._wake = wake
        self._users = 0
        self._connection: PoolProxiedConnection | None = None
        self._keeping: asyncio.Task[None] | None = None

    def join(self) -> None:
        self._users += 1
        if self._users == 1 and self._database.is_postgresql:
            self._keeping = asyncio.create_task(self._keep_listening(), name=f"listen {self._channel}")

    async def leave(self) -> None:
        self._users -= 1
        keeping = self._keeping
        if self._users == 0 and keeping is not None:
            self._keeping = None
            keeping.cancel()
            await asyncio.wait({keeping})

    async def _keep_listening(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it is, readers go on by themselves until it works again
                logger.warning("Listening on %s stopped and is tried again soon: %r", self._channel, error)
            await asyncio.sleep(_LISTEN_AGAIN)

    async def _listen(self) -> None:
        raw = await self._database.engine.raw_connection()
        # Out of the pool: it is held for long, and whoever waits for events must not take connections from commands.
        driver: Any = raw.driver_connection
        raw.detach()
        lost = asyncio.Event()

        def lost_now(_connection: object) -> None:
            lost.set()

        def heard(*_notification: object) -> None:
            self._wake()

        try:
            driver.add_termination_listener(lost_now)
            await driver.add_listener(self._channel, heard)
            self._wake()  # what was committed until now was not heard
            await lost.wait()
        finally:
            await completed(greenlet_spawn(raw.close))
