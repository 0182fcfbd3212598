"""Locks on what a message names as critical, until everything is committed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Self
from weakref import WeakKeyDictionary

from cqrs_ddd_core.cqrs.concurrency import CriticalSection
from cqrs_ddd_core.cqrs.lock_outage import is_lock_outage
from cqrs_ddd_core.middleware.nesting import enclosing_unit_of_work
from cqrs_ddd_core.ports.lock import ILockStrategy
from cqrs_ddd_core.ports.middleware import NextHandler, Stage
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, LockAcquisitionError
from cqrs_ddd_core.primitives.id_generator import new_id
from cqrs_ddd_core.primitives.locking import ResourceIdentifier

__all__ = ["ConcurrencyGuardMiddleware"]

logger = logging.getLogger(__name__)


class _Session:
    """The locks of one outermost message and of all that is nested in it."""

    # Made for every outermost message, also for those that lock nothing: everything else when it is needed.
    _id: str | None = None
    _held: AsyncExitStack | None = None

    def __init__(self) -> None:
        self.task = asyncio.current_task()

    @property
    def id(self) -> str:
        # Not the correlation id: two commands of one request would be let into one lock at the same time.
        if self._id is None:
            self._id = new_id()
        return self._id

    @property
    def held(self) -> AsyncExitStack:
        """What is left when the transaction is over, the last first."""
        if self._held is None:
            self._held = AsyncExitStack()
        return self._held

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._held is not None:
            await self._held.__aexit__(exc_type, exc, traceback)


_session: ContextVar[_Session | None] = ContextVar("cqrs_ddd_lock_session", default=None)
_sessions: WeakKeyDictionary[UnitOfWork, _Session] = WeakKeyDictionary()
"""Of units of work whose outermost message went through no guard."""


class ConcurrencyGuardMiddleware:
    """Holds locks on ``message.get_critical_resources()`` while the message is handled and committed.

    ::

        class Withdraw(Command[None]):
            account_id: str

            def get_critical_resources(self) -> Sequence[ResourceIdentifier]:
                return [ResourceIdentifier("Account", self.account_id)]

    Locks are taken before the unit of work opens and given back after its commit or rollback. A nested message locks
    too, and what it locked is kept until the outermost message has committed; within one outermost message a resource
    is never waited for twice. Nested messages take their locks later than the outer one, so two commands can wait for
    each other: the timeout ends that. Name everything in the outermost command where it matters.

    ``LockAcquisitionError`` is raised when a lock is not free within ``timeout`` seconds, for all of them together, and
    ``LockLostError`` when one is lost while the handler runs; ``ttl`` (seconds) is how long the locks of a dead process
    stay. With ``fail_open`` messages are handled without locks while the lock service is down: for locks that save
    work and do not protect anything. A lock that somebody else holds is waited for all the same.
    """

    stage: Final = Stage.AROUND
    priority: Final = 50

    def __init__(
        self, lock_strategy: ILockStrategy, *, timeout: float = 10.0, ttl: float = 30.0, fail_open: bool = False
    ) -> None:
        if not timeout >= 0 or not ttl > 0:
            raise ConfigurationError(
                f"timeout is 0 or more and ttl more than 0 seconds: found {timeout!r} and {ttl!r}."
            )
        self._locks = lock_strategy
        self._timeout = timeout
        self._ttl = ttl
        self._fail_open = fail_open

    def describe(self) -> str:
        opened = ", handles without locks while the lock service is down" if self._fail_open else ""
        return f"locks what the message names as critical until the commit{opened}"

    async def __call__(self, message: Any, next_handler: NextHandler, /) -> Any:
        resources = message.get_critical_resources()
        uow = enclosing_unit_of_work()
        if uow is None:
            return await self._outermost(message, next_handler, resources)
        if not resources:
            return await next_handler(message)
        return await self._nested(message, next_handler, resources, _session_of(uow))

    async def _outermost(self, message: Any, next_handler: NextHandler, resources: Sequence[ResourceIdentifier]) -> Any:
        session = _Session()
        token = _session.set(session)
        try:
            async with session:
                if resources:
                    await self._lock(session.held, resources, session, message)
                return await next_handler(message)
        finally:
            _session.reset(token)

    async def _nested(
        self, message: Any, next_handler: NextHandler, resources: Sequence[ResourceIdentifier], session: _Session
    ) -> Any:
        # What fails was undone by its savepoint and needs its locks no more; what succeeds is not committed yet.
        async with AsyncExitStack() as stack:
            await self._lock(stack, resources, session, message)
            response = await next_handler(message)
            session.held.push_async_exit(stack.pop_all())
            return response

    async def _lock(
        self, stack: AsyncExitStack, resources: Sequence[ResourceIdentifier], session: _Session, message: Any
    ) -> None:
        section = CriticalSection(resources, self._locks, timeout=self._timeout, ttl=self._ttl, session_id=session.id)
        try:
            await stack.enter_async_context(section)
        except LockAcquisitionError as error:
            if not self._fail_open or not await is_lock_outage(self._locks, error):
                raise
            logger.warning(
                "%s is handled without its locks, because the lock service is down: %s", type(message).__name__, error
            )


def _session_of(uow: UnitOfWork) -> _Session:
    """The session of the outermost message of a nested one."""
    session = _session.get()
    # A task that a handler has started inherits the variable, but not the locks: it is another line of work.
    if session is not None and session.task is asyncio.current_task():
        return session
    session = _sessions.get(uow)
    if session is None:
        session = _sessions[uow] = _Session()
        uow.on_close(session.held.aclose)
    return session
