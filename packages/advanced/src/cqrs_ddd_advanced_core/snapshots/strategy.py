"""When the state of an aggregate is worth keeping beside its events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from cqrs_ddd_core.domain.event import DomainEvent

__all__ = ["ISnapshotStrategy", "SnapshotSituation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSituation:
    """An aggregate whose new events have just been committed."""

    aggregate_type: str
    aggregate_id: str
    version: int
    """After the new events."""
    snapshot_version: int
    """The version of the snapshot that it was loaded from; 0 for none."""
    since: datetime
    """When that snapshot was taken; without one, when the first event happened that was replayed or is new."""
    events: tuple[DomainEvent, ...]
    """The new ones, oldest first."""
    replayed: int
    """How many events were applied when it was loaded."""
    replay_seconds: float
    """How long reading and applying them took."""


@runtime_checkable
class ISnapshotStrategy(Protocol):
    """Decides after each commit of an event-sourced aggregate."""

    def should_snapshot(self, situation: SnapshotSituation, /) -> bool:
        """Whether a snapshot is taken now. Quick, and without side effects."""
        ...
