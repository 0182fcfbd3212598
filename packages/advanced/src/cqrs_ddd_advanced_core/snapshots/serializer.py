"""Between an aggregate and the state in a snapshot."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_advanced_core.snapshots.fingerprint import schema_fingerprint
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.state import dump_state, load_state

__all__ = ["ISnapshotSerializer", "JSONSnapshotSerializer"]


@runtime_checkable
class ISnapshotSerializer(Protocol):
    """Turns an aggregate into JSON values and back, exactly, or refuses."""

    def dump(self, aggregate: AggregateRoot[Any], /) -> dict[str, Any]:
        """The state as JSON values that share nothing with the aggregate. Raises ``SerializationError``."""
        ...

    def load[T: AggregateRoot[Any]](self, aggregate_cls: type[T], state: Mapping[str, Any], version: int, /) -> T:
        """A new aggregate with this state, as saved at ``version``. Raises ``SerializationError``."""
        ...

    def fingerprint(self, aggregate_cls: type[AggregateRoot[Any]], /) -> str:
        """Which snapshots ``load`` can read for this class: those with the same fingerprint."""
        ...


class JSONSnapshotSerializer(ISnapshotSerializer):
    """Keeps the fields of an aggregate as plain JSON, as document stores keep them.

    A field that JSON could not give back exactly is refused; the aggregate is then loaded from its events alone.
    """

    _FORMAT = "json-1"
    """Part of the fingerprint: another way of writing states would get another name."""

    def __init__(self) -> None:
        self._fingerprints: weakref.WeakKeyDictionary[type[AggregateRoot[Any]], str] = weakref.WeakKeyDictionary()

    def dump(self, aggregate: AggregateRoot[Any], /) -> dict[str, Any]:
        return dump_state(aggregate)

    def load[T: AggregateRoot[Any]](self, aggregate_cls: type[T], state: Mapping[str, Any], version: int, /) -> T:
        return load_state(aggregate_cls, state, version)

    def fingerprint(self, aggregate_cls: type[AggregateRoot[Any]], /) -> str:
        known = self._fingerprints.get(aggregate_cls)
        if known is None:
            known = self._fingerprints[aggregate_cls] = f"{self._FORMAT}:{schema_fingerprint(aggregate_cls)}"
        return known
