"""Locks between processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from cqrs_ddd_core.primitives.locking import ResourceIdentifier

__all__ = ["ILockStrategy", "LockLease"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockLease:
    """A lock that is held, until ``expires_at`` unless it is extended."""

    resource: ResourceIdentifier
    token: str
    """Proof of this holding."""
    fencing_token: int
    """Rises with every new holder of the resource. A store that remembers the highest one refuses a stale holder.

    The same for every acquisition of one session, as long as it holds the resource in the same mode.
    """
    acquired_at: datetime
    expires_at: datetime
    session_id: str | None = None


@runtime_checkable
class ILockStrategy(Protocol):
    """Locks on resources: one writer, or any number of readers. They run out by themselves.

    A lock belongs to a session: acquiring it again with the same ``session_id`` succeeds at once (re-entrant) and
    must be released as often. Without a session id every acquisition is a session of its own. Waiting writers are
    not overtaken for ever by readers.
    """

    async def acquire(
        self, resource: ResourceIdentifier, *, timeout: float = 10.0, ttl: float = 30.0, session_id: str | None = None
    ) -> LockLease:
        """Wait up to ``timeout`` seconds (0: do not wait) for the lock and hold it for ``ttl`` seconds.

        Raises ``LockAcquisitionError`` when it is not free in time. A cancelled wait leaves nothing behind.
        """
        ...

    async def extend(self, lease: LockLease, *, ttl: float = 30.0) -> LockLease | None:
        """Hold the lock for ``ttl`` seconds from now, or longer if it was; None when it has been lost."""
        ...

    async def release(self, lease: LockLease) -> bool:
        """Give it back. False when it had been lost; then nothing is touched."""
        ...

    async def health_check(self) -> bool:
        """Whether locks can be had at all."""
        ...

    async def get_active_locks(self) -> Sequence[LockLease]:
        """The locks that are held now, as far as this object knows."""
        ...
