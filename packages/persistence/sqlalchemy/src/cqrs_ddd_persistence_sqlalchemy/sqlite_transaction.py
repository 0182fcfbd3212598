"""When a transaction of the toolkit begins on SQLite.

Left to itself the driver opens one only before statements that begin with INSERT, UPDATE, DELETE or REPLACE: DDL,
savepoints and ``WITH … INSERT`` would not be rolled back. Here BEGIN IMMEDIATE comes before the first statement that is
not plainly a read. What is read before that is read outside of any transaction, each statement for itself, as in READ
COMMITTED on PostgreSQL. Beginning with the first read would be worse: SQLite does not let a transaction write once
another one has written since it began to read, whatever that was; and a lock from the start would make every command
wait for every other one.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import MutableMapping
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Engine, event
from sqlalchemy.util import await_only

from cqrs_ddd_core.primitives.exceptions import ReadOnlyUnitOfWorkError

__all__ = ["MARK", "SQLiteDriver", "listen", "prepare_connection"]

MARK: Final = "cqrs_ddd_transaction"
"""The execution option of connections that belong to a transaction of the toolkit: "write" or "read"."""
_PREPARED: Final = "cqrs_ddd_prepared"

_DRIVERS_OWN_BUSY_TIMEOUT: Final = 5_000
_BUSY_TIMEOUT: Final = 30_000
"""Milliseconds. There is one writer at a time, so that waiting for others is part of daily work."""

_READS: Final = re.compile(r"\s*(SELECT|VALUES|EXPLAIN|PRAGMA)\b", re.IGNORECASE)
_SAVEPOINTS: Final = re.compile(r"\s*(SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE)
_BEGINS: Final = re.compile(r"\s*BEGIN\b", re.IGNORECASE)
_WITH: Final = re.compile(r"\s*WITH\b", re.IGNORECASE)
_CHANGES: Final = re.compile(r"\b(INTO|DELETE\s+FROM|UPDATE\b.*\bSET)\b", re.IGNORECASE | re.DOTALL)

type Info = MutableMapping[Any, Any]
"""What SQLAlchemy keeps beside one connection of the driver for as long as it is open."""


class SQLiteDriver(Protocol):
    """What is used of ``aiosqlite.Connection``."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    async def execute_fetchall(self, sql: str, parameters: Any = None, /) -> Any:
        """Run one statement and give its rows as tuples."""
        ...

    async def commit(self) -> None:
        """Commit what is open."""
        ...


def listen(engine: Engine) -> None:
    """Begin transactions of the toolkit on this engine as this module says."""
    event.listen(engine, "before_cursor_execute", _begin_before_writing)


async def prepare_connection(driver: SQLiteDriver, info: Info) -> None:
    """Set, once for each connection, what makes SQLite behave like a server: readers beside a writer, foreign keys."""
    if info.get(_PREPARED):
        return
    ((timeout,),) = await driver.execute_fetchall("PRAGMA busy_timeout")
    if timeout == _DRIVERS_OWN_BUSY_TIMEOUT:  # otherwise somebody has chosen one
        await driver.execute_fetchall(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT}")
    await driver.execute_fetchall("PRAGMA foreign_keys = ON")
    for attempt in range(10):
        try:
            await driver.execute_fetchall("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            # The first time this changes the file, and does not wait for others who use it at this moment.
            if attempt == 9:
                raise
            await asyncio.sleep(0.05 * (attempt + 1))
    info[_PREPARED] = True


def _begin_before_writing(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    mark = connection.get_execution_options().get(MARK)
    if mark is None or _BEGINS.match(statement):
        return
    driver: Any = connection.connection.driver_connection
    if not connection.info.get(_PREPARED):
        await_only(prepare_connection(driver, connection.info))
    if _only_reads(statement) or (mark == "read" and _SAVEPOINTS.match(statement)):
        return
    if mark == "read":
        raise ReadOnlyUnitOfWorkError(f"execute {statement.split(maxsplit=1)[0]}")
    if not driver.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _only_reads(statement: str) -> bool:
    if _READS.match(statement):
        return True
    # Whatever is not known to read only counts as writing.
    return _WITH.match(statement) is not None and _CHANGES.search(statement) is None
