"""States of event-sourced aggregates at a version, so that loading does not begin at the first event."""

from cqrs_ddd_advanced_core.snapshots.after_time import AfterTimeStrategy
from cqrs_ddd_advanced_core.snapshots.combined import AnyOfStrategy, NeverStrategy, SnapshotStrategyRegistry
from cqrs_ddd_advanced_core.snapshots.every_n_events import EveryNEventsStrategy
from cqrs_ddd_advanced_core.snapshots.fingerprint import schema_fingerprint
from cqrs_ddd_advanced_core.snapshots.on_events import OnEventsStrategy
from cqrs_ddd_advanced_core.snapshots.replay_cost import ReplayCostStrategy
from cqrs_ddd_advanced_core.snapshots.serializer import ISnapshotSerializer, JSONSnapshotSerializer
from cqrs_ddd_advanced_core.snapshots.snapshotter import ISnapshotSource, LoadFacts, RebuiltAggregate, Snapshotter
from cqrs_ddd_advanced_core.snapshots.strategy import ISnapshotStrategy, SnapshotSituation
from cqrs_ddd_advanced_core.snapshots.worker import SnapshotWorker

__all__ = [
    "AfterTimeStrategy",
    "AnyOfStrategy",
    "EveryNEventsStrategy",
    "ISnapshotSerializer",
    "ISnapshotSource",
    "ISnapshotStrategy",
    "JSONSnapshotSerializer",
    "LoadFacts",
    "NeverStrategy",
    "OnEventsStrategy",
    "RebuiltAggregate",
    "ReplayCostStrategy",
    "SnapshotSituation",
    "SnapshotStrategyRegistry",
    "SnapshotWorker",
    "Snapshotter",
    "schema_fingerprint",
]
