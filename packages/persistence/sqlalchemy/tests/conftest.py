"""Databases for the tests of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cqrs_ddd_persistence_sqlalchemy import create_schema, drop_schema


@pytest.fixture
async def sqlite_engine(tmp_path: Path) -> AsyncGenerator[AsyncEngine]:
    """A SQLite file with the tables of the toolkit."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'toolkit.db'}")
    await create_schema(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
async def postgresql_engine(postgres_url: str) -> AsyncGenerator[AsyncEngine]:
    """A PostgreSQL database with the tables of the toolkit, empty."""
    engine = create_async_engine(postgres_url.replace("postgresql:", "postgresql+asyncpg:", 1))
    await create_schema(engine)
    yield engine
    await drop_schema(engine)
    await engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_postgres)])
def engine(request: pytest.FixtureRequest) -> AsyncEngine:
    """Both, one after the other."""
    engine: AsyncEngine = request.getfixturevalue(f"{request.param}_engine")
    return engine
