"""The log of all events: streams of single aggregates, and one order over everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, runtime_checkable

from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["ANY_VERSION", "NO_STREAM", "IEventStore", "StoredEvent", "StreamAppend"]

ANY_VERSION: Final = -1
"""Append whatever the stream's last version is. Two events of one version are refused all the same."""
NO_STREAM: Final = 0
"""The stream must have no events yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it is stored: names instead of classes, JSON instead of objects."""

    event_type: str
    aggregate_type: str
    aggregate_id: str
    payload: dict[str, Any]
    """The event's own fields as JSON values; the envelope stands beside it."""
    version: int = 0
    """Its place in the stream, from 1. Given 0, the store takes the one after the last."""
    schema_version: int = 1
    event_id: str = field(default_factory=new_id)
    occurred_at: datetime = field(default_factory=utc_now)
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    correlation_id: str | None = None
    causation_id: str | None = None
    tenant_id: str | None = None
    position: int | None = None
    """Its place among all events, from 1, with gaps. None until the store has given it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAppend:
    """Events for the end of one stream."""

    events: Sequence[StoredEvent]
    """In order, all of one aggregate type and id, at least one."""
    expected_version: int
    """The stream's last version, ``NO_STREAM`` or ``ANY_VERSION``."""


@runtime_checkable
class IEventStore(Protocol):
    """Streams of events, in the current tenant, and one log over all tenants.

    Within a stream versions rise and never repeat; gaps are legal (an aggregate may be saved without an event).
    ``position`` orders all events: a reader that goes on from the last position it saw meets every committed event
    exactly once, also when a transaction that started earlier commits later. Appending joins the open unit of work
    of the same database; then the events are there after its commit, and not at all after a rollback.
    """

    async def append(self, events: Sequence[StoredEvent], *, expected_version: int) -> Sequence[StoredEvent]:
        """Add events to the end of one stream, all or none, and return them with versions and tenant filled in.

        ``position`` is filled in too, unless the store numbers events at the commit of the open unit of work.
        Raises ``OptimisticConcurrencyError`` when the stream's last version is not ``expected_version``, or when a
        version is not behind the last one, here or at the commit; ``EventStoreError`` for an event id that is
        stored already, for no events, and for events of several streams; ``SerializationError`` for a payload or
        metadata that is not JSON; ``ValueError`` for a time without a zone and for an event of another tenant. What
        is refused before the commit leaves the unit of work as it was.
        """
        ...

    async def append_batch(self, appends: Sequence[StreamAppend]) -> Sequence[StoredEvent]:
        """Add to several streams, all or none. Errors as for ``append``."""
        ...

    async def read_stream(
        self,
        aggregate_type: str,
        aggregate_id: str,
        *,
        after_version: int = 0,
        up_to_version: int | None = None,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of one stream in order of version, what the open unit of work has added included.

        Empty when there are none. Upcasters that the store was given have been applied; the events that one stored
        event was split into stay together, so that there may be more than ``limit`` of them.
        """
        ...

    async def stream_version(self, aggregate_type: str, aggregate_id: str) -> int:
        """The version of the stream's last event; 0 when there are none."""
        ...

    async def read_all(
        self,
        after_position: int = 0,
        *,
        limit: int = 1000,
        event_types: Iterable[str] | None = None,
        tenant_id: str | None = None,
    ) -> Sequence[StoredEvent]:
        """Committed events of all streams and tenants behind a position, in order, at most ``limit``.

        Empty when there are none *yet*. ``event_types`` (the names of today, as upcasters give them) and
        ``tenant_id`` leave out the others. Split events stay together, as in ``read_stream``.
        """
        ...

    def subscribe(
        self, after_position: int = 0, *, batch_size: int = 1000, event_types: Iterable[str] | None = None
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        """All events behind a position, then those to come, in batches that are not empty. Ends only by cancelling."""
        ...

    async def latest_position(self) -> int:
        """The position up to which readers have everything; 0 when there is nothing."""
        ...
