"""States of aggregates at a version, to start a replay from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.primitives.clock import utc_now

__all__ = ["ISnapshotStore", "Snapshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of one aggregate after the event with this version."""

    aggregate_type: str
    aggregate_id: str
    version: int
    state: dict[str, Any]
    """JSON values."""
    fingerprint: str = ""
    """Which shape of the class it was taken from; another shape cannot read it."""
    taken_at: datetime = field(default_factory=utc_now)
    tenant_id: str | None = None


@runtime_checkable
class ISnapshotStore(Protocol):
    """Snapshots, in the current tenant. They can be deleted at any time: they only save work."""

    async def save(self, snapshot: Snapshot) -> None:
        """Keep it. One of the same aggregate and version is replaced. Joins the open unit of work.

        Raises ``SerializationError`` for a state that is not JSON.
        """
        ...

    async def latest(
        self,
        aggregate_type: str,
        aggregate_id: str,
        *,
        up_to_version: int | None = None,
        fingerprint: str | None = None,
    ) -> Snapshot | None:
        """The newest one, at or below ``up_to_version`` and of this ``fingerprint`` where they are given, or None."""
        ...

    async def delete(self, aggregate_type: str, aggregate_id: str, *, keep_latest: int = 0) -> int:
        """Remove all but the newest ``keep_latest``; how many that were."""
        ...
