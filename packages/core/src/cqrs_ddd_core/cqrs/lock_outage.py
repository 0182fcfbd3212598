"""Telling a lock that is taken from a lock service that is down."""

from __future__ import annotations

from cqrs_ddd_core.ports.lock import ILockStrategy
from cqrs_ddd_core.primitives.exceptions import ConcurrencyError, LockAcquisitionError

__all__ = ["is_lock_outage"]


async def is_lock_outage(lock_strategy: ILockStrategy, error: LockAcquisitionError) -> bool:
    """Whether the lock was refused because locks cannot be had at all, and not because somebody holds it."""
    cause = error.__cause__
    if isinstance(cause, Exception) and not isinstance(cause, ConcurrencyError):
        return True
    try:
        return not await lock_strategy.health_check()
    except Exception:  # noqa: BLE001 - who cannot even say how it is does not work
        return True
