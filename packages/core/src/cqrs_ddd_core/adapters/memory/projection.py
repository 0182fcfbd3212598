"""In-memory read models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from cqrs_ddd_core.adapters.memory.search import InMemorySearch
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, InMemoryTransaction, resolve_store
from cqrs_ddd_core.adapters.stored_json import from_json, to_json
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.ports.projection import IProjectionReader, IProjectionWriter, ProjectionRow
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork

__all__ = ["InMemoryProjectionReader", "InMemoryProjectionWriter"]


@dataclass(frozen=True, slots=True)
class _Row:
    data: str | None
    """JSON; None for a row that was deleted, whose position is remembered."""
    position: int | None
    """The last event that the row has seen."""


class InMemoryProjectionWriter(IProjectionWriter):
    """Writes rows in memory; an ``InMemoryProjectionReader`` on the same store finds them."""

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    async def upsert(self, collection: str, row: ProjectionRow) -> bool:
        return await self.upsert_batch(collection, [row]) == 1

    async def upsert_batch(self, collection: str, rows: Sequence[ProjectionRow]) -> int:
        # All of them are read before any is written, so that a row that cannot be kept leaves nothing half done.
        texts = [to_json(row.data, kind="row", name=f"{collection} {row.row_id!r}", field="data") for row in rows]
        changed = 0
        with resolve_store(self._store).work() as transaction:
            for row, text in zip(rows, texts, strict=True):
                changed += _write(transaction, collection, row.row_id, text, row.position)
        return changed

    async def delete(self, collection: str, row_id: str, *, position: int | None = None) -> bool:
        with resolve_store(self._store).work() as transaction:
            found: _Row | None = transaction.get(_table(collection), _key(row_id))
            there = found is not None and found.data is not None
            if position is not None:
                return _write(transaction, collection, row_id, None, position) and there
            if there:
                transaction.delete(_table(collection), _key(row_id))
            return there

    async def truncate(self, collection: str) -> None:
        with resolve_store(self._store).work() as transaction:
            for key, _ in transaction.items(_table(collection)):
                transaction.delete(_table(collection), key)


class InMemoryProjectionReader(IProjectionReader):
    """Reads the rows that an ``InMemoryProjectionWriter`` on the same store has written."""

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    async def get(self, collection: str, row_id: str) -> dict[str, Any] | None:
        return (await self.get_batch(collection, [row_id]))[0]

    async def get_batch(self, collection: str, row_ids: Sequence[str]) -> list[dict[str, Any] | None]:
        with resolve_store(self._store).work() as transaction:
            return [_read(transaction.get(_table(collection), _key(row_id))) for row_id in row_ids]

    async def search(self, collection: str, options: QueryOptions) -> SearchResult[dict[str, Any]]:
        tenant_id = get_current_tenant_or_none()

        def candidates() -> list[dict[str, Any]]:
            with resolve_store(self._store).work() as transaction:
                rows = [
                    (row_id, row)
                    for (tenant, row_id), row in transaction.items(_table(collection))
                    if tenant == tenant_id
                ]
            found = (_read(row) for _, row in sorted(rows, key=itemgetter(0)))
            return [data for data in found if data is not None]

        return InMemorySearch[dict[str, Any]](candidates, options)


def _table(collection: str) -> str:
    return f"projections.{collection}"


def _key(row_id: str) -> tuple[str | None, str]:
    return (get_current_tenant_or_none(), row_id)


def _write(
    transaction: InMemoryTransaction, collection: str, row_id: str, data: str | None, position: int | None
) -> bool:
    """Write unless the row has seen ``position``; whether it was written."""
    found: _Row | None = transaction.get(_table(collection), _key(row_id))
    seen = None if found is None else found.position
    if position is not None and seen is not None and seen >= position:
        return False
    # A write without a position does not make the row forget what it has seen.
    transaction.put(_table(collection), _key(row_id), _Row(data, seen if position is None else position))
    return True


def _read(row: _Row | None) -> dict[str, Any] | None:
    return None if row is None or row.data is None else from_json(row.data)
