"""Command handlers that try again, and that merge what they meet."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, override

from cqrs_ddd_advanced_core.conflict_resolution.merging import attempt_and_merge
from cqrs_ddd_advanced_core.conflict_resolution.policy import (
    ConflictConfig,
    ConflictResilient,
    ConflictResolutionPolicy,
)
from cqrs_ddd_advanced_core.conflict_resolution.registry import MergeStrategyRegistry
from cqrs_ddd_advanced_core.conflict_resolution.retry import Retryable, RetryPolicy
from cqrs_ddd_advanced_core.conflict_resolution.source import IConflictSource
from cqrs_ddd_advanced_core.conflict_resolution.strategy import IMergeStrategy
from cqrs_ddd_core.cqrs.handler import CommandHandler
from cqrs_ddd_core.cqrs.response import CommandResponse
from cqrs_ddd_core.ports.unit_of_work import current_uow_or_none
from cqrs_ddd_core.primitives.exceptions import ConcurrencyError

__all__ = [
    "Behavior",
    "ConflictCommandHandler",
    "ConflictResolutionMixin",
    "NextStep",
    "PipelinedCommandHandler",
    "ResilientCommandHandler",
    "RetryBehaviorMixin",
    "RetryableCommandHandler",
]

logger = logging.getLogger(__name__)

type NextStep = Callable[[Any], Awaitable[CommandResponse[Any]]]
type Behavior = Callable[[Any, NextStep], Awaitable[CommandResponse[Any]]]
"""Wraps the processing of a command: called with the command and what goes on with it."""


class PipelinedCommandHandler[R](CommandHandler[R]):
    """A command handler with behaviours around the real work, which is ``process``.

    Each attempt of a behaviour that tries again runs in a savepoint, so that nothing of a failed attempt is left; what
    it wants to change it has to load anew.
    """

    def __init__(self) -> None:
        self._behaviors: list[Behavior] = []

    @abstractmethod
    async def process(self, command: Any, /) -> CommandResponse[R]:
        """Carry out the command, inside the unit of work that ``get_current_uow()`` gives."""

    def add_behavior(self, behavior: Behavior) -> None:
        """Put one more behaviour around ``process``, inside of those that are there."""
        self._behaviors.append(behavior)

    def get_pipeline(self) -> Sequence[Behavior]:
        """The behaviours, the outermost first."""
        return tuple(self._behaviors)

    @override
    async def handle(self, command: Any, /) -> CommandResponse[R]:
        step: NextStep = self.process
        for behavior in reversed(self.get_pipeline()):
            step = _wrapped(behavior, step)
        return await step(command)


def _wrapped(behavior: Behavior, step: NextStep) -> NextStep:
    return lambda command: behavior(command, step)


async def _attempt(command: Any, step: NextStep) -> CommandResponse[Any]:
    """One try, which leaves nothing behind when it fails; what it changed is written, so that lost races show."""
    uow = current_uow_or_none()
    if uow is None:
        return await step(command)
    async with uow.savepoint():
        response = await step(command)
        await uow.flush()
        return response


class RetryBehaviorMixin[R](PipelinedCommandHandler[R]):
    """Tries again after errors, for commands that are ``Retryable`` or with a ``retry_policy`` of the handler.

    Lost races are not repeated here: that is for ``RetryMiddleware``, which begins with a new transaction, or for
    merging. Errors in ``never_retry`` are final.
    """

    retry_policy: RetryPolicy | None = None
    never_retry: tuple[type[Exception], ...] = ()

    @override
    def get_pipeline(self) -> Sequence[Behavior]:
        return (*super().get_pipeline(), self._retry)

    async def _retry(self, command: Any, step: NextStep) -> CommandResponse[Any]:
        policy = command.retry_policy if isinstance(command, Retryable) else self.retry_policy
        if policy is None:
            return await step(command)
        for attempt in range(1, policy.max_retries + 1):
            try:
                return await _attempt(command, step)
            except ConcurrencyError:
                raise
            except Exception as error:
                if isinstance(error, self.never_retry):
                    raise
                delay = policy.delay_seconds(attempt)
                logger.info(
                    "%s is tried again in %.3f s after attempt %d: %r", type(command).__name__, delay, attempt, error
                )
            await asyncio.sleep(delay)
        return await _attempt(command, step)


class ConflictResolutionMixin[R](PipelinedCommandHandler[R], IConflictSource[Any]):
    """Merges when another writer saved first, and processes the merged command. Write the methods of the source.

    It sees the conflicts that show while the command is handled: those that a handler finds itself (by comparing the
    version that the command was made from) and those that writing finds. A conflict that shows only at the commit is
    for ``ConflictResolutionMiddleware``, and so is every conflict on a database whose transactions do not see what
    others commit meanwhile.

    The configuration is that of a command that is ``ConflictResilient``, else ``conflict_config``. ``merge_strategy``
    goes before what the configuration says, and names are looked up in ``strategy_registry``.
    """

    conflict_config: ConflictConfig = ConflictConfig(policy=ConflictResolutionPolicy.MERGE)
    merge_strategy: IMergeStrategy | None = None
    strategy_registry: MergeStrategyRegistry | None = None

    @override
    def get_pipeline(self) -> Sequence[Behavior]:
        return (self._resolve, *super().get_pipeline())

    async def _resolve(self, command: Any, step: NextStep) -> CommandResponse[Any]:
        return await attempt_and_merge(
            command,
            lambda current: _attempt(current, step),
            self,
            command.conflict_config if isinstance(command, ConflictResilient) else self.conflict_config,
            registry=self.strategy_registry or MergeStrategyRegistry.get_stock_registry(),
            strategy=self.merge_strategy,
        )


class RetryableCommandHandler[R](RetryBehaviorMixin[R]):
    """A handler that tries again after errors: write ``process``."""


class ConflictCommandHandler[R](ConflictResolutionMixin[R]):
    """A handler that merges what it meets: write ``process`` and the methods of ``IConflictSource``."""

    def __init__(self, strategy_registry: MergeStrategyRegistry | None = None) -> None:
        super().__init__()
        if strategy_registry is not None:
            self.strategy_registry = strategy_registry


class ResilientCommandHandler[R](ConflictResolutionMixin[R], RetryBehaviorMixin[R]):
    """A handler that merges what it meets, and tries again after other errors within each attempt."""

    def __init__(self, strategy_registry: MergeStrategyRegistry | None = None) -> None:
        super().__init__()
        if strategy_registry is not None:
            self.strategy_registry = strategy_registry
