"""A snapshot when loading has become slow."""

from __future__ import annotations

from cqrs_ddd_advanced_core.snapshots.strategy import ISnapshotStrategy, SnapshotSituation
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["ReplayCostStrategy"]


class ReplayCostStrategy(ISnapshotStrategy):
    """Takes a snapshot when the last load took ``max_seconds`` or more, measured with the store and data in use.

    ``min_events`` keeps a single slow answer of the database from causing snapshots of next to nothing.
    """

    def __init__(self, max_seconds: float = 0.05, *, min_events: int = 10) -> None:
        if not max_seconds > 0 or min_events < 1:
            raise ConfigurationError(
                f"max_seconds is above 0 and min_events from 1, found {max_seconds!r} and {min_events!r}."
            )
        self.max_seconds = max_seconds
        self.min_events = min_events

    def should_snapshot(self, situation: SnapshotSituation, /) -> bool:
        return situation.replayed >= self.min_events and situation.replay_seconds >= self.max_seconds
