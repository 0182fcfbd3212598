"""Event sourcing, snapshots, upcasting, conflict resolution and undo, on the ports of ``cqrs-ddd-core``."""

from cqrs_ddd_advanced_core.conflict_resolution import (
    ConflictResolutionMiddleware,
    ConflictResolutionPolicy,
    DeepMergeStrategy,
    FieldLevelMergeStrategy,
    LastWinsStrategy,
    MergeStrategyRegistry,
    TimestampLastWinsStrategy,
    UnionListMergeStrategy,
)
from cqrs_ddd_advanced_core.event_sourcing import (
    Decider,
    EventSourcedAggregate,
    EventSourcedMediator,
    EventSourcedRepository,
    applies,
    check_corpus,
)
from cqrs_ddd_advanced_core.snapshots import EveryNEventsStrategy, JSONSnapshotSerializer
from cqrs_ddd_advanced_core.undo import UndoExecutor, UndoService
from cqrs_ddd_advanced_core.upcasting import EventUpcaster, UpcasterRegistry

__all__ = [
    "ConflictResolutionMiddleware",
    "ConflictResolutionPolicy",
    "Decider",
    "DeepMergeStrategy",
    "EventSourcedAggregate",
    "EventSourcedMediator",
    "EventSourcedRepository",
    "EventUpcaster",
    "EveryNEventsStrategy",
    "FieldLevelMergeStrategy",
    "JSONSnapshotSerializer",
    "LastWinsStrategy",
    "MergeStrategyRegistry",
    "TimestampLastWinsStrategy",
    "UndoExecutor",
    "UndoService",
    "UnionListMergeStrategy",
    "UpcasterRegistry",
    "applies",
    "check_corpus",
]
