"""Locks within one process."""

from __future__ import annotations

import asyncio
import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cqrs_ddd_core.adapters.memory.store import InMemoryStore, resolve_store
from cqrs_ddd_core.ports.lock import ILockStrategy, LockLease
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import LockAcquisitionError
from cqrs_ddd_core.primitives.id_generator import new_id
from cqrs_ddd_core.primitives.locking import LockMode, ResourceIdentifier

__all__ = ["InMemoryLockStrategy"]

_LOOK_AGAIN = 0.1
"""Seconds. A clock that is moved by hand tells nobody, so those who wait for a lease to run out look at it."""


type _Key = tuple[str, str]
"""Type and id of a resource: both modes of it are one lock."""


@dataclass(eq=False, slots=True)
class _Holding:
    """What one session holds of one resource: every acquisition of it, until as many releases."""

    session_id: str
    expires_at: datetime
    leases: dict[str, LockLease] = field(default_factory=dict[str, LockLease])
    """By token."""

    @property
    def mode(self) -> LockMode:
        writing = any(lease.resource.lock_mode == "write" for lease in self.leases.values())
        return "write" if writing else "read"

    def last_fencing_token(self) -> int:
        return max(lease.fencing_token for lease in self.leases.values())


@dataclass(eq=False, slots=True)
class _Waiter:
    resource: ResourceIdentifier
    ttl: float
    session_id: str
    owns_session: bool
    """Whether the caller named the session; else it was made up for this one acquisition."""
    granted: asyncio.Future[LockLease | None]
    """None: not in time."""


@dataclass(eq=False, slots=True)
class _Lock:
    """One resource, while somebody holds it or waits for it."""

    holdings: dict[str, _Holding] = field(default_factory=dict[str, _Holding])
    """By session. One writer, or any number of readers."""
    queue: list[_Waiter] = field(default_factory=list[_Waiter])
    timer: asyncio.TimerHandle | None = None


_locks: weakref.WeakKeyDictionary[InMemoryStore, dict[_Key, _Lock]] = weakref.WeakKeyDictionary()


