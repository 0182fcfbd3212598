"""What happens when two changes meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["ConflictConfig", "ConflictResilient", "ConflictResolutionPolicy"]


class ConflictResolutionPolicy(StrEnum):
    """Who is right when another writer saved first."""

    FIRST_WINS = "first_wins"
    """The other one: the later command fails with ``OptimisticConcurrencyError``."""
    LAST_WINS = "last_wins"
    """This one: every field that it sends is written over what the other wrote."""
    MERGE = "merge"
    """Both, field by field, as deep as they go; where both changed the same value, this one."""
    CUSTOM = "custom"
    """What the given strategy says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictConfig:
    """How the conflicts of one kind of command are resolved.

    ``strategy_name`` is a name in the registry of strategies and wins over what the policy would choose; CUSTOM needs
    it, or a strategy that is given to the handler or middleware. The fields behind it are the arguments of the
    strategies that have them.
    """

    policy: ConflictResolutionPolicy = ConflictResolutionPolicy.FIRST_WINS
    strategy_name: str | None = None
    ignore_conflicts: bool = False
    """Field level: the value of the other stays where both have one."""
    include_fields: frozenset[str] | None = None
    """Field level: only these are taken over. None for all."""
    exclude_fields: frozenset[str] | None = None
    """Field level: these are not."""
    append_lists: bool = False
    """Deep: lists without identities are joined instead of replaced."""
    list_identity_key: str | Callable[[Any], Any] | None = "id"
    """Deep and union: what makes two items of lists the same one."""
    timestamp_field: str | Callable[[Any], Any] = "modified_at"
    """Timestamp: where the time of the last change stands."""
    fallback_to_incoming: bool = True
    """Timestamp: without times this one wins."""
    max_attempts: int = 3
    """How often the command is tried, the first time included."""

    @property
    def merges(self) -> bool:
        """Whether anything is merged: not with FIRST_WINS alone."""
        return self.policy is not ConflictResolutionPolicy.FIRST_WINS or self.strategy_name is not None

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ConfigurationError(f"max_attempts counts the first attempt and is 1 or more: {self.max_attempts!r}.")


class ConflictResilient:
    """For commands whose conflicts are resolved: ``class Rename(ConflictResilient, Command[None])``.

    Set ``conflict_config`` on the class.
    """

    conflict_config: ClassVar[ConflictConfig] = ConflictConfig()
