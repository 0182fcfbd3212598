"""The table of sagas."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, PrimaryKeyConstraint, Table, Text, UniqueConstraint

from cqrs_ddd_persistence_sqlalchemy.column_types import DOCUMENT, KEY, POSITION, UTCDateTime

__all__ = ["sagas_table"]


def sagas_table(metadata: MetaData, prefix: str) -> Table:
    """One row for each instance."""
    name = f"{prefix}sagas"
    return Table(
        name,
        metadata,
        Column("sequence", POSITION, autoincrement=True),
        Column("tenant_id", KEY, nullable=False, server_default=""),
        Column("saga_id", KEY, nullable=False),
        Column("saga_type", KEY, nullable=False),
        Column("key", KEY, nullable=False),
        Column("status", KEY, nullable=False),
        Column("body", DOCUMENT, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("definition", Text, nullable=False),
        Column("wake_at", UTCDateTime),
        Column("leased_until", UTCDateTime),
        Column("lease", Text),
        Column("correlation_id", Text),
        Column("created_at", UTCDateTime, nullable=False),
        Column("updated_at", UTCDateTime, nullable=False),
        PrimaryKeyConstraint("sequence", name=f"{name}_pkey"),
        UniqueConstraint("tenant_id", "saga_id", name=f"{name}_saga_id_key"),
        UniqueConstraint("tenant_id", "saga_type", "key", name=f"{name}_key_key"),
        Index(f"{name}_wake_idx", "wake_at"),
        Index(f"{name}_updated_idx", "status", "updated_at"),
        sqlite_autoincrement=True,
    )
