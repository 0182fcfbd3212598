"""Work to be done later, by whoever is free."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["BackgroundJobRecord", "BackgroundJobStatus", "IBackgroundJobRepository"]


class BackgroundJobStatus(StrEnum):
    """How far a job has come."""

    PENDING = "pending"
    """Waits until ``available_at``, then for a worker; also between two attempts."""
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    """Out of attempts. An operator can retry it."""
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in {BackgroundJobStatus.COMPLETED, BackgroundJobStatus.FAILED, BackgroundJobStatus.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundJobRecord:
    """One job as it is stored."""

    job_type: str
    payload: dict[str, Any]
    """JSON values."""
    job_id: str = field(default_factory=new_id)
    status: BackgroundJobStatus = BackgroundJobStatus.PENDING
    priority: int = 0
    """Higher runs first."""
    available_at: datetime = field(default_factory=utc_now)
    attempts: int = 0
    """How often it has been started."""
    max_retries: int = 3
    timeout_seconds: float | None = None
    unique_key: str | None = None
    """At most one job of a tenant that is not terminal has this key."""
    cancel_requested: bool = False
    processed_items: int = 0
    total_items: int = 0
    result: Any = None
    """JSON value."""
    error: str | None = None
    worker_id: str | None = None
    leased_until: datetime | None = None
    fence: int = 0
    """Rises with every claim. A worker with a lower one has lost the job."""
    version: int = 0
    """Set by the repository: 1 when added, one more with every change."""
    created_at: datetime = field(default_factory=utc_now)
    updated_at: datetime = field(default_factory=utc_now)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    tenant_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


@runtime_checkable
class IBackgroundJobRepository(Protocol):
    """Jobs. ``add``, ``get``, ``save`` and lists are in the current tenant and join the open unit of work."""

    async def add(self, jobs: Sequence[BackgroundJobRecord]) -> Sequence[BackgroundJobRecord]:
        """Store new jobs, in one round trip.

        A job whose ``unique_key`` is taken is not stored; the one that has the key is returned in its place. Raises
        ``OptimisticConcurrencyError`` for a job id that exists.
        """
        ...

    async def get(self, job_id: str) -> BackgroundJobRecord | None: ...

    async def save(self, job: BackgroundJobRecord) -> BackgroundJobRecord:
        """Store a changed job and return it with its new version.

        Raises ``OptimisticConcurrencyError`` when the stored version is not ``job.version``, or when another job that
        is not terminal has its ``unique_key``.
        """
        ...

    async def claim(
        self, limit: int, *, worker_id: str, hold: timedelta, job_types: Collection[str] | None = None
    ) -> Sequence[BackgroundJobRecord]:
        """Make up to ``limit`` due jobs of all tenants RUNNING under this worker and return them.

        Highest priority first, then the longest due. Counts an attempt and raises ``fence``. Two workers never get
        one job. Commits at once.
        """
        ...

    async def heartbeat(self, jobs: Sequence[BackgroundJobRecord], *, hold: timedelta) -> Sequence[BackgroundJobRecord]:
        """Hold claimed jobs of any tenant for ``hold`` from now; those returned are still ours. Commits at once.

        The returned records carry ``cancel_requested`` as it is now.
        """
        ...

    async def settle(self, job: BackgroundJobRecord) -> bool:
        """Store the outcome of a claimed job of any tenant, whatever its version, if ``fence`` is still ours.

        Joins the open unit of work. False when another worker has it or it is no longer RUNNING: nothing is changed.
        A ``cancel_requested`` that was set meanwhile stays.
        """
        ...

    async def expired(self, limit: int) -> Sequence[BackgroundJobRecord]:
        """RUNNING jobs of all tenants whose lease is over, oldest first."""
        ...

    async def list_jobs(
        self,
        *,
        statuses: Collection[BackgroundJobStatus] | None = None,
        job_type: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Sequence[BackgroundJobRecord]:
        """The newest first."""
        ...

    async def count_by_status(self) -> Mapping[BackgroundJobStatus, int]:
        """Every status has an entry."""
        ...

    async def purge(self, *, finished_before: datetime, limit: int = 1000) -> int:
        """Remove at most ``limit`` COMPLETED and CANCELLED jobs of all tenants that have an earlier ``finished_at``.

        Returns how many that were. FAILED jobs stay: somebody has to look at them.
        """
        ...

    async def wait_for_jobs(self, timeout: timedelta) -> bool:
        """Wait until there may be something to claim: True, or False after ``timeout``. May wake for nothing."""
        ...
