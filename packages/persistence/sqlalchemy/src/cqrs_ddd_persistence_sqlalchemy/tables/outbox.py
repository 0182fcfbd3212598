"""The table of messages that wait to leave."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, PrimaryKeyConstraint, Table, Text, UniqueConstraint

from cqrs_ddd_persistence_sqlalchemy.column_types import DOCUMENT, KEY, POSITION, UTCDateTime

__all__ = ["outbox_table"]


def outbox_table(metadata: MetaData, prefix: str) -> Table:
    """One row for each message: its envelope, and how far it has come."""
    name = f"{prefix}outbox"
    return Table(
        name,
        metadata,
        Column("sequence", POSITION, autoincrement=True),
        Column("message_id", KEY, nullable=False),
        Column("topic", Text, nullable=False),
        Column("tenant_id", KEY, nullable=False, server_default=""),
        Column("key", KEY),
        Column("status", KEY, nullable=False),
        Column("created_at", UTCDateTime, nullable=False),
        Column("available_at", UTCDateTime, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("last_error", Text),
        Column("published_at", UTCDateTime),
        Column("leased_until", UTCDateTime),
        Column("lease", Text),
        Column("envelope", DOCUMENT, nullable=False),
        PrimaryKeyConstraint("sequence", name=f"{name}_pkey"),
        UniqueConstraint("message_id", name=f"{name}_message_id_key"),
        # What relays look for, and what clean-up looks for.
        Index(f"{name}_status_idx", "status", "sequence"),
        Index(f"{name}_key_idx", "tenant_id", "key", "status", "sequence"),
        Index(f"{name}_published_idx", "status", "published_at"),
        sqlite_autoincrement=True,
    )
