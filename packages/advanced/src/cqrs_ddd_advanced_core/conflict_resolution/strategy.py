"""How two versions of a state become one."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_advanced_core.conflict_resolution.values import NO_BASE

__all__ = ["IMergeStrategy"]


@runtime_checkable
class IMergeStrategy(Protocol):
    """Merges states. Without side effects, and with the same result for the same states."""

    def merge(self, existing: Any, incoming: Any, base: Any = NO_BASE) -> Any:
        """What becomes of ``existing``, which another writer has saved, and ``incoming``, which is to be saved.

        ``base`` is the state from which both began, where it is known: then it can be told who changed what, and
        what was removed from what was never there. Models and dataclasses come back as dicts.
        """
        ...
