"""Merging after a lost race, outside of the transaction that lost it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cqrs_ddd_advanced_core.conflict_resolution.merging import attempt_and_merge
from cqrs_ddd_advanced_core.conflict_resolution.policy import (
    ConflictConfig,
    ConflictResilient,
    ConflictResolutionPolicy,
)
from cqrs_ddd_advanced_core.conflict_resolution.registry import MergeStrategyRegistry
from cqrs_ddd_advanced_core.conflict_resolution.source import IConflictSource
from cqrs_ddd_advanced_core.conflict_resolution.strategy import IMergeStrategy
from cqrs_ddd_core.cqrs.message import Command
from cqrs_ddd_core.middleware.nesting import enclosing_unit_of_work
from cqrs_ddd_core.ports.middleware import NextHandler, Stage
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["ConflictResolutionMiddleware"]


class ConflictResolutionMiddleware:
    """When another writer was first, merges what both want and handles the merged command in a new unit of work.

    ::

        ConflictResolutionMiddleware({ChangeProfile: ProfileConflicts(profiles)})

    Commands without a source pass. So do nested commands: their unit of work is lost, and only the outermost command
    can begin again. For commands that only need to be decided again, without merging, use ``RetryMiddleware``.

    The configuration is that of a command that is ``ConflictResilient``, else ``config``. ``strategy`` goes before
    what the configuration says.
    """

    stage: Final = Stage.AROUND
    priority: Final = 75  # inside of RetryMiddleware: the same command again would meet the same change again

    def __init__(
        self,
        sources: Mapping[type[Command[Any]], IConflictSource[Any]],
        *,
        config: ConflictConfig | None = None,
        strategy: IMergeStrategy | None = None,
        strategy_registry: MergeStrategyRegistry | None = None,
    ) -> None:
        """Raises ``ConfigurationError`` for what is no command, ``MergeStrategyNotFoundError`` for unknown names."""
        self._sources = dict(sources)
        self._config = ConflictConfig(policy=ConflictResolutionPolicy.MERGE) if config is None else config
        self._strategy = strategy
        self._registry = strategy_registry or MergeStrategyRegistry.get_stock_registry()
        for command_type in self._sources:
            if not issubclass(command_type, Command):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
                raise ConfigurationError(f"{command_type.__name__} is no command: conflicts are about commands.")
            used = self._config_of(command_type)
            if strategy is None and used.merges:
                self._registry.for_config(used)

    def describe(self) -> str:
        return ", ".join(
            f"{command_type.__name__}: {self._config_of(command_type).policy.value}" for command_type in self._sources
        )

    def applies_to(self, message_type: type[Any]) -> bool:
        return message_type in self._sources

    async def __call__(self, message: Any, next_handler: NextHandler, /) -> Any:
        command_type: type[Any] = message.__class__
        source = self._sources.get(command_type)
        if source is None or enclosing_unit_of_work() is not None:
            return await next_handler(message)
        return await attempt_and_merge(
            message,
            next_handler,
            source,
            self._config_of(command_type),
            registry=self._registry,
            strategy=self._strategy,
        )

    def _config_of(self, command_type: type[Any]) -> ConflictConfig:
        return command_type.conflict_config if issubclass(command_type, ConflictResilient) else self._config
