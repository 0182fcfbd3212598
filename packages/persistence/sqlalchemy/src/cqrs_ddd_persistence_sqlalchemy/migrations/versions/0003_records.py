"""The tables of outbox, sagas, background jobs, scheduled commands, undo tokens and read models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "cqrs_ddd_0003"
down_revision = "cqrs_ddd_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables: Tables = context.config.attributes.get("tables", TABLES)
    prefix, schema = tables.prefix, tables.schema
    key = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    moment = sa.Text().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    outbox = f"{prefix}outbox"
    op.create_table(
        outbox,
        sa.Column("sequence", number, autoincrement=True),
        sa.Column("message_id", key, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("tenant_id", key, nullable=False, server_default=""),
        sa.Column("key", key),
        sa.Column("status", key, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("available_at", moment, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("published_at", moment),
        sa.Column("leased_until", moment),
        sa.Column("lease", sa.Text),
        sa.Column("envelope", document, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=f"{outbox}_pkey"),
        sa.UniqueConstraint("message_id", name=f"{outbox}_message_id_key"),
        schema=schema,
        sqlite_autoincrement=True,
    )
    op.create_index(f"{outbox}_status_idx", outbox, ["status", "sequence"], schema=schema)
    op.create_index(f"{outbox}_key_idx", outbox, ["tenant_id", "key", "status", "sequence"], schema=schema)
    op.create_index(f"{outbox}_published_idx", outbox, ["status", "published_at"], schema=schema)
    sagas = f"{prefix}sagas"
    op.create_table(
        sagas,
        sa.Column("sequence", number, autoincrement=True),
        sa.Column("tenant_id", key, nullable=False, server_default=""),
        sa.Column("saga_id", key, nullable=False),
        sa.Column("saga_type", key, nullable=False),
        sa.Column("key", key, nullable=False),
        sa.Column("status", key, nullable=False),
        sa.Column("body", document, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("wake_at", moment),
        sa.Column("leased_until", moment),
        sa.Column("lease", sa.Text),
        sa.Column("correlation_id", sa.Text),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=f"{sagas}_pkey"),
        sa.UniqueConstraint("tenant_id", "saga_id", name=f"{sagas}_saga_id_key"),
        sa.UniqueConstraint("tenant_id", "saga_type", "key", name=f"{sagas}_key_key"),
        schema=schema,
        sqlite_autoincrement=True,
    )
    op.create_index(f"{sagas}_wake_idx", sagas, ["wake_at"], schema=schema)
    op.create_index(f"{sagas}_updated_idx", sagas, ["status", "updated_at"], schema=schema)
    jobs = f"{prefix}background_jobs"
    op.create_table(
        jobs,
        sa.Column("sequence", number, autoincrement=True),
        sa.Column("tenant_id", key, nullable=False, server_default=""),
        sa.Column("job_id", key, nullable=False),
        sa.Column("job_type", key, nullable=False),
        sa.Column("payload", document, nullable=False),
        sa.Column("status", key, nullable=False),
        sa.Column("priority", sa.BigInteger, nullable=False),
        sa.Column("available_at", moment, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("max_retries", sa.BigInteger, nullable=False),
        sa.Column("timeout_seconds", sa.Double),
        sa.Column("unique_key", key),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("processed_items", sa.BigInteger, nullable=False),
        sa.Column("total_items", sa.BigInteger, nullable=False),
        sa.Column("result", document),
        sa.Column("error", sa.Text),
        sa.Column("worker_id", sa.Text),
        sa.Column("leased_until", moment),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("started_at", moment),
        sa.Column("finished_at", moment),
        sa.Column("correlation_id", sa.Text),
        sa.Column("causation_id", sa.Text),
        sa.Column("metadata", document, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=f"{jobs}_pkey"),
        sa.UniqueConstraint("tenant_id", "job_id", name=f"{jobs}_job_id_key"),
        schema=schema,
        sqlite_autoincrement=True,
    )
    not_terminal = sa.text("status IN ('pending', 'running')")
    op.create_index(
        f"{jobs}_unique_key",
        jobs,
        ["tenant_id", "unique_key"],
        unique=True,
        schema=schema,
        postgresql_where=not_terminal,
        sqlite_where=not_terminal,
    )
    op.create_index(f"{jobs}_due_idx", jobs, ["status", "priority", "available_at"], schema=schema)
    op.create_index(f"{jobs}_lease_idx", jobs, ["status", "leased_until"], schema=schema)
    op.create_index(f"{jobs}_created_idx", jobs, ["tenant_id", "created_at"], schema=schema)
    op.create_index(f"{jobs}_finished_idx", jobs, ["status", "finished_at"], schema=schema)
    entries = f"{prefix}command_schedule"
    op.create_table(
        entries,
        sa.Column("sequence", number, autoincrement=True),
        sa.Column("tenant_id", key, nullable=False, server_default=""),
        sa.Column("schedule_id", key, nullable=False),
        sa.Column("command_type", key, nullable=False),
        sa.Column("payload", document, nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("status", key, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("cron", sa.Text),
        sa.Column("timezone", sa.Text, nullable=False),
        sa.Column("missed_runs", sa.Text, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("leased_until", moment),
        sa.Column("lease", sa.Text),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("last_run_at", moment),
        sa.Column("correlation_id", sa.Text),
        sa.Column("metadata", document, nullable=False),
        sa.Column("saved_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=f"{entries}_pkey"),
        sa.UniqueConstraint("tenant_id", "schedule_id", name=f"{entries}_schedule_id_key"),
        schema=schema,
        sqlite_autoincrement=True,
    )
    op.create_index(f"{entries}_due_idx", entries, ["status", "due_at"], schema=schema)
    op.create_index(f"{entries}_saved_idx", entries, ["status", "saved_at"], schema=schema)
    tokens = f"{prefix}undo_tokens"
    op.create_table(
        tokens,
        sa.Column("sequence", number, autoincrement=True),
        sa.Column("tenant_id", key, nullable=False, server_default=""),
        sa.Column("token_id", key, nullable=False),
        sa.Column("aggregate_type", key, nullable=False),
        sa.Column("aggregate_id", key, nullable=False),
        sa.Column("event_ids", document, nullable=False),
        sa.Column("from_version", sa.BigInteger, nullable=False),
        sa.Column("to_version", sa.BigInteger, nullable=False),
        sa.Column("status", key, nullable=False),
        sa.Column("command_id", key),
        sa.Column("expires_at", moment),
        sa.Column("undo_event_ids", document, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("metadata", document, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=f"{tokens}_pkey"),
        sa.UniqueConstraint("tenant_id", "token_id", name=f"{tokens}_token_id_key"),
        schema=schema,
        sqlite_autoincrement=True,
    )
    op.create_index(f"{tokens}_aggregate_idx", tokens, ["tenant_id", "aggregate_type", "aggregate_id"], schema=schema)
    op.create_index(f"{tokens}_command_idx", tokens, ["tenant_id", "command_id"], schema=schema)
    op.create_index(f"{tokens}_expires_idx", tokens, ["expires_at"], schema=schema)
    projections = f"{prefix}projections"
    op.create_table(
        projections,
        sa.Column("collection", key, nullable=False),
        sa.Column("tenant_id", key, nullable=False, server_default=""),
        sa.Column("row_id", key, nullable=False),
        sa.Column("data", document, nullable=False),
        sa.Column("position", sa.BigInteger),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("collection", "tenant_id", "row_id", name=f"{projections}_pkey"),
        schema=schema,
    )


def downgrade() -> None:
    tables: Tables = context.config.attributes.get("tables", TABLES)
    for name in ("projections", "undo_tokens", "command_schedule", "background_jobs", "sagas", "outbox"):
        op.drop_table(f"{tables.prefix}{name}", schema=tables.schema)
