"""The table of read models."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, MetaData, PrimaryKeyConstraint, Table

from cqrs_ddd_persistence_sqlalchemy.column_types import DOCUMENT, KEY

__all__ = ["projections_table"]


def projections_table(metadata: MetaData, prefix: str) -> Table:
    """One row for each row of each collection, also for a deleted one whose position is remembered."""
    name = f"{prefix}projections"
    return Table(
        name,
        metadata,
        Column("collection", KEY, nullable=False),
        Column("tenant_id", KEY, nullable=False, server_default=""),
        Column("row_id", KEY, nullable=False),
        Column("data", DOCUMENT, nullable=False),
        Column("position", BigInteger),
        Column("deleted", Boolean, nullable=False),
        PrimaryKeyConstraint("collection", "tenant_id", "row_id", name=f"{name}_pkey"),
    )
