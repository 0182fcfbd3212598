"""Trying a command, merging what it meets, and trying again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from cqrs_ddd_advanced_core.conflict_resolution.policy import ConflictConfig, ConflictResolutionPolicy
from cqrs_ddd_advanced_core.conflict_resolution.registry import MergeStrategyRegistry
from cqrs_ddd_advanced_core.conflict_resolution.resolution import ConflictResolver, _current  # pyright: ignore[reportPrivateUsage]  # set here only
from cqrs_ddd_advanced_core.conflict_resolution.source import IConflictSource
from cqrs_ddd_advanced_core.conflict_resolution.strategy import IMergeStrategy
from cqrs_ddd_core.cqrs.mediator import has_committed
from cqrs_ddd_core.instrumentation import notify
from cqrs_ddd_core.primitives.exceptions import ConflictNotResolvedError, OptimisticConcurrencyError

__all__ = ["attempt_and_merge"]

logger = logging.getLogger(__name__)


async def attempt_and_merge[R](
    command: Any,
    attempt: Callable[[Any], Awaitable[R]],
    source: IConflictSource[Any],
    config: ConflictConfig,
    *,
    registry: MergeStrategyRegistry,
    strategy: IMergeStrategy | None = None,
) -> R:
    """The result of the first attempt that meets no other change.

    Between attempts the states are read and merged, and the command is made anew. From the second merge on the base
    is known: it is what was read for the one before. Raises ``OptimisticConcurrencyError`` at once with FIRST_WINS,
    ``ConflictNotResolvedError`` after the last attempt.
    """
    if strategy is None and not config.merges:
        return await attempt(command)
    resolver = ConflictResolver(registry.for_config(config) if strategy is None else strategy)
    three_way = config.policy is not ConflictResolutionPolicy.LAST_WINS
    base: Any = None
    name = type(command).__name__
    token = _current.set(None)
    try:
        for number in range(1, config.max_attempts + 1):
            try:
                return await attempt(command)
            except OptimisticConcurrencyError as error:
                if has_committed():
                    raise
                if number == config.max_attempts:
                    raise ConflictNotResolvedError(name, number) from error
            latest = await source.fetch_latest_state(command)
            if number == 1:
                base = await source.fetch_base_state(command)
            incoming = source.get_incoming_state(command)
            arguments = (latest, incoming, base) if three_way else (latest, incoming)
            resolution = resolver.resolve(*arguments, attempt=number)
            base = latest
            command = source.update_command(command, resolution.merged)
            paths = [field.path for field in resolution.conflicts]
            logger.info("%s met another change; %s merged them; both changed: %s", name, resolution.strategy, paths)
            notify(
                f"conflict.resolved.{name}",
                {
                    "message_type": type(command),
                    "strategy": resolution.strategy,
                    "base_known": resolution.base_known,
                    "conflicts": paths,
                    "attempt": number,
                },
            )
            await source.on_conflict_resolved(command, resolution)
            _current.set(resolution)
        raise AssertionError("unreachable: the last attempt returns or raises")
    finally:
        _current.reset(token)
