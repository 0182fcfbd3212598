"""The unit of work on PostgreSQL and SQLite."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, override

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.ports.aggregate_store import AggregateStores, IAggregateStore
from cqrs_ddd_core.ports.repository import IRepository
from cqrs_ddd_core.ports.unit_of_work import check_aggregates
from cqrs_ddd_persistence_sqlalchemy.aggregate_store import SQLAlchemyAggregateStore
from cqrs_ddd_persistence_sqlalchemy.completion import completed
from cqrs_ddd_persistence_sqlalchemy.database import Database, JoinableUnitOfWork, SessionSource
from cqrs_ddd_persistence_sqlalchemy.errors import TransactionConflictError
from cqrs_ddd_persistence_sqlalchemy.repository import SQLAlchemyRepository
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["SQLAlchemyUnitOfWork"]

logger = logging.getLogger(__name__)


class SQLAlchemyUnitOfWork(JoinableUnitOfWork):
    """A transaction on a database: ``SQLAlchemyUnitOfWork(session_factory)``.

    Adapters made from the same engine take part in it. ``session`` is for statements of your own; what they change is
    committed and rolled back with the rest.
    """

    _session: AsyncSession | None = None

    def __init__(
        self,
        session_factory: SessionSource,
        *,
        aggregates: Iterable[type[AggregateRoot[Any]]] | None = None,
        aggregate_stores: AggregateStores | None = None,
        tables: Tables = TABLES,
    ) -> None:
        """``session_factory`` is an ``async_sessionmaker``, or the engine itself."""
        self.database = Database.of(session_factory)
        self._tables = tables
        if aggregates is not None:
            self.aggregates = check_aggregates(aggregates)
        if aggregate_stores is not None:
            self.aggregate_stores = aggregate_stores

    @property
    def session(self) -> AsyncSession:
        """SQLAlchemy's session of this transaction; opened by asking for it, connected at its first statement."""
        self.check_open()
        if self.database.turn is not None:
            self.database.turn.take_now(self)
        if self._session is None:
            self._session = self.database.session(read_only=self.read_only)
        self.begun = True
        return self._session

    @override
    async def connection(self) -> AsyncConnection:
        if self.database.turn is not None:
            await self.database.turn.take(self)
        return await self.session.connection()

    @override
    async def holds_write_lock(self) -> bool:
        if self._session is None or not self._session.in_transaction():
            return False
        raw = await (await self._session.connection()).get_raw_connection()
        driver: Any = raw.driver_connection
        return bool(driver.in_transaction)

    # ------------------------------------------------------------------ what the base asks for

    @override
    def _open_store(self, aggregate_type: type[AggregateRoot[Any]], /) -> IAggregateStore[Any, Any]:
        return SQLAlchemyAggregateStore(self, aggregate_type, self._tables)

    @override
    def _open_repository(self, aggregate_type: type[AggregateRoot[Any]], /) -> IRepository[Any, Any]:
        return SQLAlchemyRepository(aggregate_type, uow=self)

    @override
    async def _commit(self) -> None:
        session = self._session
        if session is None:
            return
        try:
            await session.commit()
        except StaleDataError as error:
            raise TransactionConflictError(str(error)) from error
        self._give_back_turn()

    @override
    async def _rollback(self) -> None:
        session, self._session = self._session, None
        try:
            if session is not None:
                await completed(_close(session))
        finally:
            self._give_back_turn()

    @override
    async def _savepoint(self) -> Any:
        return await self.session.begin_nested()

    @override
    async def _release(self, savepoint: Any, /) -> None:
        await savepoint.commit()

    @override
    async def _rollback_to(self, savepoint: Any, /) -> None:
        await completed(savepoint.rollback())

    def _give_back_turn(self) -> None:
        if self.database.turn is not None:
            self.database.turn.give_back(self)


async def _close(session: AsyncSession) -> None:
    try:
        await session.rollback()
    except DBAPIError:
        # The database rolls back by itself when it loses a connection. Why it was lost is told by an earlier error.
        logger.warning("A rollback failed; the connection is thrown away", exc_info=True)
        await session.invalidate()
    finally:
        await session.close()
