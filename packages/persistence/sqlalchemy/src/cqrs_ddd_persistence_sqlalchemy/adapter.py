"""What the adapters of single tables have in common."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from cqrs_ddd_core.adapters.stored_json import from_json, to_json
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_persistence_sqlalchemy.database import Database, SessionSource
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["SQLAlchemyAdapter", "as_stored", "tenant_column", "tenant_of_column"]


class SQLAlchemyAdapter:
    """An adapter that is made from an engine or a session factory, and takes part in units of work on its database."""

    def __init__(self, session_factory: SessionSource, *, tables: Tables = TABLES) -> None:
        """``session_factory`` is an ``async_sessionmaker``, or the engine itself."""
        self._database = Database.of(session_factory)
        self._tables = tables

    def joins(self, uow: UnitOfWork, /) -> bool:
        return self._database.has(uow)

    def _insert(self, table: Table) -> Any:
        """An INSERT that knows ON CONFLICT, which both databases spell alike."""
        return (postgresql if self._database.is_postgresql else sqlite).insert(table)


def tenant_column() -> str:
    """What the column of the tenant holds for the current one."""
    return get_current_tenant_or_none() or ""


def tenant_of_column(value: str) -> str | None:
    return value or None


def as_stored(document: Any, *, kind: str, name: str, field: str) -> Any:
    """A copy that is JSON throughout. Raises ``InvalidPayloadError`` for what JSON does not have."""
    return from_json(to_json(document, kind=kind, name=name, field=field))
