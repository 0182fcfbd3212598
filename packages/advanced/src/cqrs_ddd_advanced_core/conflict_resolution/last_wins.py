"""The later change replaces the earlier one."""

from __future__ import annotations

from typing import Any

from cqrs_ddd_advanced_core.conflict_resolution.strategy import IMergeStrategy
from cqrs_ddd_advanced_core.conflict_resolution.values import NO_BASE

__all__ = ["LastWinsStrategy"]


class LastWinsStrategy(IMergeStrategy):
    """Gives ``incoming`` as it is: the other change is gone."""

    def merge(self, existing: Any, incoming: Any, base: Any = NO_BASE) -> Any:
        return incoming
