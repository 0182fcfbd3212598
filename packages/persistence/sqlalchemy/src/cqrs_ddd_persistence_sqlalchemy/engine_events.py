"""What the toolkit adds to an engine, for the transactions that it opens itself. Others are left as they are.

Errors that mean a lost race are translated, whichever statement meets them. PostgreSQL answers COMMIT with a silent
rollback when a statement of the transaction has failed: that is found out before. On SQLite the toolkit decides when a
transaction begins (``sqlite_transaction``).
"""

from __future__ import annotations

from typing import Final
from weakref import WeakSet

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.primitives.exceptions import UnitOfWorkError
from cqrs_ddd_persistence_sqlalchemy import sqlite_transaction
from cqrs_ddd_persistence_sqlalchemy.errors import translated
from cqrs_ddd_persistence_sqlalchemy.sqlite_transaction import MARK

__all__ = ["marked", "prepare_engine"]

_FAILED: Final = "cqrs_ddd_failed"
"""In ``Connection.info``: a statement failed in this transaction, so PostgreSQL may have given it up."""

_prepared: WeakSet[Engine] = WeakSet()


def prepare_engine(engine: AsyncEngine) -> None:
    """Add what the toolkit needs. Doing it again changes nothing."""
    sync_engine = engine.sync_engine
    if sync_engine in _prepared:
        return
    _prepared.add(sync_engine)
    event.listen(sync_engine, "handle_error", _translate)
    if sync_engine.dialect.name == "sqlite":
        sqlite_transaction.listen(sync_engine)
    else:
        event.listen(sync_engine, "begin", _forget_failures)
        event.listen(sync_engine, "commit", _refuse_to_commit_nothing)


def marked(engine: AsyncEngine, *, read_only: bool) -> AsyncEngine:
    """The same engine, whose connections are those of the toolkit's transactions."""
    if not read_only:
        return engine.execution_options(**{MARK: "write"})
    # PostgreSQL itself refuses to write then; SQLite has nothing like it, so there the statements are looked at.
    return engine.execution_options(**{MARK: "read"}, postgresql_readonly=True)


def _translate(context: ExceptionContext) -> BaseException | None:
    connection = context.connection
    if connection is None or MARK not in connection.get_execution_options():
        return None
    if not connection.closed and not connection.invalidated and not context.is_disconnect:
        connection.info[_FAILED] = True
        if context.statement is None and connection.dialect.name == "sqlite":
            # A COMMIT that could not wait any longer leaves the transaction open, and SQLAlchemy takes it as ended.
            connection.connection.rollback()
    return translated(context.original_exception)


def _forget_failures(connection: Connection) -> None:
    connection.info.pop(_FAILED, None)


def _refuse_to_commit_nothing(connection: Connection) -> None:
    if _FAILED not in connection.info or MARK not in connection.get_execution_options():
        return
    try:
        # The failure may have been taken back with a savepoint; only the server knows.
        connection.exec_driver_sql("SELECT 1")
    except DBAPIError as error:
        # SQLAlchemy takes it that a commit that failed has ended the transaction.
        connection.connection.rollback()
        raise UnitOfWorkError(
            "A statement of this transaction failed, and PostgreSQL gave all of it up, although the error was caught. "
            "Try what may fail inside 'async with uow.savepoint():'."
        ) from error
