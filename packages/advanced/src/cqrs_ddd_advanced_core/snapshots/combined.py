"""Strategies put together: any of several, one for each aggregate type, none at all."""

from __future__ import annotations

from typing import Any

from cqrs_ddd_advanced_core.snapshots.strategy import ISnapshotStrategy, SnapshotSituation
from cqrs_ddd_core.domain.aggregate import AggregateRoot

__all__ = ["AnyOfStrategy", "NeverStrategy", "SnapshotStrategyRegistry"]


class AnyOfStrategy(ISnapshotStrategy):
    """Takes a snapshot when one of several strategies wants it."""

    def __init__(self, *strategies: ISnapshotStrategy) -> None:
        self.strategies = strategies

    def should_snapshot(self, situation: SnapshotSituation, /) -> bool:
        return any(strategy.should_snapshot(situation) for strategy in self.strategies)


class NeverStrategy(ISnapshotStrategy):
    """Takes no snapshots."""

    def should_snapshot(self, situation: SnapshotSituation, /) -> bool:
        return False


class SnapshotStrategyRegistry(ISnapshotStrategy):
    """A strategy for each aggregate type, and one for the others. Is a strategy itself."""

    def __init__(self, default: ISnapshotStrategy | None = None) -> None:
        self._default = default
        self._strategies: dict[str, ISnapshotStrategy] = {}

    def register(self, aggregate_type: type[AggregateRoot[Any]] | str, strategy: ISnapshotStrategy) -> None:
        """Use ``strategy`` for these aggregates, given as class or stable name; the last one given counts."""
        name = aggregate_type if isinstance(aggregate_type, str) else aggregate_type.aggregate_type
        self._strategies[name] = strategy

    def set_default(self, strategy: ISnapshotStrategy | None) -> None:
        self._default = strategy

    def get(self, aggregate_type: str) -> ISnapshotStrategy | None:
        """The strategy for aggregates of this type; None when there is none, nor a default."""
        return self._strategies.get(aggregate_type, self._default)

    def has(self, aggregate_type: str) -> bool:
        """Whether the type has a strategy of its own."""
        return aggregate_type in self._strategies

    def list_registered(self) -> tuple[str, ...]:
        """The aggregate types that have a strategy of their own, sorted."""
        return tuple(sorted(self._strategies))

    def clear(self) -> None:
        self._strategies.clear()
        self._default = None

    def should_snapshot(self, situation: SnapshotSituation, /) -> bool:
        strategy = self.get(situation.aggregate_type)
        return strategy is not None and strategy.should_snapshot(situation)
