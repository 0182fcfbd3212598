"""What is appended, checked as far as that needs no database, and in the form of rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from cqrs_ddd_core.adapters.arguments import as_utc, tenant_of_record
from cqrs_ddd_core.ports.event_store import ANY_VERSION, StoredEvent, StreamAppend
from cqrs_ddd_core.primitives.exceptions import EventStoreError, OptimisticConcurrencyError
from cqrs_ddd_persistence_sqlalchemy.json_document import encode

__all__ = ["NO_LIMIT", "EventRow", "StreamRows", "second_use", "stored_event", "stream_rows"]

NO_LIMIT: Final = 2**63 - 1
"""Greater than any version or position."""


class EventRow(NamedTuple):
    """One event, without its stream."""

    version: int
    """Its place in the stream; in ``relative`` rows the distance to the last version before the append."""
    event_type: str
    schema_version: int
    event_id: str
    payload: str
    metadata: str
    occurred_at: datetime
    correlation_id: str | None
    causation_id: str | None


class StreamRows(NamedTuple):
    """Events for the end of one stream."""

    tenant_id: str
    """Empty outside of any tenant."""
    aggregate_type: str
    aggregate_id: str
    expected: int
    """The stream's last version, or ``ANY_VERSION``."""
    below: int
    """The last version must be less, or the versions that are given are not behind it."""
    relative: int
    """How many rows, from the first, have versions that only the database can know."""
    rows: list[EventRow]
    events: Sequence[StoredEvent]

    @property
    def aggregate_key(self) -> tuple[str, str]:
        """Which stream of the tenant."""
        return self.aggregate_type, self.aggregate_id

    def conflict(self, actual: int) -> OptimisticConcurrencyError | None:
        """The error for a stream whose last version is ``actual``; None when that is no reason to refuse."""
        if self.expected not in {ANY_VERSION, actual}:
            return OptimisticConcurrencyError(self.aggregate_type, self.aggregate_id, self.expected, actual)
        if actual >= self.below:
            return OptimisticConcurrencyError(self.aggregate_type, self.aggregate_id, self.below - 1, actual)
        return None

    def stored(self, actual: int, positions: Sequence[int]) -> list[StoredEvent]:
        """The events as readers will get them. ``actual`` is the last version before the append."""
        tenant_id = self.tenant_id or None
        stored: list[StoredEvent] = []
        for number, (event, row, position) in enumerate(zip(self.events, self.rows, positions, strict=True)):
            version = row.version + actual if number < self.relative else row.version
            stored.append(stored_event(event, version, tenant_id, row.occurred_at, position))
        return stored


def stream_rows(append: StreamAppend) -> StreamRows:
    """The rows of an append.

    Raises ``EventStoreError`` for no events, several streams, one event twice and impossible versions,
    ``OptimisticConcurrencyError`` for versions that do not rise, ``SerializationError`` and ``ValueError`` for data
    that cannot be stored.
    """
    events, expected = append.events, append.expected_version
    if not events:
        raise EventStoreError("There are no events to append. Call append only when something has happened.")
    if expected < ANY_VERSION:
        raise EventStoreError(f"An expected version is a number from 0 (NO_STREAM), or ANY_VERSION; found {expected}.")
    first = events[0]
    last: int | None = None if expected == ANY_VERSION else expected
    below = NO_LIMIT
    relative = 0
    rows: list[EventRow] = []
    ids: set[str] = set()
    tenant_id: str | None = None
    for event in events:
        if event.aggregate_id != first.aggregate_id or event.aggregate_type != first.aggregate_type:
            raise _several_streams(first, event)
        tenant_id = tenant_of_record(event.tenant_id, f"Event {event.event_id}")
        if event.event_id in ids:
            raise second_use(event.event_id)
        ids.add(event.event_id)
        given = event.version
        if given < 0:
            raise EventStoreError(f"A version is a number from 1, or 0 for the next one; found {given}.")
        if last is None and given == 0:
            relative += 1
            version = relative
        elif last is None:
            # The first version that is given: behind the last one of the stream, and what comes before it here.
            version = last = given
            below = given - relative
        else:
            version = given or last + 1
            if version <= last:
                raise OptimisticConcurrencyError(first.aggregate_type, first.aggregate_id, version - 1, last)
            last = version
        rows.append(_row(event, version))
    return StreamRows(
        tenant_id or "", first.aggregate_type, first.aggregate_id, expected, below, relative, rows, events
    )


def stored_event(
    event: StoredEvent, version: int, tenant_id: str | None, occurred_at: datetime, position: int
) -> StoredEvent:
    """The event with what the store has filled in."""
    # dataclasses.replace takes twice as long, and this is done for every event.
    return StoredEvent(
        event_type=event.event_type,
        aggregate_type=event.aggregate_type,
        aggregate_id=event.aggregate_id,
        payload=event.payload,
        version=version,
        schema_version=event.schema_version,
        event_id=event.event_id,
        occurred_at=occurred_at,
        metadata=event.metadata,
        correlation_id=event.correlation_id,
        causation_id=event.causation_id,
        tenant_id=tenant_id,
        position=position,
    )


def second_use(event_id: str) -> EventStoreError:
    """The error for an event that is stored already."""
    return EventStoreError(
        f"An event with the id {event_id} is stored already. An event is appended once; a new one has a new id."
    )


def _row(event: StoredEvent, version: int) -> EventRow:
    name = event.event_type
    return EventRow(
        version,
        name,
        event.schema_version,
        event.event_id,
        encode(event.payload, kind="event", name=name, field="payload"),
        encode(event.metadata, kind="event", name=name, field="metadata"),
        as_utc(event.occurred_at, "occurred_at"),
        event.correlation_id,
        event.causation_id,
    )


def _several_streams(first: StoredEvent, other: StoredEvent) -> EventStoreError:
    return EventStoreError(
        f"An append is for one stream: found {first.aggregate_type} {first.aggregate_id!r} and "
        f"{other.aggregate_type} {other.aggregate_id!r}. Use append_batch with one StreamAppend for each."
    )
