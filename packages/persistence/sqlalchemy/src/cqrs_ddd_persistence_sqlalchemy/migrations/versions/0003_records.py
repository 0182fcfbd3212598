"""The table of the outbox."""

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


def downgrade() -> None:
    tables: Tables = context.config.attributes.get("tables", TABLES)
    op.drop_table(f"{tables.prefix}outbox", schema=tables.schema)
