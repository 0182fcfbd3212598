"""Undo tokens on PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import override

from sqlalchemy import select

from cqrs_ddd_core.adapters.arguments import as_utc
from cqrs_ddd_core.ports.undo import IUndoTokenRepository, UndoToken, UndoTokenStatus
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_persistence_sqlalchemy.adapter import SQLAlchemyAdapter, tenant_column
from cqrs_ddd_persistence_sqlalchemy.database import SessionSource
from cqrs_ddd_persistence_sqlalchemy.record_table import RecordTable
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["SQLAlchemyUndoTokenRepository"]


class SQLAlchemyUndoTokenRepository(SQLAlchemyAdapter, IUndoTokenRepository):
    """Undo tokens in one table."""

    def __init__(self, session_factory: SessionSource, *, tables: Tables = TABLES) -> None:
        super().__init__(session_factory, tables=tables)
        self._table = tables.undo_tokens
        self._records = RecordTable(
            UndoToken,
            self._table,
            kind="undo token",
            id_field="token_id",
            json_fields=("event_ids", "undo_event_ids", "metadata"),
            types={"status": UndoTokenStatus, "event_ids": tuple, "undo_event_ids": tuple},
        )

    @override
    async def add(self, token: UndoToken) -> UndoToken:
        async with self._database.work() as connection:
            return await self._records.insert(connection, self._insert(self._table), token)

    @override
    async def get(self, token_id: str) -> UndoToken | None:
        async with self._database.work(read_only=True) as connection:
            return await self._records.get(connection, self._records.own(token_id))

    @override
    async def save(self, token: UndoToken) -> UndoToken:
        async with self._database.work() as connection:
            return await self._records.update(connection, replace(token, updated_at=utc_now()))

    @override
    async def for_aggregate(self, aggregate_type: str, aggregate_id: str) -> Sequence[UndoToken]:
        table = self._table
        query = (
            select(table)
            .where(
                table.c.tenant_id == tenant_column(),
                table.c.aggregate_type == aggregate_type,
                table.c.aggregate_id == aggregate_id,
            )
            .order_by(table.c.created_at.desc(), table.c.sequence.desc())
        )
        async with self._database.work(read_only=True) as connection:
            return [self._records.record(row) for row in await connection.execute(query)]

    @override
    async def for_command(self, command_id: str) -> Sequence[UndoToken]:
        table = self._table
        query = (
            select(table)
            .where(table.c.tenant_id == tenant_column(), table.c.command_id == command_id)
            .order_by(table.c.created_at, table.c.sequence)
        )
        async with self._database.work(read_only=True) as connection:
            return [self._records.record(row) for row in await connection.execute(query)]

    @override
    async def purge(self, *, expired_before: datetime, limit: int = 1000) -> int:
        before = as_utc(expired_before, "expired_before")
        table = self._table
        async with self._database.work() as connection:
            return await self._records.purge(connection, table.c.expires_at < before, table.c.expires_at, limit)
