"""The table of all events."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
)

from cqrs_ddd_persistence_sqlalchemy.column_types import DOCUMENT, KEY, POSITION, UTCDateTime

__all__ = ["STREAM_KEY", "events_table", "position_sequence"]

STREAM_KEY: Final = ("aggregate_id", "aggregate_type", "tenant_id", "version")
"""The columns in which no two events are alike. The id stands first, as nearly every comparison is decided by it."""


def position_sequence(metadata: MetaData, prefix: str) -> Sequence:
    """Where positions come from on PostgreSQL. Readers rely on its last value being the newest: no cache."""
    return Sequence(f"{prefix}events_position_seq", metadata=metadata, cache=1)


def events_table(metadata: MetaData, prefix: str, positions: Sequence) -> Table:
    """One row for each event, never changed after its insert."""
    name = f"{prefix}events"
    return Table(
        name,
        metadata,
        # No default on PostgreSQL: whoever draws a position has to hold a lock before (see docs/global-position.md).
        Column("position", POSITION, positions, autoincrement=True),
        Column("tenant_id", KEY, nullable=False, server_default=""),
        Column("aggregate_type", KEY, nullable=False),
        Column("aggregate_id", KEY, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("event_type", Text, nullable=False),
        Column("schema_version", Integer, nullable=False),
        Column("event_id", KEY, nullable=False),
        Column("payload", DOCUMENT, nullable=False),
        Column("metadata", DOCUMENT, nullable=False),
        Column("occurred_at", UTCDateTime, nullable=False),
        Column("correlation_id", Text),
        Column("causation_id", Text),
        PrimaryKeyConstraint("position", name=f"{name}_pkey"),
        UniqueConstraint(*STREAM_KEY, name=f"{name}_stream_key"),
        UniqueConstraint("event_id", name=f"{name}_event_id_key"),
        sqlite_autoincrement=True,
    )
