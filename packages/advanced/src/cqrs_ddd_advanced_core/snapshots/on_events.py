"""A snapshot when something particular has happened."""

from __future__ import annotations

from cqrs_ddd_advanced_core.snapshots.strategy import ISnapshotStrategy, SnapshotSituation
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["OnEventsStrategy"]


class OnEventsStrategy(ISnapshotStrategy):
    """Takes a snapshot after events of these classes or their subclasses, such as the end of an accounting period."""

    def __init__(self, *event_types: type[DomainEvent]) -> None:
        if not event_types:
            raise ConfigurationError("OnEventsStrategy needs at least one event class: OnEventsStrategy(PeriodClosed).")
        self.event_types = event_types

    def should_snapshot(self, situation: SnapshotSituation, /) -> bool:
        return any(isinstance(event, self.event_types) for event in situation.events)
