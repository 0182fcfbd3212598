"""The table of events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["branch_labels", "depends_on", "down_revision", "downgrade", "revision", "upgrade"]

revision = "cqrs_ddd_0001"
down_revision = None
branch_labels = ("cqrs_ddd",)
depends_on = None


def upgrade() -> None:
    tables: Tables = context.config.attributes.get("tables", TABLES)
    name = f"{tables.prefix}events"
    key = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    moment = sa.Text().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
    if op.get_context().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence(f"{name}_position_seq", schema=tables.schema, cache=1)))
    op.create_table(
        name,
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False),
        sa.Column("tenant_id", key, nullable=False, server_default=""),
        sa.Column("aggregate_type", key, nullable=False),
        sa.Column("aggregate_id", key, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.Column("event_id", key, nullable=False),
        sa.Column("payload", document, nullable=False),
        sa.Column("metadata", document, nullable=False),
        sa.Column("occurred_at", moment, nullable=False),
        sa.Column("correlation_id", sa.Text),
        sa.Column("causation_id", sa.Text),
        sa.PrimaryKeyConstraint("position", name=f"{name}_pkey"),
        sa.UniqueConstraint("aggregate_id", "aggregate_type", "tenant_id", "version", name=f"{name}_stream_key"),
        sa.UniqueConstraint("event_id", name=f"{name}_event_id_key"),
        schema=tables.schema,
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    tables: Tables = context.config.attributes.get("tables", TABLES)
    name = f"{tables.prefix}events"
    op.drop_table(name, schema=tables.schema)
    if op.get_context().dialect.name == "postgresql":
        op.execute(sa.schema.DropSequence(sa.Sequence(f"{name}_position_seq", schema=tables.schema)))
