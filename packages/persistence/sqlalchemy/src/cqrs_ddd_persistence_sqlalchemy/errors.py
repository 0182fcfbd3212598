"""What databases say went wrong, as errors of the toolkit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint

from cqrs_ddd_core.primitives.exceptions import (
    CQRSDDDError,
    OptimisticConcurrencyError,
    PersistenceError,
    ReadOnlyUnitOfWorkError,
)

__all__ = ["TransactionConflictError", "failure", "is_unique_violation", "translated", "violates"]

_UNIQUE_VIOLATION: Final = "23505"
_READ_ONLY_TRANSACTION: Final = "25006"
_UNDEFINED_TABLE: Final = "42P01"
_CONFLICTS: Final = {
    "40001": "PostgreSQL could not put it into one order with another one",
    "40P01": "it and another one waited for each other, and PostgreSQL ended this one",
}


class TransactionConflictError(OptimisticConcurrencyError):
    """The database gave up a transaction because another one got in its way. Nothing of it was committed."""

    def __init__(self, reason: str) -> None:
        super().__init__("transaction", None, None)
        self.args = (reason,)  # what it is unpickled from
        self.reason = reason

    def __str__(self) -> str:
        return f"The transaction was given up: {self.reason}. Nothing of it was committed: repeat the command."


def translated(error: BaseException) -> CQRSDDDError | None:
    """What an error of a driver or of SQLAlchemy means wherever it appears; None when that depends on the statement.

    Chain the cause: ``raise found from error``.
    """
    for each in _chain(error):
        sqlstate = getattr(each, "sqlstate", None)
        if sqlstate in _CONFLICTS:
            return TransactionConflictError(_CONFLICTS[sqlstate])
        if sqlstate == _READ_ONLY_TRANSACTION:
            return ReadOnlyUnitOfWorkError()
        name = getattr(each, "sqlite_errorname", "")
        if name == "SQLITE_BUSY_SNAPSHOT":
            return TransactionConflictError("another one has changed the SQLite file since this one began to read it")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return TransactionConflictError("another one held the SQLite file for longer than the busy timeout")
    return None


def failure(error: BaseException) -> CQRSDDDError:
    """The error of the toolkit to raise for an error that a statement of an adapter met. Chain the cause."""
    if isinstance(error, CQRSDDDError):
        return error
    found = translated(error)
    if found is not None:
        return found
    if any(
        getattr(each, "sqlstate", None) == _UNDEFINED_TABLE or str(each).startswith("no such table")
        for each in _chain(error)
    ):
        return PersistenceError(
            "A table of the toolkit is not in the database. Make them with 'await create_schema(engine)', or with "
            "'await upgrade(engine)', which runs the migrations."
        )
    return PersistenceError(f"The database refused a statement: {error}")


def is_unique_violation(error: BaseException) -> bool:
    """Whether the database refused a row because another one has its key."""
    return any(
        getattr(each, "sqlstate", None) == _UNIQUE_VIOLATION
        or getattr(each, "sqlite_errorname", "") in {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
        for each in _chain(error)
    )


def violates(error: BaseException, constraint: UniqueConstraint | PrimaryKeyConstraint) -> bool:
    """Whether the database refused a row because another one has its key in this constraint."""
    # SQLite does not tell the name of the constraint, only its columns.
    table = constraint.table.name
    columns = f"UNIQUE constraint failed: {', '.join(f'{table}.{column.name}' for column in constraint.columns)}"
    return is_unique_violation(error) and any(
        getattr(each, "constraint_name", None) == constraint.name or str(each) == columns for each in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, the one of the driver inside SQLAlchemy's, and what that was raised from."""
    original: BaseException | None = getattr(error, "orig", None)
    yield error
    if original is not None:
        yield original
    cause = (original or error).__cause__
    if cause is not None:
        yield cause
