"""What became of a conflict, as a record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from cqrs_ddd_advanced_core.conflict_resolution.last_wins import LastWinsStrategy
from cqrs_ddd_advanced_core.conflict_resolution.strategy import IMergeStrategy
from cqrs_ddd_advanced_core.conflict_resolution.values import ABSENT, NO_BASE, plain, same

__all__ = ["ConflictResolver", "MergedField", "Resolution", "current_resolution"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedField:
    """A value that both sides have changed, each in another way."""

    path: str
    """Dotted, from the state down: ``address.city``; empty for the state itself."""
    existing: Any
    incoming: Any
    merged: Any
    """What it is now. ``ABSENT`` stands for no value, here and beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Two changes that were made one."""

    merged: Any
    strategy: str
    """The class of the strategy."""
    base_known: bool
    conflicts: tuple[MergedField, ...]
    """Where both changed the same value. Without a known base: wherever they differ."""
    attempt: int = 1
    """Which attempt of the command had met the other change."""

    def as_metadata(self) -> dict[str, Any]:
        """For the metadata of an event: which fields met, and how it was settled. Without the values."""
        return {
            "merge_strategy": self.strategy,
            "merge_base_known": self.base_known,
            "merge_conflicts": [field.path for field in self.conflicts],
        }


_current: ContextVar[Resolution | None] = ContextVar("cqrs_ddd_conflict_resolution", default=None)


def current_resolution() -> Resolution | None:
    """The resolution because of which the present command is handled again; None when it met no other change.

    A handler that wants the merge to be seen later puts it into its event:
    ``metadata=resolution.as_metadata() if resolution else {}``.
    """
    return _current.get()


class ConflictResolver:
    """Merges with a strategy and says what was merged; without one the last change wins."""

    def __init__(self, strategy: IMergeStrategy | None = None) -> None:
        self.strategy = LastWinsStrategy() if strategy is None else strategy

    def merge(self, existing: Any, incoming: Any, base: Any = NO_BASE) -> Any:
        """What the strategy makes of the two."""
        return self.strategy.merge(existing, incoming, base)

    def resolve(self, existing: Any, incoming: Any, base: Any = NO_BASE, *, attempt: int = 1) -> Resolution:
        """The same, as a record that says where the two met."""
        merged = self.merge(existing, incoming, base)
        origin = base if base is NO_BASE else plain(base)
        return Resolution(
            merged=merged,
            strategy=type(self.strategy).__name__,
            base_known=base is not NO_BASE,
            conflicts=tuple(_met("", plain(existing), plain(incoming), origin, plain(merged))),
            attempt=attempt,
        )


def _met(path: str, theirs: Any, ours: Any, origin: Any, merged: Any) -> Iterator[MergedField]:
    if same(theirs, ours):
        return
    if origin is not NO_BASE and (same(theirs, origin) or same(ours, origin)):
        return
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for key in dict.fromkeys([*theirs, *ours]):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            sides = [_at(theirs, key), _at(ours, key), _at(merged, key)]
            old = NO_BASE if origin is NO_BASE else _at(origin, key)
            if origin is NO_BASE and ABSENT in sides[:2]:
                continue  # only one side has it, and nobody knows whether the other ever had
            yield from _met(f"{path}.{key}" if path else str(key), sides[0], sides[1], old, sides[2])  # pyright: ignore[reportUnknownArgumentType]
        return
    yield MergedField(path=path, existing=theirs, incoming=ours, merged=merged)


def _at(state: Any, key: Any) -> Any:
    return state.get(key, ABSENT) if isinstance(state, Mapping) else ABSENT  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
