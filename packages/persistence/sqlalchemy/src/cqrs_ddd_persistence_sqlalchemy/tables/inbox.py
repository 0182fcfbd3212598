"""The table of messages that were received."""

from __future__ import annotations

from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table

from cqrs_ddd_persistence_sqlalchemy.column_types import KEY, UTCDateTime

__all__ = ["inbox_table"]


def inbox_table(metadata: MetaData, prefix: str) -> Table:
    """One row for each message and consumer."""
    name = f"{prefix}inbox"
    return Table(
        name,
        metadata,
        Column("tenant_id", KEY, nullable=False, server_default=""),
        Column("consumer", KEY, nullable=False),
        Column("message_id", KEY, nullable=False),
        Column("received_at", UTCDateTime, nullable=False),
        PrimaryKeyConstraint("tenant_id", "consumer", "message_id", name=f"{name}_pkey"),
        Index(f"{name}_received_idx", "received_at"),
    )
