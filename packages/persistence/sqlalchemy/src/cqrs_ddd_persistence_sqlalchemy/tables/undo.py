"""The table of undo tokens."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint

from cqrs_ddd_persistence_sqlalchemy.column_types import DOCUMENT, KEY, POSITION, UTCDateTime

__all__ = ["undo_tokens_table"]


def undo_tokens_table(metadata: MetaData, prefix: str) -> Table:
    """One row for each token."""
    name = f"{prefix}undo_tokens"
    return Table(
        name,
        metadata,
        Column("sequence", POSITION, autoincrement=True),
        Column("tenant_id", KEY, nullable=False, server_default=""),
        Column("token_id", KEY, nullable=False),
        Column("aggregate_type", KEY, nullable=False),
        Column("aggregate_id", KEY, nullable=False),
        Column("event_ids", DOCUMENT, nullable=False),
        Column("from_version", BigInteger, nullable=False),
        Column("to_version", BigInteger, nullable=False),
        Column("status", KEY, nullable=False),
        Column("command_id", KEY),
        Column("expires_at", UTCDateTime),
        Column("undo_event_ids", DOCUMENT, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("created_at", UTCDateTime, nullable=False),
        Column("updated_at", UTCDateTime, nullable=False),
        Column("metadata", DOCUMENT, nullable=False),
        PrimaryKeyConstraint("sequence", name=f"{name}_pkey"),
        UniqueConstraint("tenant_id", "token_id", name=f"{name}_token_id_key"),
        Index(f"{name}_aggregate_idx", "tenant_id", "aggregate_type", "aggregate_id"),
        Index(f"{name}_command_idx", "tenant_id", "command_id"),
        Index(f"{name}_expires_idx", "expires_at"),
        sqlite_autoincrement=True,
    )
