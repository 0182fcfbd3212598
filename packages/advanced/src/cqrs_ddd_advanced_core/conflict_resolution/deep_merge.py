"""Merging two states at every depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from cqrs_ddd_advanced_core.conflict_resolution.strategy import IMergeStrategy
from cqrs_ddd_advanced_core.conflict_resolution.values import (
    ABSENT,
    NO_BASE,
    Absent,
    canonical,
    identity_of,
    plain,
    same,
)

__all__ = ["DeepMergeStrategy"]


class DeepMergeStrategy(IMergeStrategy):
    """Merges mappings key by key, lists item by item, and sets, as deep as they go.

    With a known base, a value that only one side changed is that of this side, and what one side removed and the other
    left alone is gone. Where both changed a value, ``incoming`` wins; a change survives a removal. Without a base
    nothing is ever removed.

    Items of lists are the same when they have the same ``list_identity_key``: a key or attribute, or a function. They
    are merged, and new ones are appended. Lists whose items have none (or share one) are replaced as a whole; with
    ``append_lists`` they are joined, and an item that both have stands there once.

    The result does not depend on anything but the states, merging the same change again changes nothing, and a key
    that neither side removed is never lost.
    """

    def __init__(
        self, *, append_lists: bool = False, list_identity_key: str | Callable[[Any], Any] | None = "id"
    ) -> None:
        self._append_lists = append_lists
        self._identity_key = list_identity_key

    def merge(self, existing: Any, incoming: Any, base: Any = NO_BASE) -> Any:
        return self._merge(plain(existing), plain(incoming), base if base is NO_BASE else plain(base))

    def _merge(self, theirs: Any, ours: Any, origin: Any) -> Any:
        if origin is not NO_BASE:
            if same(ours, origin):
                return theirs
            if same(theirs, origin):
                return ours
        if same(theirs, ours):
            return theirs
        if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
            return self._mappings(theirs, ours, origin)  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(theirs, list) and isinstance(ours, list):
            return self._lists(theirs, ours, origin)  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(theirs, set | frozenset) and isinstance(ours, set | frozenset):
            return _sets(theirs, ours, origin)  # pyright: ignore[reportUnknownArgumentType]
        return ours

    def _mappings(self, theirs: Mapping[Any, Any], ours: Mapping[Any, Any], origin: Any) -> dict[Any, Any]:
        known: Mapping[Any, Any] | None = None
        if origin is not NO_BASE:
            known = origin if isinstance(origin, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]
        merged: dict[Any, Any] = {}
        for key in dict.fromkeys([*theirs, *ours]):
            value = self._values(theirs.get(key, ABSENT), ours.get(key, ABSENT), _origin_of(known, key))
            if not isinstance(value, Absent):
                merged[key] = value
        return merged

    def _values(self, their: Any, our: Any, old: Any) -> Any:
        """One key or item, which either side may lack. ``old`` is ABSENT when the base had none, or NO_BASE."""
        for mine, other in ((our, their), (their, our)):
            if mine is ABSENT:
                removed = not isinstance(old, Absent)
                return ABSENT if removed and same(other, old) else other
        return self._merge(their, our, NO_BASE if old is ABSENT else old)

    def _lists(self, theirs: list[Any], ours: list[Any], origin: Any) -> list[Any]:
        known: list[Any] | None = None
        if origin is not NO_BASE:
            known = origin if isinstance(origin, list) else []  # pyright: ignore[reportUnknownVariableType]
        by_identity = [self._by_identity(side) for side in (theirs, ours, known or [])]
        if all(side is not None for side in by_identity):
            old = by_identity[2] if known is not None else None
            return self._items(by_identity[0] or {}, by_identity[1] or {}, old)
        return _joined(theirs, ours, known) if self._append_lists else ours

    def _by_identity(self, items: Sequence[Any]) -> dict[Hashable, Any] | None:
        """The items by what identifies them; None when not every item has an identity of its own."""
        found: dict[Hashable, Any] = {}
        for item in items:
            identity = identity_of(item, self._identity_key)
            if identity is ABSENT or identity in found:
                return None
            found[identity] = item
        return found

    def _items(
        self, theirs: dict[Hashable, Any], ours: dict[Hashable, Any], old: Mapping[Hashable, Any] | None
    ) -> list[Any]:
        merged: list[Any] = []
        for identity in dict.fromkeys([*theirs, *ours]):
            value = self._values(theirs.get(identity, ABSENT), ours.get(identity, ABSENT), _origin_of(old, identity))
            if not isinstance(value, Absent):
                merged.append(value)
        return merged


def _origin_of(known: Mapping[Any, Any] | None, key: Any) -> Any:
    return NO_BASE if known is None else known.get(key, ABSENT)


def _joined(theirs: list[Any], ours: list[Any], known: list[Any] | None) -> list[Any]:
    """Two lists as one, each item as often as it should be there: theirs in their order, then what is new in ours."""
    counts = [Counter(map(canonical, side)) for side in (theirs, ours, known or [])]
    wanted = {
        key: _count(counts[0][key], counts[1][key], counts[2][key] if known is not None else None)
        for key in counts[0] | counts[1]
    }
    merged: list[Any] = []
    for item in [*theirs, *ours]:
        key = canonical(item)
        if wanted[key] > 0:
            wanted[key] -= 1
            merged.append(item)
    return merged


def _count(theirs: int, ours: int, old: int | None) -> int:
    if old is None or (theirs > old and ours > old):
        return max(theirs, ours)
    if ours == old:
        return theirs
    if theirs == old:
        return ours
    if theirs < old and ours < old:
        return min(theirs, ours)
    return max(theirs, ours)  # one side added what the other removed


def _sets(theirs: set[Any] | frozenset[Any], ours: set[Any] | frozenset[Any], origin: Any) -> set[Any] | frozenset[Any]:
    if origin is NO_BASE:
        return theirs | ours
    old: set[Any] | frozenset[Any] = origin if isinstance(origin, set | frozenset) else set()  # pyright: ignore[reportUnknownVariableType]
    return (theirs & ours) | (theirs - old) | (ours - old)
