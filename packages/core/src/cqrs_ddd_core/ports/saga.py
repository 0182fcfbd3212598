"""Running sagas."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.primitives.clock import utc_now

__all__ = ["ISagaRepository", "SagaRecord", "SagaStatus"]


class SagaStatus(StrEnum):
    """How far a saga has come."""

    PENDING = "pending"
    RUNNING = "running"
    SUSPENDED = "suspended"
    """Waits for somebody or something outside."""
    COMPENSATING = "compensating"
    STUCK = "stuck"
    """A compensation cannot succeed; an operator has to look."""
    COMPLETED = "completed"
    COMPENSATED = "compensated"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        return self in {SagaStatus.COMPLETED, SagaStatus.COMPENSATED, SagaStatus.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaRecord:
    """One saga instance as it is stored."""

    saga_id: str
    saga_type: str
    key: str
    """What its events have in common; one instance per saga type, key and tenant."""
    status: SagaStatus
    body: dict[str, Any]
    """Its state, history, commands to send, compensations and timers, as JSON values."""
    version: int = 0
    """Set by the repository: 1 when added, one more with every save and every claim."""
    definition: str = ""
    """The fingerprint of the definition that it was started under."""
    wake_at: datetime | None = None
    """When it wants to be looked at again, for commands to send, retries or timers; None for not by itself."""
    leased_until: datetime | None = None
    lease: str | None = None
    correlation_id: str | None = None
    tenant_id: str | None = None
    created_at: datetime = field(default_factory=utc_now)
    updated_at: datetime = field(default_factory=utc_now)


@runtime_checkable
class ISagaRepository(Protocol):
    """Saga instances. Everything but ``claim_due`` joins the open unit of work of the same database."""

    async def get(self, saga_id: str) -> SagaRecord | None:
        """By id, in the current tenant."""
        ...

    async def find(self, saga_type: str, key: str) -> SagaRecord | None:
        """By type and key, in the current tenant, whatever its status."""
        ...

    async def add(self, record: SagaRecord) -> SagaRecord:
        """Store a new instance. Raises ``OptimisticConcurrencyError``, here or at the commit, if there is one."""
        ...

    async def save(self, record: SagaRecord) -> SagaRecord:
        """Store a changed instance and return it with its new version, ``updated_at`` now.

        Raises ``OptimisticConcurrencyError``, here or at the commit, when the stored version is not
        ``record.version``.
        """
        ...

    async def claim_due(self, limit: int, *, hold: timedelta) -> Sequence[SagaRecord]:
        """Lease instances of all tenants whose ``wake_at`` has come, oldest first; a lease ends after ``hold``.

        Whatever their status: one that has ended may still have commands to send. Whoever had loaded one before cannot
        save it any more. Saving a record with ``lease`` None ends the lease. Commits at once.
        """
        ...

    async def list_sagas(
        self,
        *,
        statuses: Collection[SagaStatus] | None = None,
        saga_type: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[SagaRecord]:
        """In the current tenant, the most recently updated first."""
        ...

    async def purge(self, *, finished_before: datetime, limit: int = 1000) -> int:
        """Remove at most ``limit`` terminal instances of all tenants that were last saved before a time.

        Returns how many that were. One that has a ``wake_at`` has something to do, and stays.
        """
        ...
