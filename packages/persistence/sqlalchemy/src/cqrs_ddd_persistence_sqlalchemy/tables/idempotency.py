"""The table of answers to commands."""

from __future__ import annotations

from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table

from cqrs_ddd_persistence_sqlalchemy.column_types import DOCUMENT, KEY, UTCDateTime

__all__ = ["idempotency_table"]


def idempotency_table(metadata: MetaData, prefix: str) -> Table:
    """One row for each key."""
    name = f"{prefix}idempotency"
    return Table(
        name,
        metadata,
        Column("tenant_id", KEY, nullable=False, server_default=""),
        Column("key", KEY, nullable=False),
        Column("created_at", UTCDateTime, nullable=False),
        Column("record", DOCUMENT, nullable=False),
        PrimaryKeyConstraint("tenant_id", "key", name=f"{name}_pkey"),
        Index(f"{name}_created_idx", "created_at"),
    )
