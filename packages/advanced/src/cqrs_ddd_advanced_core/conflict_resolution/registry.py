"""Merge strategies by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cqrs_ddd_advanced_core.conflict_resolution.deep_merge import DeepMergeStrategy
from cqrs_ddd_advanced_core.conflict_resolution.field_level import FieldLevelMergeStrategy
from cqrs_ddd_advanced_core.conflict_resolution.last_wins import LastWinsStrategy
from cqrs_ddd_advanced_core.conflict_resolution.policy import ConflictConfig, ConflictResolutionPolicy
from cqrs_ddd_advanced_core.conflict_resolution.strategy import IMergeStrategy
from cqrs_ddd_advanced_core.conflict_resolution.timestamp import TimestampLastWinsStrategy
from cqrs_ddd_advanced_core.conflict_resolution.union_list import UnionListMergeStrategy
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, MergeStrategyNotFoundError

__all__ = ["MergeStrategyFactory", "MergeStrategyRegistry"]

type MergeStrategyFactory = Callable[..., IMergeStrategy]


class MergeStrategyRegistry:
    """Strategies by name, whatever its case. ``get_stock_registry`` has those of the toolkit.

    These are ``last_wins``, ``field``, ``deep``, ``timestamp`` and ``union``.
    """

    def __init__(self) -> None:
        self._factories: dict[str, MergeStrategyFactory] = {}

    @staticmethod
    def get_stock_registry() -> MergeStrategyRegistry:
        """A new registry with the five strategies of the toolkit."""
        registry = MergeStrategyRegistry()
        registry.register("last_wins", LastWinsStrategy)
        registry.register("field", FieldLevelMergeStrategy)
        registry.register("deep", DeepMergeStrategy)
        registry.register("timestamp", TimestampLastWinsStrategy)
        registry.register("union", UnionListMergeStrategy)
        return registry

    def register(self, name: str, factory: MergeStrategyFactory) -> None:
        """Add a strategy class, or a function that makes a strategy; the last one of a name counts."""
        if not name:
            raise ConfigurationError("The name of a merge strategy is a text that is not empty.")
        self._factories[name.casefold()] = factory

    def get(self, name: str) -> MergeStrategyFactory:
        """What makes the strategy of this name. Raises ``MergeStrategyNotFoundError``."""
        try:
            return self._factories[name.casefold()]
        except KeyError:
            raise MergeStrategyNotFoundError(name, self.names()) from None

    def create(self, name: str, **arguments: Any) -> IMergeStrategy:
        """A strategy of this name, made with these arguments. Raises ``MergeStrategyNotFoundError``."""
        return self.get(name)(**arguments)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._factories))

    def for_config(self, config: ConflictConfig) -> IMergeStrategy:
        """The strategy that a configuration asks for: the named one, else that of its policy.

        Raises ``MergeStrategyNotFoundError``; ``ConfigurationError`` for CUSTOM without a name, and for FIRST_WINS,
        which merges nothing.
        """
        name = config.strategy_name
        if name is None:
            name = _OF_POLICY.get(config.policy)
        if name is None:
            raise ConfigurationError(
                f"The policy {config.policy.value!r} says not how states are merged: name a strategy "
                "(ConflictConfig(strategy_name=…)), or give one to the handler or middleware."
            )
        arguments = _ARGUMENTS.get(name.casefold())
        return self.create(name, **({} if arguments is None else arguments(config)))


_OF_POLICY = {ConflictResolutionPolicy.LAST_WINS: "field", ConflictResolutionPolicy.MERGE: "deep"}


_ARGUMENTS: dict[str, Callable[[ConflictConfig], dict[str, Any]]] = {
    "field": lambda config: {
        "ignore_conflicts": config.ignore_conflicts,
        "include_fields": config.include_fields,
        "exclude_fields": config.exclude_fields,
    },
    "deep": lambda config: {"append_lists": config.append_lists, "list_identity_key": config.list_identity_key},
    "timestamp": lambda config: {
        "timestamp_field": config.timestamp_field,
        "fallback_to_incoming": config.fallback_to_incoming,
    },
    "union": lambda config: {"identity_key": config.list_identity_key},
}
