"""A snapshot when the last one has become old."""

from __future__ import annotations

from datetime import timedelta

from cqrs_ddd_advanced_core.snapshots.strategy import ISnapshotStrategy, SnapshotSituation
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["AfterTimeStrategy"]


class AfterTimeStrategy(ISnapshotStrategy):
    """Takes a snapshot with the first commit after ``interval`` since the last one, or since the first event."""

    def __init__(self, interval: timedelta) -> None:
        if interval <= timedelta():
            raise ConfigurationError(f"interval is longer than nothing, found {interval!r}.")
        self.interval = interval

    def should_snapshot(self, situation: SnapshotSituation, /) -> bool:
        return utc_now() - situation.since >= self.interval
