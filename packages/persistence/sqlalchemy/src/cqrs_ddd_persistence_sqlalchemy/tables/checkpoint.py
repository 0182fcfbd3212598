"""The table of checkpoints."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, PrimaryKeyConstraint, Table

from cqrs_ddd_persistence_sqlalchemy.column_types import KEY, UTCDateTime

__all__ = ["checkpoints_table"]


def checkpoints_table(metadata: MetaData, prefix: str) -> Table:
    """One row for each reader of the event log."""
    name = f"{prefix}checkpoints"
    return Table(
        name,
        metadata,
        Column("name", KEY, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("updated_at", UTCDateTime, nullable=False),
        PrimaryKeyConstraint("name", name=f"{name}_pkey"),
    )
