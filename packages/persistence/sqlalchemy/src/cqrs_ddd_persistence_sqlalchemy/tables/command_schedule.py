"""The table of scheduled commands."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, PrimaryKeyConstraint, Table, Text, UniqueConstraint

from cqrs_ddd_persistence_sqlalchemy.column_types import DOCUMENT, KEY, POSITION, UTCDateTime

__all__ = ["command_schedule_table"]


def command_schedule_table(metadata: MetaData, prefix: str) -> Table:
    """One row for each entry."""
    name = f"{prefix}command_schedule"
    return Table(
        name,
        metadata,
        Column("sequence", POSITION, autoincrement=True),
        Column("tenant_id", KEY, nullable=False, server_default=""),
        Column("schedule_id", KEY, nullable=False),
        Column("command_type", KEY, nullable=False),
        Column("payload", DOCUMENT, nullable=False),
        Column("due_at", UTCDateTime, nullable=False),
        Column("status", KEY, nullable=False),
        Column("description", Text, nullable=False),
        Column("cron", Text),
        Column("timezone", Text, nullable=False),
        Column("missed_runs", Text, nullable=False),
        Column("attempts", BigInteger, nullable=False),
        Column("error", Text),
        Column("leased_until", UTCDateTime),
        Column("lease", Text),
        Column("version", BigInteger, nullable=False),
        Column("created_at", UTCDateTime, nullable=False),
        Column("last_run_at", UTCDateTime),
        Column("correlation_id", Text),
        Column("metadata", DOCUMENT, nullable=False),
        # When the entry was last added or saved: what a purge goes by.
        Column("saved_at", UTCDateTime, nullable=False),
        PrimaryKeyConstraint("sequence", name=f"{name}_pkey"),
        UniqueConstraint("tenant_id", "schedule_id", name=f"{name}_schedule_id_key"),
        Index(f"{name}_due_idx", "status", "due_at"),
        Index(f"{name}_saved_idx", "status", "saved_at"),
        sqlite_autoincrement=True,
    )
