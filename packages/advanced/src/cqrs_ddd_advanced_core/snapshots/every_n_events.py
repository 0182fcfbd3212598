"""A snapshot every so many events."""

from __future__ import annotations

from cqrs_ddd_advanced_core.snapshots.strategy import ISnapshotStrategy, SnapshotSituation
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["EveryNEventsStrategy"]


class EveryNEventsStrategy(ISnapshotStrategy):
    """Takes a snapshot when ``every_n`` events or more have come since the last one.

    It counts from the last snapshot, so that a command with several events cannot jump over the moment, and a
    snapshot that failed is made up for by the next commit.
    """

    def __init__(self, every_n: int = 100) -> None:
        if every_n < 1:
            raise ConfigurationError(f"every_n is a number of events from 1, found {every_n!r}.")
        self.every_n = every_n

    def should_snapshot(self, situation: SnapshotSituation, /) -> bool:
        return situation.version - situation.snapshot_version >= self.every_n
