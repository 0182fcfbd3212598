"""Two lists as one, every item once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
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

__all__ = ["UnionListMergeStrategy"]


class UnionListMergeStrategy(IMergeStrategy):
    """Joins two lists by the identity of their items: ``existing`` in its order, then what is new in ``incoming``.

    Of an item that both have, that of ``incoming`` counts; with a known base, that of the side that changed it. An
    item that one side removed from the base and the other left alone is gone. Items without an identity are the same
    when they are equal. What is no list is replaced.
    """

    def __init__(self, identity_key: str | Callable[[Any], Any] | None = "id") -> None:
        self._identity_key = identity_key

    def merge(self, existing: Any, incoming: Any, base: Any = NO_BASE) -> Any:
        theirs, ours = plain(existing), plain(incoming)
        if not (isinstance(theirs, list) and isinstance(ours, list)):
            return ours
        origin: Any = [] if base is NO_BASE else plain(base)
        old = self._by_identity(origin) if isinstance(origin, list) else {}  # pyright: ignore[reportUnknownArgumentType]
        their_items, our_items = self._by_identity(theirs), self._by_identity(ours)  # pyright: ignore[reportUnknownArgumentType]
        merged: list[Any] = []
        for identity in dict.fromkeys([*their_items, *our_items]):
            item = _chosen(*(items.get(identity, ABSENT) for items in (their_items, our_items, old)))
            if not isinstance(item, Absent):
                merged.append(item)
        return merged

    def _by_identity(self, items: list[Any]) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        for item in items:
            identity = identity_of(item, self._identity_key)
            found[("value", canonical(item)) if identity is ABSENT else ("identity", identity)] = item
        return found


def _chosen(their: Any, our: Any, old: Any) -> Any:
    for mine, other in ((our, their), (their, our)):
        if mine is ABSENT:
            return ABSENT if old is not ABSENT and same(other, old) else other
    return their if same(our, old) else our