class InMemoryLockStrategy(ILockStrategy):
    """Locks between the tasks of one event loop; all strategies on one store are one.

    Strictly first come, first served: a reader that comes after a waiting writer waits behind it. Only a session that
    holds the resource passes by. Leases run on the clock of the process.

    A session that alone reads a resource may go on to write it. While others read it too that is refused at once:
    two who wait for each other's end of reading would wait for ever.
    """

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    async def acquire(
        self, resource: ResourceIdentifier, *, timeout: float = 10.0, ttl: float = 30.0, session_id: str | None = None
    ) -> LockLease:
        if not timeout >= 0:
            raise ValueError(f"timeout is a number of seconds from 0, found {timeout!r}.")
        _check_ttl(ttl)
        loop = asyncio.get_running_loop()
        waiter = _Waiter(resource, ttl, session_id or new_id(), session_id is not None, loop.create_future())
        locks = self._locks()
        lock = locks.get(_key(resource))
        if lock is None:
            lock = locks[_key(resource)] = _Lock()
        _end_what_ran_out(lock)
        _refuse_upgrade_among_readers(lock, waiter, timeout)
        lock.queue.append(waiter)
        self._serve(_key(resource))
        if timeout == 0:
            self._give_up(waiter)
        timer = None if math.isinf(timeout) else loop.call_later(timeout, self._give_up, waiter)
        try:
            lease = await waiter.granted
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if lease is None:
            raise LockAcquisitionError(resource, timeout, self._who_is_in_the_way(resource))
        return lease

    async def extend(self, lease: LockLease, *, ttl: float = 30.0) -> LockLease | None:
        _check_ttl(ttl)
        self._serve(_key(lease.resource))
        holding = self._holding(lease)
        if holding is None:
            return None
        # A section within a section must not shorten the time of the outer one: they hold one lock.
        holding.expires_at = max(holding.expires_at, utc_now() + timedelta(seconds=ttl))
        extended = replace(holding.leases[lease.token], expires_at=holding.expires_at)
        holding.leases[lease.token] = extended
        return extended

    async def release(self, lease: LockLease) -> bool:
        return self._release(lease)

    async def health_check(self) -> bool:
        return True

    async def get_active_locks(self) -> Sequence[LockLease]:
        locks = self._locks()
        for key in list(locks):
            self._serve(key)
        return [
            replace(lease, expires_at=holding.expires_at)
            for lock in locks.values()
            for holding in lock.holdings.values()
            for lease in holding.leases.values()
        ]

    # Everything below is synchronous: between two awaits of the loop nobody can come in between.

    def _locks(self) -> dict[_Key, _Lock]:
        return _locks.setdefault(resolve_store(self._store), {})

    def _holding(self, lease: LockLease) -> _Holding | None:
        """The holding that this lease belongs to, while it is held."""
        lock = self._locks().get(_key(lease.resource))
        for holding in lock.holdings.values() if lock is not None else ():
            if lease.token in holding.leases:
                return holding
        return None

    def _serve(self, key: _Key) -> None:
        """End what has run out, and let in who may come in now, in the order of the queue."""
        lock = self._locks().get(key)
        if lock is None:
            return
        _end_what_ran_out(lock)
        waiting, lock.queue = lock.queue, []
        for waiter in waiting:
            if waiter.granted.done():
                continue  # cancelled: its task has not come round to taking it out
            if _may_enter(lock, waiter):
                waiter.granted.set_result(self._enter(lock, waiter))
            else:
                lock.queue.append(waiter)
        self._look_again_later(key, lock)

    def _enter(self, lock: _Lock, waiter: _Waiter) -> LockLease:
        now = utc_now()
        expires_at = now + timedelta(seconds=waiter.ttl)
        holding = lock.holdings.get(waiter.session_id)
        if holding is None:
            fencing_token = self._next_fencing_token()
            holding = lock.holdings[waiter.session_id] = _Holding(waiter.session_id, expires_at)
        elif waiter.resource.lock_mode == "write" and holding.mode == "read":
            fencing_token = self._next_fencing_token()  # a new writer
        else:
            fencing_token = holding.last_fencing_token()  # the same holder: its own writes must not become stale
        holding.expires_at = max(holding.expires_at, expires_at)
        lease = LockLease(
            resource=waiter.resource,
            token=new_id(),
            fencing_token=fencing_token,
            acquired_at=now,
            expires_at=holding.expires_at,
            session_id=waiter.session_id if waiter.owns_session else None,
        )
        holding.leases[lease.token] = lease
        return lease

    def _next_fencing_token(self) -> int:
        # One sequence for all resources rises for each of them, and needs no memory of resources that are idle.
        return resolve_store(self._store).next_number("lock.fencing_token")

    def _release(self, lease: LockLease) -> bool:
        key = _key(lease.resource)
        self._serve(key)
        holding = self._holding(lease)
        if holding is None:
            return False
        del holding.leases[lease.token]
        if not holding.leases:
            del self._locks()[key].holdings[holding.session_id]
        self._serve(key)
        return True

    def _give_up(self, waiter: _Waiter) -> None:
        """Its time is up, unless it was let in meanwhile."""
        if not waiter.granted.done():
            self._leave_queue(waiter)
            waiter.granted.set_result(None)

    def _abandon(self, waiter: _Waiter) -> None:
        """Nobody waits any more; what was granted in the same moment goes back."""
        if waiter.granted.cancelled():
            self._leave_queue(waiter)
        elif (lease := waiter.granted.result()) is not None:
            self._release(lease)

    def _leave_queue(self, waiter: _Waiter) -> None:
        key = _key(waiter.resource)
        lock = self._locks().get(key)
        if lock is not None and waiter in lock.queue:
            lock.queue.remove(waiter)
        self._serve(key)  # it may have been a writer, with readers behind it that may go on now

    def _look_again_later(self, key: _Key, lock: _Lock) -> None:
        if lock.timer is not None:
            lock.timer.cancel()
            lock.timer = None
        if lock.queue:
            first_end = min(holding.expires_at for holding in lock.holdings.values())
            delay = min(max((first_end - utc_now()).total_seconds(), 0.001), _LOOK_AGAIN)
            lock.timer = asyncio.get_running_loop().call_later(delay, self._serve, key)
        elif not lock.holdings:
            del self._locks()[key]

    def _who_is_in_the_way(self, resource: ResourceIdentifier) -> str:
        lock = self._locks().get(_key(resource))
        if lock is None or not lock.holdings:
            return "it became free only afterwards"
        mode = next(iter(lock.holdings.values())).mode
        ends = min(holding.expires_at for holding in lock.holdings.values())
        return f"{len(lock.holdings)} hold it for {mode}, until {ends.isoformat()} at the earliest unless extended"


def _key(resource: ResourceIdentifier) -> _Key:
    return (resource.resource_type, resource.resource_id)


def _end_what_ran_out(lock: _Lock) -> None:
    now = utc_now()
    for session_id, holding in list(lock.holdings.items()):
        if holding.expires_at <= now:
            del lock.holdings[session_id]


def _may_enter(lock: _Lock, waiter: _Waiter) -> bool:
    """Whether this waiter, who has the present queue before it, may have the lock now."""
    own = lock.holdings.get(waiter.session_id)
    wants_to_write = waiter.resource.lock_mode == "write"
    if own is not None:
        return not wants_to_write or own.mode == "write" or len(lock.holdings) == 1
    if lock.queue:
        return False
    return not lock.holdings or (
        not wants_to_write and all(holding.mode == "read" for holding in lock.holdings.values())
    )


def _refuse_upgrade_among_readers(lock: _Lock, waiter: _Waiter, timeout: float) -> None:
    own = lock.holdings.get(waiter.session_id)
    if own is None or waiter.resource.lock_mode == "read" or own.mode == "write" or len(lock.holdings) == 1:
        return
    raise LockAcquisitionError(
        waiter.resource,
        timeout,
        f"session {waiter.session_id!r} and others read it, and two that wait for each other to stop reading "
        "would wait for ever; lock it for writing from the start",
    )


def _check_ttl(ttl: float) -> None:
    if not 0 < ttl < math.inf:
        raise ValueError(f"ttl is a number of seconds above 0, found {ttl!r}.")
