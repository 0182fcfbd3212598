"""The tables of inbox, idempotency, snapshots and checkpoints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "cqrs_ddd_0002"
down_revision = "cqrs_ddd_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tables: Tables = context.config.attributes.get("tables", TABLES)
    prefix, schema = tables.prefix, tables.schema
    key = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    moment = sa.Text().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
    op.create_table(
        f"{prefix}inbox",
        sa.Column("tenant_id", key, nullable=False, server_default=""),
        sa.Column("consumer", key, nullable=False),
        sa.Column("message_id", key, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "consumer", "message_id", name=f"{prefix}inbox_pkey"),
        schema=schema,
    )
    op.create_index(f"{prefix}inbox_received_idx", f"{prefix}inbox", ["received_at"], schema=schema)
    op.create_table(
        f"{prefix}idempotency",
        sa.Column("tenant_id", key, nullable=False, server_default=""),
        sa.Column("key", key, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("record", document, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=f"{prefix}idempotency_pkey"),
        schema=schema,
    )
    op.create_index(f"{prefix}idempotency_created_idx", f"{prefix}idempotency", ["created_at"], schema=schema)
    op.create_table(
        f"{prefix}snapshots",
        sa.Column("tenant_id", key, nullable=False, server_default=""),
        sa.Column("aggregate_type", key, nullable=False),
        sa.Column("aggregate_id", key, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("state", document, nullable=False),
        sa.Column("taken_at", moment, nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "aggregate_type", "aggregate_id", "version", name=f"{prefix}snapshots_pkey"
        ),
        schema=schema,
    )
    op.create_table(
        f"{prefix}checkpoints",
        sa.Column("name", key, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name=f"{prefix}checkpoints_pkey"),
        schema=schema,
    )


def downgrade() -> None:
    tables: Tables = context.config.attributes.get("tables", TABLES)
    for name in ("checkpoints", "snapshots", "idempotency", "inbox"):
        op.drop_table(f"{tables.prefix}{name}", schema=tables.schema)
