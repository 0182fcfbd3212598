"""Merging the fields of two states, each as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cqrs_ddd_advanced_core.conflict_resolution.strategy import IMergeStrategy
from cqrs_ddd_advanced_core.conflict_resolution.values import ABSENT, NO_BASE, Absent, plain, same
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["FieldLevelMergeStrategy", "field_level_merge"]


class FieldLevelMergeStrategy(IMergeStrategy):
    """Takes every field over that ``incoming`` has; with a known base, every field that ``incoming`` changed.

    With ``ignore_conflicts`` a field that both have (with a base: that both changed) stays as in ``existing``.
    ``include_fields`` and ``exclude_fields`` say which fields of ``incoming`` count. What is no mapping is replaced.
    """

    def __init__(
        self,
        *,
        ignore_conflicts: bool = False,
        include_fields: Iterable[str] | None = None,
        exclude_fields: Iterable[str] | None = None,
    ) -> None:
        if isinstance(include_fields, str) or isinstance(exclude_fields, str):
            raise ConfigurationError("include_fields and exclude_fields are collections of names, not a text.")
        self._ignore_conflicts = ignore_conflicts
        self._include = None if include_fields is None else frozenset(include_fields)
        self._exclude = frozenset(exclude_fields or ())

    def merge(self, existing: Any, incoming: Any, base: Any = NO_BASE) -> Any:
        theirs, ours = plain(existing), plain(incoming)
        if not (isinstance(theirs, Mapping) and isinstance(ours, Mapping)):
            return ours
        if base is NO_BASE:
            return self._two_way(theirs, ours)  # pyright: ignore[reportUnknownArgumentType]
        origin = plain(base)
        return self._three_way(theirs, ours, origin if isinstance(origin, Mapping) else {})  # pyright: ignore[reportUnknownArgumentType]

    def _counts(self, field: Any) -> bool:
        return field not in self._exclude and (self._include is None or field in self._include)

    def _two_way(self, theirs: Mapping[Any, Any], ours: Mapping[Any, Any]) -> dict[Any, Any]:
        merged = dict(theirs)
        for field, value in ours.items():
            if self._counts(field) and not (self._ignore_conflicts and field in merged):
                merged[field] = value
        return merged

    def _three_way(
        self, theirs: Mapping[Any, Any], ours: Mapping[Any, Any], origin: Mapping[Any, Any]
    ) -> dict[Any, Any]:
        merged = dict(theirs)
        for field in dict.fromkeys([*origin, *ours]):
            their, our, old = (side.get(field, ABSENT) for side in (theirs, ours, origin))
            if not self._counts(field) or same(our, old):
                continue
            both_changed = not same(their, old) and not same(their, our)
            if both_changed and (self._ignore_conflicts or isinstance(our, Absent)):
                continue  # a change survives a removal
            if isinstance(our, Absent):
                merged.pop(field, None)
            else:
                merged[field] = our
        return merged


def field_level_merge(existing: Any, incoming: Any) -> Any:
    """Every field of ``incoming`` over those of ``existing``."""
    return FieldLevelMergeStrategy().merge(existing, incoming)
