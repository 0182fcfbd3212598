"""What the event store asks of one kind of database, and how rows become events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from cqrs_ddd_core.ports.event_store import StoredEvent
from cqrs_ddd_persistence_sqlalchemy.column_types import from_utc_text
from cqrs_ddd_persistence_sqlalchemy.event_append import StreamRows
from cqrs_ddd_persistence_sqlalchemy.json_document import decode

__all__ = ["COLUMNS", "POSITION", "Appended", "EventLog", "LogPage", "StreamKey", "event_of_row"]

COLUMNS: Final = (
    "position",
    "tenant_id",
    "aggregate_type",
    "aggregate_id",
    "version",
    "event_type",
    "schema_version",
    "event_id",
    "payload",
    "metadata",
    "occurred_at",
    "correlation_id",
    "causation_id",
)
"""The columns of every row that is read, in this order; payload and metadata as JSON text."""
POSITION: Final = COLUMNS.index("position")


class StreamKey(NamedTuple):
    """Which stream."""

    tenant_id: str
    """Empty outside of any tenant."""
    aggregate_type: str
    aggregate_id: str


class Appended(NamedTuple):
    """What the database gave to the rows of one append."""

    before: int
    """The last version of the stream before it."""
    positions: Sequence[int]


class LogPage(NamedTuple):
    """One look at the log."""

    rows: Sequence[Sequence[Any]]
    end: int
    """The position up to which there is nothing else, when there were fewer rows than asked for: that of an event."""
    is_held_back: bool
    """More has been committed perhaps, but somebody who began to append earlier has not ended."""


class EventLog(Protocol):
    """Statements on the table of events.

    ``connection`` is that of an open transaction. None means: outside of any, committed at once.
    """

    async def append(self, appends: Sequence[StreamRows], connection: AsyncConnection | None) -> Sequence[Appended]:
        """Insert all rows or none and give them positions.

        Raises ``OptimisticConcurrencyError`` and ``EventStoreError``; the transaction can be used on after them.
        """
        ...

    async def read_stream(
        self,
        stream: StreamKey,
        after_version: int,
        up_to_version: int,
        limit: int | None,
        connection: AsyncConnection | None,
    ) -> Sequence[Sequence[Any]]:
        """Rows of one stream in order of version."""
        ...

    async def stream_version(self, stream: StreamKey, connection: AsyncConnection | None) -> int:
        """The last version of a stream; 0 when it has no events."""
        ...

    async def latest_position(self) -> int:
        """The position of the last event behind which readers will find everything else; 0 when there is none."""
        ...

    async def read_log(
        self, after_position: int, limit: int, event_types: Collection[str] | None, tenant_id: str | None
    ) -> LogPage:
        """Final rows behind a position, in order."""
        ...


def event_of_row(row: Sequence[Any]) -> StoredEvent:
    """The event of a row of ``COLUMNS``."""
    (
        position,
        tenant_id,
        aggregate_type,
        aggregate_id,
        version,
        event_type,
        schema_version,
        event_id,
        payload,
        metadata,
        occurred_at,
        correlation_id,
        causation_id,
    ) = row
    return StoredEvent(
        event_type=event_type,
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        payload=decode(payload),
        version=version,
        schema_version=schema_version,
        event_id=event_id,
        occurred_at=from_utc_text(occurred_at) if occurred_at.__class__ is str else occurred_at,
        metadata={} if metadata == "{}" else decode(metadata),
        correlation_id=correlation_id,
        causation_id=causation_id,
        tenant_id=tenant_id or None,
        position=position,
    )
