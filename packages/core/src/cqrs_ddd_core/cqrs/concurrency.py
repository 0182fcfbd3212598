"""Holding several locks at once, for as long as a block runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.ports.lock import ILockStrategy, LockLease
from cqrs_ddd_core.primitives.exceptions import (
    ConcurrencyError,
    ConfigurationError,
    LockAcquisitionError,
    LockLostError,
)
from cqrs_ddd_core.primitives.locking import ResourceIdentifier

__all__ = ["CriticalSection"]

logger = logging.getLogger(__name__)


class CriticalSection:
    """Locks on all resources while the block runs.

    ::

        async with CriticalSection([ResourceIdentifier("Order", "order-123")], lock_strategy, timeout=10.0) as section:
            await save(order, fencing_token=section.fencing_token(order_lock))

    Everybody takes locks in the same order, so that sections never wait for each other in a circle; a resource that
    is named twice is locked once, for writing if one of them says so. They are given back in reverse order, whatever
    happens, and before ``async with`` is left.

    ``ttl`` limits how long a dead process holds the locks, not how long the block may run: a heartbeat renews them
    three times per ``ttl``. When a lock is lost all the same, the block is cancelled and ``LockLostError`` raised.
    That is the best that can be done here, and not enough alone: a process that stood still notices late. Let the store
    that is protected check the fencing token, or versions, too.

    ``session_id`` makes locks re-entrant: a section within a section of the same session does not wait for itself.
    Use one only for work that is done one after another.
    """

    def __init__(
        self,
        resources: Iterable[ResourceIdentifier],
        lock_strategy: ILockStrategy,
        *,
        timeout: float = 10.0,
        ttl: float = 30.0,
        session_id: str | None = None,
    ) -> None:
        """``timeout`` is in seconds, for all locks together; 0 tries each once. ``ttl`` is in seconds."""
        if not timeout >= 0 or not ttl > 0:
            raise ValueError(f"timeout is 0 or more and ttl more than 0 seconds: found {timeout!r} and {ttl!r}.")
        self.resources = _in_order(resources)
        """What is locked, in the order in which it is."""
        self._strategy = lock_strategy
        self._timeout = timeout
        self._ttl = ttl
        self._session_id = session_id
        self._held: dict[ResourceIdentifier, LockLease] = {}
        self._valid_until: dict[ResourceIdentifier, float] = {}
        """When each lock ends if it is not renewed, on the clock of the event loop."""
        self._owner: asyncio.Task[Any] | None = None
        self._cancellations = 0
        """How many were under way when the section was entered. They are not ours."""
        self._heartbeat: asyncio.Task[None] | None = None
        self._lost: ResourceIdentifier | None = None

    # ------------------------------------------------------------------ what is held

    @property
    def leases(self) -> tuple[LockLease, ...]:
        """The locks that are held, in the order in which they were taken."""
        return tuple(self._held.values())

    @property
    def fencing_tokens(self) -> Mapping[str, int]:
        """The fencing token of each resource, by its key (``type:id``)."""
        return {resource.key: lease.fencing_token for resource, lease in self._held.items()}

    def fencing_token(self, resource: ResourceIdentifier) -> int:
        """The fencing token of one resource, whatever its mode. Raises ``KeyError`` when it is not held here."""
        return self.fencing_tokens[resource.key]

    # ------------------------------------------------------------------ the block

    async def __aenter__(self) -> Self:
        self._begin()
        try:
            await self._acquire_all()
        except BaseException as error:
            cancelled_by_us = self._end()
            await _finish(self._release_all())
            if self._lost is not None and (cancelled_by_us or not isinstance(error, asyncio.CancelledError)):
                raise LockAcquisitionError(
                    self._lost, self._timeout, "it was lost again while waiting for the others"
                ) from error
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        cancelled_by_us = self._end()
        await _finish(self._release_all())
        if self._lost is None:
            return
        if isinstance(exc, asyncio.CancelledError):
            # Somebody else wants this task to end too: that must not be turned into an error of ours.
            if not cancelled_by_us:
                return
        elif exc is not None and not isinstance(exc, Exception):
            return
        raise LockLostError(self._lost) from exc

    def _begin(self) -> None:
        if self._owner is not None:
            raise ConfigurationError("This critical section is entered already. Make one for each block.")
        owner = asyncio.current_task()
        assert owner is not None
        self._owner, self._cancellations = owner, owner.cancelling()
        self._lost = None

    def _end(self) -> bool:
        """No heartbeat and no cancellation from here on; whether we alone cancelled the block."""
        owner, self._owner = self._owner, None
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        assert owner is not None
        return self._lost is not None and owner.uncancel() <= self._cancellations

    # ------------------------------------------------------------------ taking and giving back

    async def _acquire_all(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        for resource in self.resources:
            await self._acquire(resource, max(0.0, deadline - loop.time()))
            if self._heartbeat is None:
                self._heartbeat = loop.create_task(self._keep(), name=f"keep the lock on {resource}")

    async def _acquire(self, resource: ResourceIdentifier, patience: float) -> None:
        loop = asyncio.get_running_loop()

        async def acquire() -> LockLease:
            lease = await self._strategy.acquire(resource, timeout=patience, ttl=self._ttl, session_id=self._session_id)
            # In here, so that it is given back even if the task is cancelled in a hook on the way out.
            self._held[resource] = lease
            self._valid_until[resource] = loop.time() + self._ttl
            return lease

        try:
            hooks = get_hook_registry()
            if hooks:
                attributes = {
                    "resource_type": resource.resource_type,
                    "resource_id": resource.resource_id,
                    "lock_mode": resource.lock_mode,
                    "timeout": patience,
                    "ttl": self._ttl,
                }
                await hooks.execute_all(f"lock.acquire.{resource.resource_type}", attributes, acquire)
            else:
                await acquire()
        except (ConcurrencyError, ConfigurationError):
            raise
        except Exception as error:
            raise LockAcquisitionError(resource, patience, f"{type(error).__name__}: {error}") from error

    async def _release_all(self) -> None:
        if self._heartbeat is not None:
            await asyncio.wait((self._heartbeat,))
            self._heartbeat = None
        for resource, lease in reversed(self._held.items()):
            try:
                # After its ttl the lock is free anyway: no use in waiting longer.
                async with asyncio.timeout(self._ttl):
                    was_held = await self._strategy.release(lease)
            except Exception:
                logger.exception("The lock on %s could not be released; it ends by itself", resource)
            else:
                if not was_held and resource != self._lost:
                    logger.warning("The lock on %s was lost before it was released", resource)
        self._held = {}
        self._valid_until = {}

    # ------------------------------------------------------------------ keeping

    async def _keep(self) -> None:
        """The heartbeat: renew every lock three times per ``ttl``, until one is lost."""
        pause = self._ttl / 3
        while True:
            await asyncio.sleep(pause)
            pause = self._ttl / 3
            for resource in list(self._held):
                try:
                    is_held = await self._renew(resource)
                except Exception as error:  # noqa: BLE001 - the lock service may come back before the lock has run out
                    logger.warning("The lock on %s could not be renewed: %r", resource, error)
                    is_held = asyncio.get_running_loop().time() < self._valid_until[resource]
                    pause = self._ttl / 15
                if not is_held:
                    self._lose(resource)
                    return

    async def _renew(self, resource: ResourceIdentifier) -> bool:
        """Hold the lock for longer; False when it has been lost."""
        asked = asyncio.get_running_loop().time()
        async with asyncio.timeout(max(self._valid_until[resource] - asked, self._ttl / 15)):
            lease = await self._strategy.extend(self._held[resource], ttl=self._ttl)
        if lease is None:
            return False
        self._held[resource] = lease
        self._valid_until[resource] = asked + self._ttl
        return True

    def _lose(self, resource: ResourceIdentifier) -> None:
        if self._owner is None:
            return
        logger.warning("The lock on %s was lost; the work under it is cancelled", resource)
        self._lost = resource
        self._owner.cancel()


def _in_order(resources: Iterable[ResourceIdentifier]) -> tuple[ResourceIdentifier, ...]:
    if isinstance(resources, ResourceIdentifier):  # pyright: ignore[reportUnnecessaryIsInstance]  # an easy mistake
        raise TypeError(f"Resources come as a list, found one: write [{resources!r}].")
    by_key: dict[tuple[str, str], ResourceIdentifier] = {}
    for resource in resources:
        name = (resource.resource_type, resource.resource_id)
        if name not in by_key or resource.lock_mode == "write":
            by_key[name] = resource
    return tuple(by_key[name] for name in sorted(by_key))


async def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Carry on to the end although the task is cancelled; then the cancellation goes on."""
    task = asyncio.create_task(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancellation = error
    task.result()
    if cancellation is not None:
        raise cancellation
