"""Tables from ``create_schema`` and from the migrations are the same, and nothing is made unless it is asked for."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cqrs_ddd_core.ports.event_store import NO_STREAM, StoredEvent
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, MissingExtraError, PersistenceError
from cqrs_ddd_persistence_sqlalchemy import (
    SQLAlchemyEventStore,
    SQLAlchemyUnitOfWork,
    Tables,
    create_schema,
    current_revision,
    drop_schema,
    metadata,
    migration,
    stamp,
    upgrade,
)
from cqrs_ddd_persistence_sqlalchemy.migration import MIGRATIONS

OWN_TABLES = Tables(prefix="own_")
IN_A_SCHEMA = Tables(prefix="", schema="toolkit")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[AsyncEngine]:
    """An engine of a database without any of our tables."""
    if request.param == "sqlite":
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    else:
        url: str = request.getfixturevalue("postgres_url")
        engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:", 1))
    yield engine
    for tables in (OWN_TABLES, Tables()):
        await drop_schema(engine, tables=tables)
    await engine.dispose()


def plain(value: Any) -> str:
    """What can be compared; SQL expressions are different objects each time."""
    if isinstance(value, Mapping):
        return str({key: plain(item) for key, item in value.items()})
    return str(value)


def describe(connection: Connection, prefix: str, schema: str | None = None) -> dict[str, Any]:
    """Everything that a database says about tables whose names begin like this."""
    inspector = inspect(connection)
    found: dict[str, Any] = {}
    for name in inspector.get_table_names(schema):
        if name.startswith(prefix) and not name.endswith("alembic_version"):
            found[name] = {
                "columns": [
                    {key: str(value) for key, value in column.items()} for column in inspector.get_columns(name, schema)
                ],
                "primary key": inspector.get_pk_constraint(name, schema),
                "unique": sorted(map(plain, inspector.get_unique_constraints(name, schema))),
                "indexes": sorted(map(plain, inspector.get_indexes(name, schema))),
                "checks": sorted(map(plain, inspector.get_check_constraints(name, schema))),
            }
    if connection.dialect.name == "postgresql":
        sequences = text(
            "SELECT sequencename, data_type::text, start_value, increment_by, cycle, cache_size FROM pg_sequences "
            "WHERE starts_with(sequencename, :prefix) ORDER BY 1"
        )
        found["sequences"] = [tuple(row) for row in connection.execute(sequences, {"prefix": prefix})]
    else:
        statements = text("SELECT name, sql FROM sqlite_master WHERE name LIKE :pattern AND sql LIKE '%AUTOINCREMENT%'")
        counted = connection.execute(statements, {"pattern": f"{prefix}%"})
        found["counted by SQLite"] = sorted(row[0] for row in counted)
    return found


async def described(engine: AsyncEngine, prefix: str = "cqrs_ddd_", schema: str | None = None) -> dict[str, Any]:
    async with engine.connect() as connection:
        return await connection.run_sync(describe, prefix, schema)


async def test_migrations_make_what_create_schema_makes(empty: AsyncEngine) -> None:
    await create_schema(empty)
    created = await described(empty)
    await drop_schema(empty)
    assert "cqrs_ddd_events" not in await described(empty)
    await upgrade(empty)
    assert await described(empty) == created
    assert "cqrs_ddd_events" in created


async def test_migrations_make_what_the_metadata_says(empty: AsyncEngine) -> None:
    await upgrade(empty)

    def differences(connection: Connection) -> list[Any]:
        options = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    async with empty.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_each_migration_can_be_run_by_itself(empty: AsyncEngine) -> None:
    revisions = sorted(
        re.findall(
            r'^revision = "(\w+)"', "\n".join(file.read_text() for file in MIGRATIONS.rglob("0*.py")), re.MULTILINE
        )
    )
    assert await current_revision(empty) is None
    for revision in revisions:
        await upgrade(empty, revision)
        assert await current_revision(empty) == revision
    step_by_step = await described(empty)
    await drop_schema(empty)
    await upgrade(empty)
    assert await described(empty) == step_by_step


async def test_migrating_again_changes_nothing(empty: AsyncEngine) -> None:
    await upgrade(empty)
    await SQLAlchemyEventStore(empty).append([an_event()], expected_version=NO_STREAM)
    before = await described(empty)
    await upgrade(empty)
    assert await described(empty) == before
    assert len(await SQLAlchemyEventStore(empty).read_all()) == 1


async def test_tables_of_create_schema_are_not_migrated_by_accident(empty: AsyncEngine) -> None:
    await create_schema(empty)
    with pytest.raises(ConfigurationError, match="create_schema did"):
        await upgrade(empty)
    await stamp(empty)
    newest = await current_revision(empty)
    await upgrade(empty)
    assert await current_revision(empty) == newest is not None


async def test_a_migration_that_is_rolled_back_leaves_nothing(empty: AsyncEngine) -> None:
    async with empty.connect() as connection:
        if empty.dialect.name == "sqlite":
            await connection.exec_driver_sql("BEGIN")
        await upgrade(connection)
        await connection.rollback()
    assert not any(name.startswith("cqrs_ddd_") for name in await described(empty))


async def test_making_tables_twice_is_harmless(empty: AsyncEngine) -> None:
    await create_schema(empty)
    await create_schema(empty)
    await drop_schema(empty)
    await drop_schema(empty)


async def test_two_sets_of_tables_live_side_by_side(empty: AsyncEngine) -> None:
    await create_schema(empty)
    await upgrade(empty, tables=OWN_TABLES)
    usual, own = SQLAlchemyEventStore(empty), SQLAlchemyEventStore(empty, tables=OWN_TABLES)
    await usual.append([an_event()], expected_version=NO_STREAM)
    await own.append([an_event()], expected_version=NO_STREAM)
    assert (len(await usual.read_all()), len(await own.read_all())) == (1, 1)
    await drop_schema(empty, tables=OWN_TABLES)
    assert len(await usual.read_all()) == 1


@pytest.mark.needs_postgres
@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
@pytest.mark.parametrize("how", [create_schema, upgrade])
async def test_tables_can_stand_in_a_schema(empty: AsyncEngine, how: Any) -> None:
    await how(empty, tables=IN_A_SCHEMA)
    store = SQLAlchemyEventStore(empty, tables=IN_A_SCHEMA)
    await store.append([an_event()], expected_version=NO_STREAM)
    async with SQLAlchemyUnitOfWork(empty):
        await store.append([an_event(), an_event()], expected_version=1)
    assert [event.version for event in await store.read_all()] == [1, 2, 3]
    assert "events" in await described(empty, "", "toolkit")
    await drop_schema(empty, tables=IN_A_SCHEMA)
    async with empty.begin() as connection:
        await connection.execute(text("DROP SCHEMA toolkit CASCADE"))


@pytest.mark.parametrize("name", ["", "Upper", "with space", "semi;colon", "quo'te", "1digit", "x" * 32])
def test_a_name_that_would_need_quotes_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="lower-case"):
        Tables(schema=name)
    if name:
        with pytest.raises(ConfigurationError, match="lower-case"):
            Tables(prefix=name)


async def test_without_tables_the_error_says_how_to_make_them(empty: AsyncEngine) -> None:
    store = SQLAlchemyEventStore(empty)
    with pytest.raises(PersistenceError, match="create_schema"):
        await store.append([an_event()], expected_version=NO_STREAM)
    with pytest.raises(PersistenceError, match="upgrade"):
        await store.read_all()
    assert not any(name.startswith("cqrs_ddd_") for name in await described(empty)), "nothing is made by itself"


async def test_without_alembic_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_alembic(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(migration, "import_module", no_alembic)
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(MissingExtraError, match=re.escape("[migrations]")):
        await upgrade(engine)


def an_event() -> StoredEvent:
    return StoredEvent(event_type="OrderPlaced", aggregate_type="Order", aggregate_id="1", payload={})
