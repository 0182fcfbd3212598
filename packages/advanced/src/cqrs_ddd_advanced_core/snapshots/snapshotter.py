"""Taking snapshots, away from the commands that make them due."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cqrs_ddd_advanced_core.snapshots.serializer import ISnapshotSerializer
from cqrs_ddd_advanced_core.snapshots.strategy import ISnapshotStrategy, SnapshotSituation
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.ports.snapshot import ISnapshotStore, Snapshot
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["ISnapshotSource", "LoadFacts", "RebuiltAggregate", "Snapshotter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFacts:
    """What loading an aggregate took."""

    snapshot_version: int
    """The version of the snapshot that it was loaded from; 0 for none."""
    since: datetime
    """When that snapshot was taken; without one, when the first event happened."""
    replayed: int
    """How many events were applied."""
    replay_seconds: float
    """How long reading and applying them took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltAggregate[T: AggregateRoot[Any]]:
    """An aggregate that was loaded, and what it took."""

    aggregate: T
    facts: LoadFacts


class ISnapshotSource[T: AggregateRoot[Any]](Protocol):
    """Loads the aggregates of one class from what is committed."""

    @property
    def aggregate_cls(self) -> type[T]: ...

    def rebuild(self, aggregate_id: Any, /) -> Awaitable[RebuiltAggregate[T] | None]:
        """The aggregate as its events say that it is; None when there is none."""
        ...


class Snapshotter:
    """Asks a strategy after each commit and takes the snapshot.

    A snapshot is taken of what the events say, and never of an object that somebody has in hand: it can hold nothing
    that a replay would not.
    """

    def __init__(
        self,
        snapshot_store: ISnapshotStore,
        strategy: ISnapshotStrategy,
        serializer: ISnapshotSerializer,
        *,
        keep_latest: int = 2,
    ) -> None:
        """``keep_latest`` is how many snapshots of an aggregate are kept; older ones are removed with each new one."""
        if keep_latest < 1:
            raise ConfigurationError(f"keep_latest is a number of snapshots from 1, found {keep_latest!r}.")
        self._store = snapshot_store
        self._strategy = strategy
        self._serializer = serializer
        self._keep_latest = keep_latest

    def is_due(self, situation: SnapshotSituation) -> bool:
        """Whether the strategy wants a snapshot now."""
        return self._strategy.should_snapshot(situation)

    async def take[T: AggregateRoot[Any]](self, source: ISnapshotSource[T], aggregate_id: Any) -> Snapshot | None:
        """Take a snapshot of the aggregate as it is now, and return it.

        None when there is no such aggregate, or nothing has come since its last snapshot. Raises what the stores
        raise, and ``SerializationError`` for a state that cannot be kept.
        """
        hooks = get_hook_registry()
        if not hooks:
            return await self._take(source, aggregate_id)
        aggregate_type = source.aggregate_cls.aggregate_type
        return await hooks.execute_all(
            f"snapshot.take.{aggregate_type}",
            {"aggregate.type": aggregate_type, "aggregate.id": str(aggregate_id)},
            lambda: self._take(source, aggregate_id),
        )

    async def _take[T: AggregateRoot[Any]](self, source: ISnapshotSource[T], aggregate_id: Any) -> Snapshot | None:
        rebuilt = await source.rebuild(aggregate_id)
        if rebuilt is None or rebuilt.aggregate.version == rebuilt.facts.snapshot_version:
            return None
        aggregate = rebuilt.aggregate
        snapshot = Snapshot(
            aggregate_type=aggregate.aggregate_type,
            aggregate_id=str(aggregate.id),
            version=aggregate.version,
            state=self._serializer.dump(aggregate),
            fingerprint=self._serializer.fingerprint(source.aggregate_cls),
        )
        await self._store.save(snapshot)
        await self._store.delete(snapshot.aggregate_type, snapshot.aggregate_id, keep_latest=self._keep_latest)
        return snapshot
