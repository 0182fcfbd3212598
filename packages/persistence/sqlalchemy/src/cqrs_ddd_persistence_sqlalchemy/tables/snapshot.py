"""The table of snapshots."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, PrimaryKeyConstraint, Table, Text

from cqrs_ddd_persistence_sqlalchemy.column_types import DOCUMENT, KEY, UTCDateTime

__all__ = ["snapshots_table"]


def snapshots_table(metadata: MetaData, prefix: str) -> Table:
    """One row for each state of an aggregate that was kept."""
    name = f"{prefix}snapshots"
    return Table(
        name,
        metadata,
        Column("tenant_id", KEY, nullable=False, server_default=""),
        Column("aggregate_type", KEY, nullable=False),
        Column("aggregate_id", KEY, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("fingerprint", Text, nullable=False),
        Column("state", DOCUMENT, nullable=False),
        Column("taken_at", UTCDateTime, nullable=False),
        PrimaryKeyConstraint("tenant_id", "aggregate_type", "aggregate_id", "version", name=f"{name}_pkey"),
    )
