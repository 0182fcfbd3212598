"""Two changes of the same thing: who wins, and how both can."""

from cqrs_ddd_advanced_core.conflict_resolution.deep_merge import DeepMergeStrategy
from cqrs_ddd_advanced_core.conflict_resolution.field_level import FieldLevelMergeStrategy, field_level_merge
from cqrs_ddd_advanced_core.conflict_resolution.handler import (
    ConflictCommandHandler,
    ConflictResolutionMixin,
    PipelinedCommandHandler,
    ResilientCommandHandler,
    RetryableCommandHandler,
    RetryBehaviorMixin,
)
from cqrs_ddd_advanced_core.conflict_resolution.last_wins import LastWinsStrategy
from cqrs_ddd_advanced_core.conflict_resolution.middleware import ConflictResolutionMiddleware
from cqrs_ddd_advanced_core.conflict_resolution.policy import (
    ConflictConfig,
    ConflictResilient,
    ConflictResolutionPolicy,
)
from cqrs_ddd_advanced_core.conflict_resolution.registry import MergeStrategyRegistry
from cqrs_ddd_advanced_core.conflict_resolution.resolution import (
    ConflictResolver,
    MergedField,
    Resolution,
    current_resolution,
)
from cqrs_ddd_advanced_core.conflict_resolution.retry import (
    ExponentialBackoffPolicy,
    FixedRetryPolicy,
    Retryable,
    RetryPolicy,
)
from cqrs_ddd_advanced_core.conflict_resolution.source import IConflictSource
from cqrs_ddd_advanced_core.conflict_resolution.strategy import IMergeStrategy
from cqrs_ddd_advanced_core.conflict_resolution.timestamp import TimestampLastWinsStrategy
from cqrs_ddd_advanced_core.conflict_resolution.union_list import UnionListMergeStrategy
from cqrs_ddd_advanced_core.conflict_resolution.values import ABSENT, NO_BASE

__all__ = [
    "ABSENT",
    "NO_BASE",
    "ConflictCommandHandler",
    "ConflictConfig",
    "ConflictResilient",
    "ConflictResolutionMiddleware",
    "ConflictResolutionMixin",
    "ConflictResolutionPolicy",
    "ConflictResolver",
    "DeepMergeStrategy",
    "ExponentialBackoffPolicy",
    "FieldLevelMergeStrategy",
    "FixedRetryPolicy",
    "IConflictSource",
    "IMergeStrategy",
    "LastWinsStrategy",
    "MergeStrategyRegistry",
    "MergedField",
    "PipelinedCommandHandler",
    "ResilientCommandHandler",
    "Resolution",
    "RetryBehaviorMixin",
    "RetryPolicy",
    "Retryable",
    "RetryableCommandHandler",
    "TimestampLastWinsStrategy",
    "UnionListMergeStrategy",
    "current_resolution",
    "field_level_merge",
]
