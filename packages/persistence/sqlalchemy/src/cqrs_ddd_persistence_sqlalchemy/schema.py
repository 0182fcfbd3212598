"""Making all tables at once: for tests and demos. Production uses the migrations (``migration``)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, Table, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.schema import CreateSchema

from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_persistence_sqlalchemy.engine_events import marked, prepare_engine
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["create_schema", "drop_schema", "ensure_schema_exists", "schema_connection", "version_table"]

# Any number will do, as long as every process of the toolkit uses the same.
_LOCK = 7_203_115


async def create_schema(
    bind: AsyncEngine | AsyncConnection,
    *,
    aggregates: Iterable[type[AggregateRoot[Any]]] = (),
    tables: Tables = TABLES,
) -> None:
    """Make the tables that are not there yet. On a connection it is part of what is open there.

    ``aggregates`` are the classes that are kept as documents: each has a table of its own. It does not bring tables of
    an older version up to date: that is what migrations are for.
    """
    async with schema_connection(bind) as connection:
        await connection.run_sync(_create, tables, [tables.documents(aggregate) for aggregate in aggregates])


async def drop_schema(bind: AsyncEngine | AsyncConnection, *, tables: Tables = TABLES) -> None:
    """Remove the tables, with everything in them, and what migrations noted about them."""
    async with schema_connection(bind) as connection:
        await connection.run_sync(_drop, tables)


@asynccontextmanager
async def schema_connection(bind: AsyncEngine | AsyncConnection) -> AsyncGenerator[AsyncConnection]:
    """A connection on which one process at a time changes tables, until its transaction ends."""
    if isinstance(bind, AsyncEngine):
        prepare_engine(bind)
        async with marked(bind, read_only=False).begin() as connection:
            await _lock(connection)
            yield connection
    else:
        await _lock(bind)
        yield bind


def ensure_schema_exists(connection: Connection, tables: Tables) -> None:
    """Make the schema of the tables on PostgreSQL, if they have one that is not there."""
    # Asked before: CREATE SCHEMA IF NOT EXISTS wants the right to create also where there is nothing to do.
    if tables.schema is not None and tables.schema not in inspect(connection).get_schema_names():
        connection.execute(CreateSchema(tables.schema))


def version_table(tables: Tables) -> str:
    """Where migrations note which ones have run. Not Alembic's usual name: that one is the application's own."""
    return f"{tables.prefix}alembic_version"


def _create(connection: Connection, tables: Tables, documents: Sequence[Table]) -> None:
    ensure_schema_exists(connection, tables)
    tables.metadata.create_all(connection)
    tables.document_metadata.create_all(connection, tables=documents)


def _drop(connection: Connection, tables: Tables) -> None:
    tables.document_metadata.drop_all(connection)
    tables.metadata.drop_all(connection)
    qualified = version_table(tables) if tables.schema is None else f"{tables.schema}.{version_table(tables)}"
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {qualified}")


async def _lock(connection: AsyncConnection) -> None:
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
