"""Commands to be sent later."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["ICommandSchedule", "ScheduleStatus", "ScheduledCommand"]


class ScheduleStatus(StrEnum):
    """How far a scheduled command has come."""

    SCHEDULED = "scheduled"
    DONE = "done"
    CANCELLED = "cancelled"
    PARKED = "parked"
    """It cannot be rebuilt, or failed too often; an operator has to look. It blocks nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledCommand:
    """One command that waits, once or again and again."""

    command_type: str
    payload: dict[str, Any]
    """JSON values."""
    due_at: datetime
    schedule_id: str = field(default_factory=new_id)
    status: ScheduleStatus = ScheduleStatus.SCHEDULED
    description: str = ""
    cron: str | None = None
    """The rule of a repeated one; None for once."""
    timezone: str = "UTC"
    """The IANA zone in which ``cron`` counts."""
    missed_runs: str = "once"
    """What happens to runs that were missed: "once" (one run for all), "all", "skip"."""
    attempts: int = 0
    """Failures of the run that is due."""
    error: str | None = None
    leased_until: datetime | None = None
    lease: str | None = None
    version: int = 0
    """Set by the store: 1 when added, one more with every change."""
    created_at: datetime = field(default_factory=utc_now)
    last_run_at: datetime | None = None
    correlation_id: str | None = None
    tenant_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


@runtime_checkable
class ICommandSchedule(Protocol):
    """Scheduled commands. Everything but ``claim_due`` joins the open unit of work of the same database."""

    async def add(self, entry: ScheduledCommand) -> ScheduledCommand:
        """Store a new entry, in the current tenant. Raises ``OptimisticConcurrencyError`` for an id that exists."""
        ...

    async def get(self, schedule_id: str) -> ScheduledCommand | None:
        """By id, in the current tenant."""
        ...

    async def save(self, entry: ScheduledCommand) -> ScheduledCommand:
        """Store a changed entry and return it with its new version.

        Raises ``OptimisticConcurrencyError`` when the stored version is not ``entry.version``.
        """
        ...

    async def claim_due(self, limit: int, *, hold: timedelta) -> Sequence[ScheduledCommand]:
        """Lease SCHEDULED entries of all tenants whose time has come, the longest due first. Commits at once.

        A lease ends after ``hold``, or when the entry is saved with ``lease`` None.
        """
        ...

    async def list_entries(
        self, *, statuses: Collection[ScheduleStatus] | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[ScheduledCommand]:
        """In the current tenant, the next due first."""
        ...

    async def next_due(self) -> datetime | None:
        """When ``claim_due`` finds something next, of any tenant; None when nothing is scheduled.

        That is when an entry is due, or for one that is leased, when its lease ends.
        """
        ...

    async def purge(self, *, finished_before: datetime, limit: int = 1000) -> int:
        """Remove at most ``limit`` DONE and CANCELLED entries of all tenants that were last saved before a time.

        Returns how many that were.
        """
        ...
