"""Bringing the tables to the newest version, with Alembic. The migrations are part of this package."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cqrs_ddd_core.primitives.exceptions import ConfigurationError, MissingExtraError
from cqrs_ddd_persistence_sqlalchemy.schema import ensure_schema_exists, schema_connection, version_table
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

__all__ = ["MIGRATIONS", "current_revision", "stamp", "upgrade"]

MIGRATIONS = Path(__file__).with_name("migrations")
"""Where the migrations are; ``MIGRATIONS / "versions"`` may stand in the ``version_locations`` of another Alembic."""


async def upgrade(bind: AsyncEngine | AsyncConnection, revision: str = "head", *, tables: Tables = TABLES) -> None:
    """Run the migrations up to ``revision``; nothing happens when they have run already.

    On PostgreSQL it is one transaction, and processes that start at the same time wait for each other. Raises
    ``ConfigurationError`` when ``create_schema`` made the tables, ``MissingExtraError`` without Alembic.
    """
    _require_alembic()
    async with schema_connection(bind) as connection:
        await connection.run_sync(_upgrade, revision, tables)


async def stamp(bind: AsyncEngine | AsyncConnection, revision: str = "head", *, tables: Tables = TABLES) -> None:
    """Note that the tables are at ``revision`` already, without running anything: for tables of ``create_schema``."""
    _require_alembic()
    async with schema_connection(bind) as connection:
        await connection.run_sync(_stamp, revision, tables)


async def current_revision(bind: AsyncEngine | AsyncConnection, *, tables: Tables = TABLES) -> str | None:
    """The newest migration that has run; None when there was none."""
    _require_alembic()
    async with schema_connection(bind) as connection:
        return await connection.run_sync(_current, tables)


def _require_alembic() -> None:
    try:
        import_module("alembic")
    except ModuleNotFoundError as error:
        raise MissingExtraError("Running migrations", "cqrs-ddd-persistence-sqlalchemy", "migrations") from error


def _script() -> ScriptDirectory:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - an extra, imported when used

    return ScriptDirectory(str(MIGRATIONS))


def _upgrade(connection: Connection, revision: str, tables: Tables) -> None:
    script = _script()
    if _current(connection, tables) is None and inspect(connection).has_table(tables.events.name, tables.schema):
        raise ConfigurationError(
            f"The table {tables.events.fullname} is there, but no migration made it: create_schema did. If it is of "
            "the newest version, call stamp(engine) once; if it may go, call drop_schema(engine)."
        )
    ensure_schema_exists(connection, tables)

    def steps(current: Any, _context: Any) -> Any:
        return script._upgrade_revs(revision, current)  # pyright: ignore[reportPrivateUsage]  # what its own command calls

    _run(connection, script, steps, tables)


def _stamp(connection: Connection, revision: str, tables: Tables) -> None:
    script = _script()
    ensure_schema_exists(connection, tables)

    def steps(current: Any, _context: Any) -> Any:
        return script._stamp_revs(revision, current)  # pyright: ignore[reportPrivateUsage]  # what its own command calls

    _run(connection, script, steps, tables)


def _current(connection: Connection, tables: Tables) -> str | None:
    from alembic.migration import MigrationContext  # noqa: PLC0415 - an extra, imported when used

    options = {"version_table": version_table(tables), "version_table_schema": tables.schema}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _run(connection: Connection, script: ScriptDirectory, steps: Any, tables: Tables) -> None:
    from alembic.config import Config  # noqa: PLC0415 - an extra, imported when used
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415

    config = Config()
    config.attributes["tables"] = tables
    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(
            connection=connection,
            version_table=version_table(tables),
            version_table_schema=tables.schema,
            # The transaction is the caller's: all of it, or nothing.
            transactional_ddl=False,
        )
        environment.run_migrations()
