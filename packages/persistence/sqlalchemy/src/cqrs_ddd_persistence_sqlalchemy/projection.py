"""Read models on PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import batched
from typing import Any, Final, override

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cqrs_ddd_core.ports.projection import IProjectionReader, IProjectionWriter, ProjectionRow
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_persistence_sqlalchemy.adapter import SQLAlchemyAdapter, as_stored, tenant_column
from cqrs_ddd_persistence_sqlalchemy.database import SessionSource
from cqrs_ddd_persistence_sqlalchemy.document_search import EvaluatedSearch
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["SQLAlchemyProjectionStore"]

_PAGE: Final = 500
"""Ids that one statement asks for: databases limit the number of parameters."""


class SQLAlchemyProjectionStore(SQLAlchemyAdapter, IProjectionWriter, IProjectionReader):
    """Writes and reads the rows of all collections in one table, as JSON documents.

    A search reads all rows of its collection and tenant, and evaluates the rule in this process.
    """

    def __init__(self, session_factory: SessionSource, *, tables: Tables = TABLES) -> None:
        super().__init__(session_factory, tables=tables)
        self._table = tables.projections

    # ------------------------------------------------------------------ writing

    @override
    async def upsert(self, collection: str, row: ProjectionRow) -> bool:
        return await self.upsert_batch(collection, [row]) == 1

    @override
    async def upsert_batch(self, collection: str, rows: Sequence[ProjectionRow]) -> int:
        # All of them are read before any is written, so that a row that cannot be kept leaves nothing half done.
        values = [self._values(collection, row) for row in rows]
        if not values:
            return 0
        changed = 0
        async with self._database.work() as connection:
            for together in _without_repetition(values):
                changed += await self._write(connection, together)
        return changed

    @override
    async def delete(self, collection: str, row_id: str, *, position: int | None = None) -> bool:
        table = self._table
        there = self._of(collection) & (table.c.row_id == row_id) & table.c.deleted.is_(False)
        async with self._database.work() as connection:
            if position is None:
                return bool((await connection.execute(delete(table).where(there))).rowcount)
            older = or_(table.c.position.is_(None), table.c.position < position)
            removal = update(table).where(there, older).values(deleted=True, data={}, position=position)
            if (await connection.execute(removal)).rowcount:
                return True
            # Nothing to remove: remember it all the same, against an older event that is still to come.
            tombstone = self._values(collection, ProjectionRow(row_id=row_id, data={}, position=position))
            await self._write(connection, [{**tombstone, "deleted": True}])
            return False

    @override
    async def truncate(self, collection: str) -> None:
        async with self._database.work() as connection:
            await connection.execute(delete(self._table).where(self._table.c.collection == collection))

    # ------------------------------------------------------------------ reading

    @override
    async def get(self, collection: str, row_id: str) -> dict[str, Any] | None:
        return (await self.get_batch(collection, [row_id]))[0]

    @override
    async def get_batch(self, collection: str, row_ids: Sequence[str]) -> list[dict[str, Any] | None]:
        table = self._table
        found: dict[str, dict[str, Any]] = {}
        query = select(table.c.row_id, table.c.data).where(self._of(collection), table.c.deleted.is_(False))
        async with self._database.work(read_only=True) as connection:
            for some in batched(dict.fromkeys(row_ids), _PAGE):
                rows = await connection.execute(query.where(table.c.row_id.in_(some)))
                found.update({row.row_id: row.data for row in rows})
        return [found.get(row_id) for row_id in row_ids]

    @override
    async def search(self, collection: str, options: QueryOptions) -> SearchResult[dict[str, Any]]:
        table = self._table
        query = select(table.c.data).where(self._of(collection), table.c.deleted.is_(False)).order_by(table.c.row_id)

        async def fetch_all() -> Sequence[dict[str, Any]]:
            async with self._database.work(read_only=True) as connection:
                return (await connection.execute(query)).scalars().all()

        return EvaluatedSearch[dict[str, Any]](options, fetch_all)

    # ------------------------------------------------------------------ statements

    def _of(self, collection: str) -> ColumnElement[bool]:
        return (self._table.c.collection == collection) & (self._table.c.tenant_id == tenant_column())

    def _values(self, collection: str, row: ProjectionRow) -> dict[str, Any]:
        return {
            "collection": collection,
            "tenant_id": tenant_column(),
            "row_id": row.row_id,
            "data": as_stored(row.data, kind="row", name=f"{collection} {row.row_id!r}", field="data"),
            "position": row.position,
            "deleted": False,
        }

    async def _write(self, connection: AsyncConnection, values: Sequence[dict[str, Any]]) -> int:
        """Write rows, no two of them the same one, unless they have seen the position; how many were written."""
        table = self._table
        insert = self._insert(table)
        new = insert.excluded
        statement = insert.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={
                "data": new.data,
                # A write without a position does not make the row forget what it has seen.
                "position": func.coalesce(new.position, table.c.position),
                "deleted": new.deleted,
            },
            where=or_(new.position.is_(None), table.c.position.is_(None), table.c.position < new.position),
        )
        # In one order, so that two who write the same rows do not wait for each other.
        ordered = sorted(values, key=lambda row: row["row_id"])
        return len((await connection.execute(statement.returning(table.c.row_id), ordered)).all())


def _without_repetition(values: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """In lists without a row twice, one after the other: a statement cannot write one row twice."""
    together: list[list[dict[str, Any]]] = []
    times: dict[str, int] = {}
    for row in values:
        number = times.get(row["row_id"], 0)
        times[row["row_id"]] = number + 1
        if number == len(together):
            together.append([])
        together[number].append(row)
    return together
