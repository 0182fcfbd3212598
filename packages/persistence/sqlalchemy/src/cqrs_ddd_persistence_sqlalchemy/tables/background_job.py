"""The table of background jobs."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from cqrs_ddd_persistence_sqlalchemy.column_types import DOCUMENT, KEY, POSITION, UTCDateTime

__all__ = ["background_jobs_table"]


def background_jobs_table(metadata: MetaData, prefix: str) -> Table:
    """One row for each job."""
    name = f"{prefix}background_jobs"
    not_terminal = text("status IN ('pending', 'running')")
    return Table(
        name,
        metadata,
        Column("sequence", POSITION, autoincrement=True),
        Column("tenant_id", KEY, nullable=False, server_default=""),
        Column("job_id", KEY, nullable=False),
        Column("job_type", KEY, nullable=False),
        Column("payload", DOCUMENT, nullable=False),
        Column("status", KEY, nullable=False),
        Column("priority", BigInteger, nullable=False),
        Column("available_at", UTCDateTime, nullable=False),
        Column("attempts", BigInteger, nullable=False),
        Column("max_retries", BigInteger, nullable=False),
        Column("timeout_seconds", Double),
        Column("unique_key", KEY),
        Column("cancel_requested", Boolean, nullable=False),
        Column("processed_items", BigInteger, nullable=False),
        Column("total_items", BigInteger, nullable=False),
        Column("result", DOCUMENT),
        Column("error", Text),
        Column("worker_id", Text),
        Column("leased_until", UTCDateTime),
        Column("fence", BigInteger, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("created_at", UTCDateTime, nullable=False),
        Column("updated_at", UTCDateTime, nullable=False),
        Column("started_at", UTCDateTime),
        Column("finished_at", UTCDateTime),
        Column("correlation_id", Text),
        Column("causation_id", Text),
        Column("metadata", DOCUMENT, nullable=False),
        PrimaryKeyConstraint("sequence", name=f"{name}_pkey"),
        UniqueConstraint("tenant_id", "job_id", name=f"{name}_job_id_key"),
        # A job that has ended leaves its key to the next one.
        Index(
            f"{name}_unique_key",
            "tenant_id",
            "unique_key",
            unique=True,
            postgresql_where=not_terminal,
            sqlite_where=not_terminal,
        ),
        Index(f"{name}_due_idx", "status", "priority", "available_at"),
        Index(f"{name}_lease_idx", "status", "leased_until"),
        Index(f"{name}_created_idx", "tenant_id", "created_at"),
        Index(f"{name}_finished_idx", "status", "finished_at"),
        sqlite_autoincrement=True,
    )
