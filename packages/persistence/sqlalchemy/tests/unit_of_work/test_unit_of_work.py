"""The unit of work on both databases: lazy, all or nothing, and it gives its connection back."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, event, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cqrs_ddd_core.ports.unit_of_work import current_uow_or_none
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    OptimisticConcurrencyError,
    ReadOnlyUnitOfWorkError,
    UnitOfWorkError,
)
from cqrs_ddd_core.testing.adapter_contract import undone, undone_savepoint
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyUnitOfWork, TransactionConflictError
from cqrs_ddd_persistence_sqlalchemy.database import Database

on_postgresql = pytest.mark.parametrize(
    "engine", [pytest.param("postgresql", marks=pytest.mark.needs_postgres)], indirect=True
)
on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

things = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("name", Text))


@pytest.fixture(autouse=True)
async def _things(engine: AsyncEngine) -> AsyncGenerator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(things.metadata.create_all)
    yield
    assert checked_out(engine) == 0, "a connection was not given back"
    async with engine.begin() as connection:
        await connection.run_sync(things.metadata.drop_all)


@pytest.fixture
def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine)


def checked_out(engine: AsyncEngine) -> int:
    pool: Any = engine.pool
    number: int = pool.checkedout()
    return number


async def names(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list((await connection.execute(select(things.c.name).order_by(things.c.id))).scalars())


def a_thing(number: int, name: str | None = None) -> Any:
    return insert(things).values(id=number, name=name or f"thing {number}")


# ---------------------------------------------------------------------- the transaction


async def test_what_is_done_in_it_is_committed_when_the_block_is_left(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession]
) -> None:
    async with SQLAlchemyUnitOfWork(sessions) as uow:
        await uow.session.execute(a_thing(1))
        assert await names(engine) == []
    assert await names(engine) == ["thing 1"]


async def test_an_exception_rolls_back(engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession]) -> None:
    async with undone(SQLAlchemyUnitOfWork(sessions)) as uow:
        await uow.session.execute(a_thing(1))
    assert await names(engine) == []


async def test_it_can_be_made_from_an_engine(engine: AsyncEngine) -> None:
    async with SQLAlchemyUnitOfWork(engine) as uow:
        await uow.session.execute(a_thing(1))
    assert await names(engine) == ["thing 1"]


async def test_it_goes_on_after_a_commit_and_after_a_rollback(engine: AsyncEngine) -> None:
    async with SQLAlchemyUnitOfWork(engine) as uow:
        await uow.session.execute(a_thing(1))
        await uow.commit()
        await uow.session.execute(a_thing(2))
        await uow.rollback()
        await uow.session.execute(a_thing(3))
    assert await names(engine) == ["thing 1", "thing 3"]


async def test_it_takes_no_connection_before_its_first_statement(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession]
) -> None:
    async with SQLAlchemyUnitOfWork(sessions) as uow:
        assert checked_out(engine) == 0
        assert uow.session.bind is not None
        assert checked_out(engine) == 0
        await uow.session.execute(select(things))
        assert checked_out(engine) == 1
        await uow.commit()
        assert checked_out(engine) == 0


async def test_the_session_is_of_the_class_and_the_options_of_the_factory(engine: AsyncEngine) -> None:
    class OwnSession(AsyncSession):
        pass

    async with SQLAlchemyUnitOfWork(async_sessionmaker(engine, class_=OwnSession, autoflush=False)) as uow:
        assert isinstance(uow.session, OwnSession)
        assert uow.session.autoflush is False


async def test_callbacks_run_after_the_commit_and_not_after_a_rollback(engine: AsyncEngine) -> None:
    seen: list[list[str]] = []

    async def look() -> None:
        seen.append(await names(engine))

    async with SQLAlchemyUnitOfWork(engine) as uow:
        await uow.session.execute(a_thing(1))
        uow.on_commit(look)
    async with undone(SQLAlchemyUnitOfWork(engine)) as uow:
        await uow.session.execute(a_thing(2))
        uow.on_commit(look)
    assert seen == [["thing 1"]]


async def test_nothing_can_be_done_in_it_when_it_is_over(engine: AsyncEngine) -> None:
    async with SQLAlchemyUnitOfWork(engine) as uow:
        await uow.session.execute(a_thing(1))
    with pytest.raises(UnitOfWorkError, match="is over"):
        await uow.connection()


# ---------------------------------------------------------------------- savepoints


async def test_a_savepoint_takes_back_what_was_done_in_it_and_nothing_else(engine: AsyncEngine) -> None:
    async with SQLAlchemyUnitOfWork(engine) as uow:
        await uow.session.execute(a_thing(1))
        async with undone_savepoint(uow):
            await uow.session.execute(a_thing(2))
        async with uow.savepoint():
            await uow.session.execute(a_thing(3))
    assert await names(engine) == ["thing 1", "thing 3"]


async def test_a_savepoint_at_the_start_is_a_part_of_the_transaction(engine: AsyncEngine) -> None:
    """Left to itself, the SQLite driver would open a transaction for the savepoint and commit with its release."""
    async with undone(SQLAlchemyUnitOfWork(engine)) as uow:
        await uow.connection()
        async with uow.savepoint():
            await uow.session.execute(a_thing(1))
    assert await names(engine) == []


async def test_a_statement_may_fail_inside_a_savepoint(engine: AsyncEngine) -> None:
    async with SQLAlchemyUnitOfWork(engine) as uow:
        await uow.session.execute(a_thing(1))
        with pytest.raises(IntegrityError):
            async with uow.savepoint():
                await uow.session.execute(a_thing(1))
        await uow.session.execute(a_thing(2))
    assert await names(engine) == ["thing 1", "thing 2"]


async def test_savepoints_can_be_nested(engine: AsyncEngine) -> None:
    async with SQLAlchemyUnitOfWork(engine) as uow:
        await uow.session.execute(a_thing(1))
        async with undone_savepoint(uow), uow.savepoint():
            await uow.session.execute(a_thing(2))
    assert await names(engine) == ["thing 1"]


# ---------------------------------------------------------------------- what databases do differently


@pytest.mark.parametrize(
    "statement",
    [
        "WITH new(id) AS (VALUES (1)) INSERT INTO things (id, name) SELECT id, 'thing' FROM new",
        "  insert into things (id, name) values (1, 'thing')",
        "CREATE TABLE other (id INTEGER)",
    ],
)
async def test_every_kind_of_statement_is_rolled_back(engine: AsyncEngine, statement: str) -> None:
    async with undone(SQLAlchemyUnitOfWork(engine)) as uow:
        await uow.session.execute(text(statement))
    assert await names(engine) == []
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE other (id INTEGER)"))
        await connection.execute(text("DROP TABLE other"))


async def test_reading_holds_up_no_writer_and_does_not_spoil_writing_later(engine: AsyncEngine) -> None:
    async with SQLAlchemyUnitOfWork(engine) as reader:
        await reader.session.execute(select(things))

        async def write() -> None:
            async with SQLAlchemyUnitOfWork(engine) as writer:
                await writer.session.execute(a_thing(1))

        async with asyncio.timeout(20):
            await asyncio.create_task(write())
        assert list((await reader.session.execute(select(things.c.name))).scalars()) == ["thing 1"]
        await reader.session.execute(a_thing(2))
    assert await names(engine) == ["thing 1", "thing 2"]


async def test_writers_of_different_things_wait_for_each_other_and_all_get_through(engine: AsyncEngine) -> None:
    async def write(number: int) -> None:
        async with SQLAlchemyUnitOfWork(engine) as uow:
            await uow.session.execute(select(things))
            await asyncio.sleep(0)
            await uow.session.execute(a_thing(number))
            await asyncio.sleep(0.01)

    await asyncio.gather(*(write(number) for number in range(10)))
    assert len(await names(engine)) == 10


async def test_a_failure_that_was_caught_never_ends_in_a_silent_rollback(
    engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession]
) -> None:
    """PostgreSQL answers COMMIT with ROLLBACK then, and no error. SQLite has forgotten only the statement."""

    async def fail_and_go_on() -> None:
        async with SQLAlchemyUnitOfWork(sessions) as uow:
            await uow.session.execute(a_thing(1))
            with pytest.raises(IntegrityError):
                await uow.session.execute(a_thing(1))

    if engine.dialect.name == "postgresql":
        with pytest.raises(UnitOfWorkError, match="savepoint"):
            await fail_and_go_on()
        assert await names(engine) == []
    else:
        await fail_and_go_on()
        assert await names(engine) == ["thing 1"]


@on_postgresql
async def test_an_adapter_of_its_own_transaction_is_not_silently_rolled_back_either(engine: AsyncEngine) -> None:
    database = Database.of(engine)

    async def fail_and_go_on() -> None:
        async with database.alone() as connection:
            await connection.execute(a_thing(1))
            with pytest.raises(IntegrityError):
                await connection.execute(a_thing(1))

    with pytest.raises(UnitOfWorkError):
        await fail_and_go_on()


# ---------------------------------------------------------------------- read-only


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO things (id, name) VALUES (1, 'thing')",
        "WITH new(id) AS (VALUES (1)) INSERT INTO things (id, name) SELECT id, 'thing' FROM new",
        "UPDATE things SET name = 'thing'",
        "DELETE FROM things",
        "CREATE TABLE other (id INTEGER)",
    ],
)
async def test_a_read_only_one_refuses_to_write(engine: AsyncEngine, statement: str) -> None:
    uow = SQLAlchemyUnitOfWork(engine)
    uow.read_only = True
    async with uow:
        with pytest.raises(ReadOnlyUnitOfWorkError):
            await uow.session.execute(text(statement))
    assert await names(engine) == []


async def test_a_read_only_one_reads_in_every_way(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(a_thing(1))
    uow = SQLAlchemyUnitOfWork(engine)
    uow.read_only = True
    recursive = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 3) SELECT count(*) FROM n"
    async with uow:
        assert (await uow.session.execute(select(things.c.name))).scalar_one() == "thing 1"
        assert (await uow.session.execute(text(recursive))).scalar_one() == 3
    async with SQLAlchemyUnitOfWork(engine) as writer:
        await writer.session.execute(update(things).values(name="written with the same connection"))


async def test_a_read_only_one_has_savepoints(engine: AsyncEngine) -> None:
    uow = SQLAlchemyUnitOfWork(engine)
    uow.read_only = True
    async with uow:
        await uow.connection()
        async with undone_savepoint(uow):
            await uow.session.execute(select(things))
        async with uow.savepoint():
            assert (await uow.session.execute(select(things))).all() == []
            with pytest.raises(ReadOnlyUnitOfWorkError):
                async with uow.savepoint():
                    await uow.session.execute(a_thing(1))
    async with SQLAlchemyUnitOfWork(engine) as writer:
        await writer.session.execute(a_thing(1))


# ---------------------------------------------------------------------- lost races


class Base(DeclarativeBase):
    """Mapped classes of these tests."""


class Versioned(Base):
    """A row with a version that SQLAlchemy checks."""

    __tablename__ = "versioned"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - that is how SQLAlchemy wants it


async def test_a_version_check_of_the_session_that_fails_is_a_lost_race(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    async with SQLAlchemyUnitOfWork(engine) as uow:
        uow.session.add(Versioned(id=1, name="first"))

    async def overtake() -> None:
        async with SQLAlchemyUnitOfWork(engine) as other:
            row = await other.session.get_one(Versioned, 1)
            row.name = "second"

    async def change() -> None:
        async with SQLAlchemyUnitOfWork(engine) as uow:
            row = await uow.session.get_one(Versioned, 1)
            await asyncio.create_task(overtake())
            row.name = "third"

    with pytest.raises(OptimisticConcurrencyError):
        await change()
    async with engine.begin() as connection:
        assert (await connection.execute(select(Versioned.name))).scalar_one() == "second"
        await connection.run_sync(Base.metadata.drop_all)


@on_postgresql
async def test_a_transaction_that_cannot_be_put_in_order_with_another_one_is_a_lost_race(engine: AsyncEngine) -> None:
    engine = engine.execution_options(isolation_level="SERIALIZABLE")
    async with engine.begin() as connection:
        await connection.execute(a_thing(1))

    async def overtake() -> None:
        async with SQLAlchemyUnitOfWork(engine) as other:
            await other.session.execute(update(things).values(name="overtaken"))

    async def change() -> None:
        async with SQLAlchemyUnitOfWork(engine) as uow:
            await uow.session.execute(select(things))
            await asyncio.create_task(overtake())
            await uow.session.execute(update(things).values(name="too late"))

    with pytest.raises(TransactionConflictError) as caught:
        await change()
    assert isinstance(caught.value, OptimisticConcurrencyError)
    assert caught.value.__cause__ is not None
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert await names(engine) == ["overtaken"]


@on_postgresql
async def test_a_conflict_that_is_found_at_the_commit_is_a_lost_race(engine: AsyncEngine) -> None:
    engine = engine.execution_options(isolation_level="SERIALIZABLE")
    both_have_read = asyncio.Barrier(2)

    async def write_what_was_counted(number: int) -> None:
        async with SQLAlchemyUnitOfWork(engine) as uow:
            count = len((await uow.session.execute(select(things))).all())
            await both_have_read.wait()
            await uow.session.execute(a_thing(number, f"counted {count}"))
            await both_have_read.wait()

    results = await asyncio.gather(*map(write_what_was_counted, (1, 2)), return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [TransactionConflictError]


@on_postgresql
async def test_a_deadlock_is_a_lost_race(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(a_thing(1))
        await connection.execute(a_thing(2))
    both_hold_one = asyncio.Barrier(2)

    async def change(first: int, second: int) -> None:
        async with SQLAlchemyUnitOfWork(engine) as uow:
            await uow.session.execute(update(things).where(things.c.id == first).values(name=f"{first}, {second}"))
            await both_hold_one.wait()
            await uow.session.execute(update(things).where(things.c.id == second).values(name=f"{first}, {second}"))

    results = await asyncio.gather(change(1, 2), change(2, 1), return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [TransactionConflictError]
    assert len(set(await names(engine))) == 1


@on_sqlite
async def test_waiting_for_another_writer_of_the_file_ends_as_a_lost_race(engine: AsyncEngine) -> None:
    impatient = create_async_engine(engine.url, connect_args={"timeout": 0.05})
    try:
        async with SQLAlchemyUnitOfWork(engine) as uow:
            await uow.session.execute(a_thing(1))

            async def write() -> None:
                async with SQLAlchemyUnitOfWork(impatient) as other:
                    await other.session.execute(a_thing(2))

            with pytest.raises(TransactionConflictError, match="busy timeout"):
                await asyncio.create_task(write())
    finally:
        await impatient.dispose()
    assert await names(engine) == ["thing 1"]


async def test_an_ordinary_error_of_a_statement_stays_what_it_is(engine: AsyncEngine) -> None:
    async def add_twice() -> None:
        async with SQLAlchemyUnitOfWork(engine) as uow:
            await uow.session.execute(a_thing(1))
            await uow.session.execute(a_thing(1))

    with pytest.raises(IntegrityError):
        await add_twice()
    assert await names(engine) == []


# ---------------------------------------------------------------------- cancelling


@pytest.mark.parametrize("steps", range(1, 12))
async def test_cancelling_at_any_moment_commits_all_or_nothing_and_gives_the_connection_back(
    engine: AsyncEngine, steps: int
) -> None:
    async def write() -> None:
        async with SQLAlchemyUnitOfWork(engine) as uow:
            await uow.session.execute(a_thing(1))
            async with uow.savepoint():
                await uow.session.execute(a_thing(2))

    task = asyncio.create_task(write())
    for _ in range(steps * steps):
        await asyncio.sleep(0)
    await asyncio.sleep(0.0005 * steps)
    task.cancel()
    await asyncio.wait({task})
    assert await names(engine) in ([], ["thing 1", "thing 2"])
    assert checked_out(engine) == 0


@on_postgresql
async def test_cancelling_a_statement_that_waits_lets_go_of_everything(engine: AsyncEngine) -> None:
    async with SQLAlchemyUnitOfWork(engine) as holder:
        await holder.session.execute(a_thing(1))

        async def wait_for_it() -> None:
            async with SQLAlchemyUnitOfWork(engine) as uow:
                await uow.session.execute(a_thing(2))
                await uow.session.execute(a_thing(1))

        task = asyncio.create_task(wait_for_it())
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        await holder.session.execute(a_thing(2))  # nobody holds it any more
    assert await names(engine) == ["thing 1", "thing 2"]


@on_postgresql
async def test_a_lost_connection_does_not_hide_why_the_block_failed(engine: AsyncEngine) -> None:
    async with undone(SQLAlchemyUnitOfWork(engine)) as uow:
        pid = (await uow.session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        async with engine.connect() as other:
            await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    assert await names(engine) == []


# ---------------------------------------------------------------------- who takes part


async def test_adapters_of_one_engine_take_part_however_they_were_made(engine: AsyncEngine) -> None:
    database = Database.of(async_sessionmaker(engine))
    async with SQLAlchemyUnitOfWork(engine) as uow:
        assert current_uow_or_none() is uow
        assert database.ambient() is uow
        async with database.work() as connection:
            await connection.execute(a_thing(1))
        await uow.rollback()
    assert await names(engine) == []


async def test_adapters_of_another_engine_do_not(engine: AsyncEngine) -> None:
    other = create_async_engine(engine.url)
    async with SQLAlchemyUnitOfWork(engine):
        assert Database.of(other).ambient() is None
    await other.dispose()


async def test_a_task_of_a_unit_of_work_takes_no_part(engine: AsyncEngine) -> None:
    database = Database.of(engine)

    async def ask() -> object:
        return database.ambient()

    async with SQLAlchemyUnitOfWork(engine):
        assert await asyncio.create_task(ask()) is None


@on_postgresql
async def test_what_is_done_alone_is_committed_whatever_becomes_of_the_unit_of_work(engine: AsyncEngine) -> None:
    database = Database.of(engine)
    async with SQLAlchemyUnitOfWork(engine) as uow:
        await uow.session.execute(a_thing(1))
        async with database.alone() as connection:
            await connection.execute(a_thing(2))
        await uow.rollback()
    assert await names(engine) == ["thing 2"]


@on_sqlite
async def test_what_would_wait_for_its_own_unit_of_work_is_refused(engine: AsyncEngine) -> None:
    database = Database.of(engine)
    async with SQLAlchemyUnitOfWork(engine) as uow:
        await uow.session.execute(select(things))
        async with database.alone() as connection:
            await connection.execute(a_thing(1))
        await uow.session.execute(a_thing(2))
        with pytest.raises(UnitOfWorkError, match="wait for it for ever"):
            async with database.alone():
                pass
    assert await names(engine) == ["thing 1", "thing 2"]


async def test_an_error_in_a_transaction_of_its_own_rolls_it_back(engine: AsyncEngine) -> None:
    database = Database.of(engine)

    async def fail() -> None:
        async with database.work() as connection:
            await connection.execute(a_thing(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await names(engine) == []


# ---------------------------------------------------------------------- wrong wiring


@pytest.mark.parametrize("source", [None, "postgresql://", object(), async_sessionmaker()])
def test_what_is_no_session_factory_is_refused(source: Any) -> None:
    with pytest.raises(ConfigurationError, match="async_sessionmaker"):
        SQLAlchemyUnitOfWork(source)


async def test_engines_of_other_drivers_are_left_as_they_are(engine: AsyncEngine) -> None:
    """What the user does with the engine himself goes on as before."""
    SQLAlchemyUnitOfWork(engine)
    seen: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    async with engine.begin() as connection:
        await connection.execute(a_thing(1))
    assert [statement.split()[0] for statement in seen] == ["INSERT"]
