"""One database, and how an adapter gets to it: in the open unit of work, or in a transaction of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import PoolProxiedConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.util import greenlet_spawn

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, current_uow_or_none
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, UnitOfWorkError
from cqrs_ddd_persistence_sqlalchemy.completion import completed
from cqrs_ddd_persistence_sqlalchemy.engine_events import marked, prepare_engine
from cqrs_ddd_persistence_sqlalchemy.sqlite_transaction import prepare_connection, refuse_if_owned

__all__ = ["Database", "DriverConnection", "JoinableUnitOfWork", "SessionSource"]

type SessionSource = AsyncEngine | async_sessionmaker[Any]
"""What every adapter is made from: an engine, or a session factory that is bound to one."""

_DRIVERS: Final = {"postgresql": "asyncpg", "sqlite": "aiosqlite"}


class Database:
    """The database behind an engine, as adapters use it.

    ``work()`` is for what belongs to the open unit of work, ``alone()`` for what commits at once, such as taking a
    lease. Both give SQLAlchemy's connection. ``driver()`` gives the connection of the driver, for single statements.
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
        self.channels: dict[str, Any] = {}
        """What adapters on this database share, by name."""
        self._sessions = session_factory
        self._writing = marked(engine, read_only=False)
        self._reading = marked(engine, read_only=True)

    @classmethod
    def of(cls, source: SessionSource) -> Database:
        """The database of an engine or of a session factory. Raises ``ConfigurationError`` for anything else."""
        found = _known.get(source)
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
        return uow if isinstance(uow, JoinableUnitOfWork) and uow.joins(self) else None

    def is_same(self, other: Database) -> bool:
        """Whether both use the same connections."""
        return self.engine.sync_engine.pool is other.engine.sync_engine.pool

    @asynccontextmanager
    async def work(self, *, read_only: bool = False) -> AsyncGenerator[AsyncConnection]:
        """The connection of the unit of work that is open in this task on this database; else as ``alone``."""
        uow = self.ambient()
        if uow is not None:
            yield await uow.connection()
            return
        async with self._transaction(read_only=read_only) as connection:
            yield connection

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction for the block, whatever unit of work is open: committed at its end, rolled back on an error.

        Raises ``UnitOfWorkError`` inside a unit of work that has written to SQLite: it would wait for itself.
        """
        uow = self.ambient()
        if uow is not None and not self.is_postgresql and await uow.holds_write_lock():
            raise UnitOfWorkError(
                "SQLite lets one transaction write at a time, and the unit of work of this task is that one: what "
                "commits by itself would wait for it for ever. Do it before the unit of work, or after its commit."
            )
        async with self._transaction() as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, *, read_only: bool = False) -> AsyncGenerator[AsyncConnection]:
        connection = (self._reading if read_only else self._writing).connect()
        await connection.start()
        try:
            yield connection
            await connection.commit()
        finally:
            # Rolls back what is not committed.
            await completed(connection.close())

    def driver(self) -> DriverConnection:
        """``async with database.driver() as connection``: the driver's own, outside of any transaction."""
        return DriverConnection(self)


class DriverConnection:
    """A connection of the driver from the engine's pool, for statements that are a transaction each.

    SQLAlchemy's layers cost more than a short statement does, and its transactions are round trips of their own; where
    both count, an adapter talks to the driver. The block must not leave a transaction open.
    """

    __slots__ = ("_database", "_raw")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._raw: PoolProxiedConnection | None = None

    async def __aenter__(self) -> Any:
        raw = self._raw = await self._database.engine.raw_connection()
        driver: Any = raw.driver_connection
        if not self._database.is_postgresql:
            try:
                refuse_if_owned(raw.info)
                await prepare_connection(driver, raw.info)
            except BaseException:
                await completed(greenlet_spawn(raw.close))
                raise
        return driver

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        raw = self._raw
        assert raw is not None
        if exc is not None and not isinstance(exc, Exception):
            # Cancelled in the middle of a statement: nobody knows what the connection is doing.
            await completed(greenlet_spawn(raw.invalidate))
        elif self._database.is_postgresql:
            raw.close()  # nothing to roll back, hence nothing to wait for
        else:
            await completed(greenlet_spawn(raw.close))


class JoinableUnitOfWork(UnitOfWork):
    """A unit of work that adapters of the same database take part in."""

    @abstractmethod
    def joins(self, database: Database) -> bool:
        """Whether what is done on ``database`` belongs to this unit of work."""

    @abstractmethod
    async def connection(self) -> AsyncConnection:
        """The connection with its transaction; opened by asking for it."""

    @abstractmethod
    async def holds_write_lock(self) -> bool:
        """On SQLite, whether its transaction has written: no other one can then."""


_known: WeakKeyDictionary[Any, Database] = WeakKeyDictionary()


def _engine_and_sessions(source: object) -> tuple[AsyncEngine, async_sessionmaker[Any]]:
    # Objects of our own: a Database that held its key would never be forgotten.
    if isinstance(source, AsyncEngine):
        engine = AsyncEngine(source.sync_engine)
        return engine, async_sessionmaker(engine, expire_on_commit=False)
    if isinstance(source, async_sessionmaker):
        options: dict[str, Any] = source.kw
        bind = options.get("bind")
        if isinstance(bind, AsyncEngine):
            return AsyncEngine(bind.sync_engine), async_sessionmaker(class_=source.class_, **options)
        raise ConfigurationError(
            f"The session factory has to be bound to one engine, found {bind!r}. "
            "Write async_sessionmaker(create_async_engine(…))."
        )
    raise ConfigurationError(
        f"A session factory or an engine is needed, found {source!r}. Write async_sessionmaker(create_async_engine(…))."
    )
