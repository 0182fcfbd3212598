"""SQLite in memory: one connection, which units of work use in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cqrs_ddd_core.ports.event_store import NO_STREAM, StoredEvent
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, UnitOfWorkError
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyEventStore, SQLAlchemyUnitOfWork, create_schema
from cqrs_ddd_persistence_sqlalchemy.database import Database


@pytest.fixture
async def memory() -> AsyncGenerator[AsyncEngine]:
    engine = create_async_engine("sqlite+aiosqlite://")
    await create_schema(engine)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE things (id INTEGER)"))
    yield engine
    await engine.dispose()


async def ids(engine: AsyncEngine) -> list[int]:
    async with Database.of(engine).work(read_only=True) as connection:
        return list((await connection.execute(text("SELECT id FROM things ORDER BY id"))).scalars())


async def test_transactions_wait_for_their_turn(memory: AsyncEngine) -> None:
    async def add(number: int) -> None:
        async with SQLAlchemyUnitOfWork(memory) as uow:
            connection = await uow.connection()
            await connection.execute(text(f"INSERT INTO things VALUES ({number})"))
            await asyncio.sleep(0.001)
            if number % 3 == 0:
                await uow.rollback()

    await asyncio.gather(*map(add, range(9)))
    assert await ids(memory) == [1, 2, 4, 5, 7, 8]


async def test_a_session_that_cannot_wait_is_refused_and_disturbs_nobody(memory: AsyncEngine) -> None:
    async def intrude() -> None:
        async with SQLAlchemyUnitOfWork(memory) as other:
            await other.session.execute(text("INSERT INTO things VALUES (2)"))

    async with SQLAlchemyUnitOfWork(memory) as uow:
        await uow.session.execute(text("INSERT INTO things VALUES (1)"))
        with pytest.raises(ConfigurationError, match="one connection"):
            await asyncio.create_task(intrude())
    assert await ids(memory) == [1]


async def test_whoever_waits_can_be_cancelled(memory: AsyncEngine) -> None:
    database = Database.of(memory)

    async def wait() -> None:
        async with database.alone():
            pass

    async with SQLAlchemyUnitOfWork(memory) as uow:
        await uow.connection()
        waiting = [asyncio.create_task(wait()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
    await asyncio.wait_for(asyncio.gather(*waiting[1:]), 20)
    assert waiting[0].cancelled()


async def test_what_would_wait_for_its_own_unit_of_work_is_refused(memory: AsyncEngine) -> None:
    store = SQLAlchemyEventStore(memory)
    async with SQLAlchemyUnitOfWork(memory):
        event = StoredEvent(event_type="Placed", aggregate_type="Order", aggregate_id="1", payload={})
        await store.append([event], expected_version=NO_STREAM)
        with pytest.raises(UnitOfWorkError, match="wait for it for ever"):
            await store.read_all()
    assert len(await store.read_all()) == 1
