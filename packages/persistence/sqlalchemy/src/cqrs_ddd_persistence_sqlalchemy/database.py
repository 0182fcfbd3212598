"""One database, and how an adapter gets to it: in the open unit of work, or in a transaction of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import StaticPool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.util import await_only, greenlet_spawn

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, current_uow_or_none
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, ReadOnlyUnitOfWorkError, UnitOfWorkError
from cqrs_ddd_persistence_sqlalchemy.completion import completed
from cqrs_ddd_persistence_sqlalchemy.engine_events import marked, prepare_engine
from cqrs_ddd_persistence_sqlalchemy.sqlite_transaction import prepare_connection
from cqrs_ddd_persistence_sqlalchemy.turn import Turn

__all__ = ["Database", "JoinableUnitOfWork", "SessionSource"]

type SessionSource = AsyncEngine | async_sessionmaker[Any]
"""What every adapter is made from: an engine, or a session factory that is bound to one."""

_DRIVERS: Final = {"postgresql": "asyncpg", "sqlite": "aiosqlite"}


class Database:
    """The database behind an engine, as adapters use it.

    ``work()`` is for what belongs to the open unit of work, ``alone()`` for what commits at once, such as taking a
    lease. Both give SQLAlchemy's connection. ``driver()`` gives the one of the driver, for single statements.
    """

    def __init__(self, engine: AsyncEngine, session_factory: async_sessionmaker[Any]) -> None:
        """Use ``of``, which gives one object for one source."""
        dialect, driver = engine.dialect.name, engine.dialect.driver
        if _DRIVERS.get(dialect) != driver:
            raise ConfigurationError(
                f"This package knows postgresql+asyncpg and sqlite+aiosqlite, found {dialect}+{driver}. "
                "Make the engine with create_async_engine('postgresql+asyncpg://…')."
            )
        prepare_engine(engine)
        self.engine = engine
        self.is_postgresql = dialect == "postgresql"
        """The alternative is SQLite."""
        self._common = _common_to(engine)
        self.channels = self._common.channels
        """What adapters of this engine share, by name."""
        self.turn = self._common.turn
        """On a database whose transactions all share one connection: a SQLite database in memory."""
        self._sessions = session_factory
        self._writing = marked(engine, read_only=False)
        self._reading = marked(engine, read_only=True)

    @classmethod
    def of(cls, source: SessionSource) -> Database:
        """The database of an engine or of a session factory. Raises ``ConfigurationError`` for anything else."""
        try:
            found = _known.get(source)
        except TypeError:  # nothing that could be remembered
            found = None
        if found is None:
            found = _known[source] = cls(*_engine_and_sessions(source))
        return found

    # ------------------------------------------------------------------ transactions

    def session(self, *, read_only: bool = False) -> AsyncSession:
        """A new session for a transaction of the toolkit. It connects when it is first used."""
        session: AsyncSession = self._sessions(bind=self._reading if read_only else self._writing)
        return session

    def ambient(self) -> JoinableUnitOfWork | None:
        """The unit of work that is open in this task, if it is on this database."""
        uow = current_uow_or_none()
        return uow if isinstance(uow, JoinableUnitOfWork) and self.has(uow) else None

    def has(self, uow: UnitOfWork) -> bool:
        """Whether ``uow`` is on this database: whether both are made from one engine, in whatever way."""
        return isinstance(uow, JoinableUnitOfWork) and uow.database._common is self._common

    @asynccontextmanager
    async def work(self, *, read_only: bool = False) -> AsyncGenerator[AsyncConnection]:
        """The connection of the unit of work that is open in this task on this database; else as ``alone``.

        Raises ``ReadOnlyUnitOfWorkError`` in a read-only unit of work, unless ``read_only`` says that nothing is
        written: found out before the statement, as PostgreSQL gives up a transaction in which one failed.
        """
        uow = self.ambient()
        if uow is not None:
            if uow.read_only and not read_only:
                raise ReadOnlyUnitOfWorkError
            yield await uow.connection()
            return
        async with self._transaction(read_only=read_only) as connection:
            yield connection

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction for the block, whatever unit of work is open: committed at its end, rolled back on an error.

        Raises ``UnitOfWorkError`` inside a unit of work that has written to SQLite: it would wait for itself.
        """
        if not self.is_postgresql:
            uow = self.ambient()
            if uow is not None and await uow.holds_write_lock():
                raise _would_wait_for_itself("SQLite lets one transaction write at a time")
        async with self._transaction() as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, *, read_only: bool = False) -> AsyncGenerator[AsyncConnection]:
        async with self._my_turn(), AsyncExitStack() as stack:
            connection = await (self._reading if read_only else self._writing).connect()
            # Rolls back what is not committed.
            stack.push_async_callback(lambda: completed(connection.close()))
            yield connection
            await connection.commit()

    @asynccontextmanager
    async def _my_turn(self) -> AsyncGenerator[None]:
        if self.turn is None:
            yield
            return
        uow = self.ambient()
        if uow is not None and self.turn.is_of(uow):
            raise _would_wait_for_itself("A SQLite database in memory has one connection")
        me = object()
        await self.turn.take(me)
        try:
            yield
        finally:
            self.turn.give_back(me)

    async def driver[R](self, work: Callable[[Any], Coroutine[Any, Any, R]]) -> R:
        """Run ``work`` with a connection of the driver from the engine's pool, outside of any transaction.

        For statements that are a transaction each, where SQLAlchemy's layers would cost more than the statement does
        and BEGIN and COMMIT would be round trips of their own. ``work`` must not leave a transaction open.
        """
        result: R
        if self.turn is None:
            result = await greenlet_spawn(self._with_driver, work)
        else:
            async with self._my_turn():
                result = await greenlet_spawn(self._with_driver, work)
        return result

    def _with_driver(self, work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        raw = self.engine.sync_engine.raw_connection()
        try:
            driver: Any = raw.driver_connection
            if not self.is_postgresql:
                await_only(prepare_connection(driver, raw.info))
            return await_only(work(driver))
        except BaseException as error:
            if not isinstance(error, Exception):
                raw.invalidate()  # cancelled in the middle of a statement: nobody knows what it is doing
            raise
        finally:
            raw.close()


class JoinableUnitOfWork(UnitOfWork):
    """A unit of work that adapters of the same database take part in."""

    database: Database

    @abstractmethod
    async def connection(self) -> AsyncConnection:
        """The connection with its transaction; opened by asking for it."""

    @abstractmethod
    async def holds_write_lock(self) -> bool:
        """On SQLite, whether its transaction has written: no other one can then."""


_known: WeakKeyDictionary[Any, Database] = WeakKeyDictionary()


class _Common:
    """What belongs to an engine, whatever it was given to us as."""

    def __init__(self, turn: Turn | None) -> None:
        self.turn = turn
        self.channels: dict[str, Any] = {}


def _common_to(engine: AsyncEngine) -> _Common:
    # Kept at the dialect, which an engine shares with its variants (``execution_options``) and keeps for ever. In a
    # dictionary it would keep the engine alive, which it refers to.
    dialect: Any = engine.dialect
    common: _Common | None = getattr(dialect, "_cqrs_ddd_common", None)
    if common is None:
        common = _Common(Turn() if isinstance(engine.sync_engine.pool, StaticPool) else None)
        dialect._cqrs_ddd_common = common
    return common


def _would_wait_for_itself(why: str) -> UnitOfWorkError:
    return UnitOfWorkError(
        f"{why}, and the unit of work of this task has it: what is done beside it would wait for it for ever. Do it "
        "before the unit of work, or after its commit."
    )


def _engine_and_sessions(source: object) -> tuple[AsyncEngine, async_sessionmaker[Any]]:
    # Objects of our own: a Database that held its key would never be forgotten.
    if isinstance(source, AsyncEngine):
        engine = AsyncEngine(source.sync_engine)
        return engine, async_sessionmaker(engine, expire_on_commit=False)
    if isinstance(source, async_sessionmaker):
        factory: async_sessionmaker[Any] = source  # pyright: ignore[reportUnknownVariableType]
        bind = factory.kw.get("bind")
        if isinstance(bind, AsyncEngine):
            return AsyncEngine(bind.sync_engine), async_sessionmaker(class_=factory.class_, **factory.kw)
        raise ConfigurationError(
            f"The session factory has to be bound to one engine, found {bind!r}. "
            "Write async_sessionmaker(create_async_engine(…))."
        )
    raise ConfigurationError(
        f"A session factory or an engine is needed, found {source!r}. Write async_sessionmaker(create_async_engine(…))."
    )
