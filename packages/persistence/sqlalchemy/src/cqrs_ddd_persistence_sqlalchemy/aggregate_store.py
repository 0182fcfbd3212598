"""Aggregates as JSON documents, for one unit of work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.state import dump_state, load_state
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError
from cqrs_ddd_persistence_sqlalchemy.document_search import DocumentSearch
from cqrs_ddd_persistence_sqlalchemy.tables import Tables
from cqrs_ddd_persistence_sqlalchemy.tables.documents import id_column_value

if TYPE_CHECKING:
    from cqrs_ddd_persistence_sqlalchemy.unit_of_work import SQLAlchemyUnitOfWork

__all__ = ["SQLAlchemyAggregateStore"]

_PAGE: Final = 500
"""Ids that one statement asks for: databases limit the number of parameters."""


class SQLAlchemyAggregateStore[T: AggregateRoot[Any], ID]:
    """The aggregates of one type, in a table of documents, as the transaction of one unit of work sees them."""

    def __init__(self, uow: SQLAlchemyUnitOfWork, aggregate_type: type[T], tables: Tables) -> None:
        self._uow = uow
        self._type = aggregate_type
        self._table: Table = tables.documents(aggregate_type)

    async def fetch(self, entity_id: ID, /) -> T | None:
        table = self._table
        connection = await self._uow.connection()
        row = (
            await connection.execute(
                select(table.c.state, table.c.version).where(
                    table.c.tenant_id == _tenant(), table.c.id == bindparam("entity_id", id_column_value(entity_id))
                )
            )
        ).first()
        return None if row is None else self._entity(row.state, row.version)

    async def fetch_many(self, entity_ids: Iterable[ID] | None, /) -> list[T]:
        table = self._table
        connection = await self._uow.connection()
        query = select(table.c.state, table.c.version, table.c.id).where(table.c.tenant_id == _tenant())
        if entity_ids is None:
            rows = await connection.execute(query.order_by(table.c.id))
            return [self._entity(row.state, row.version) for row in rows]
        wanted = list(dict.fromkeys(id_column_value(entity_id) for entity_id in entity_ids))
        found: dict[Any, T] = {}
        for start in range(0, len(wanted), _PAGE):
            rows = await connection.execute(query.where(table.c.id.in_(wanted[start : start + _PAGE])))
            found.update({row.id: self._entity(row.state, row.version) for row in rows})
        return [found[key] for key in wanted if key in found]

    async def write(self, entity: T, /, *, expected_version: int, version: int) -> None:
        table = self._table
        values = {"version": version, "state": dump_state(entity, self._type), "updated_at": utc_now()}
        key = {"tenant_id": _tenant(), "id": id_column_value(entity.id)}
        connection = await self._uow.connection()
        if expected_version == 0:
            insert = (postgresql if self._uow.database.is_postgresql else sqlite).insert(table)
            # A refused row that is no error leaves the transaction usable.
            result = await connection.execute(insert.on_conflict_do_nothing(), {**key, **values})
        else:
            result = await connection.execute(
                update(table)
                .where(
                    table.c.tenant_id == key["tenant_id"],
                    table.c.id == key["id"],
                    table.c.version == expected_version,
                )
                .values(values)
            )
        if result.rowcount != 1:
            raise await self._conflict(entity.id, expected_version)

    async def remove(self, entity_id: ID, /, *, expected_version: int | None) -> bool:
        table = self._table
        statement = delete(table).where(table.c.tenant_id == _tenant(), table.c.id == id_column_value(entity_id))
        if expected_version is not None:
            statement = statement.where(table.c.version == expected_version)
        connection = await self._uow.connection()
        if (await connection.execute(statement)).rowcount:
            return True
        if expected_version is not None and await self._version(entity_id):
            raise await self._conflict(entity_id, expected_version)
        return False

    def search(self, options: QueryOptions, /) -> SearchResult[Any]:
        return DocumentSearch(self._type, options, lambda: self.fetch_many(None))

    def _entity(self, state: dict[str, Any], version: int) -> T:
        return load_state(self._type, state, version)

    async def _conflict(self, entity_id: Any, expected_version: int) -> OptimisticConcurrencyError:
        return OptimisticConcurrencyError(
            self._type.aggregate_type, entity_id, expected_version, await self._version(entity_id)
        )

    async def _version(self, entity_id: Any) -> int:
        table = self._table
        connection = await self._uow.connection()
        version: int | None = await connection.scalar(
            select(table.c.version).where(table.c.tenant_id == _tenant(), table.c.id == id_column_value(entity_id))
        )
        return version or 0


def _tenant() -> str:
    return get_current_tenant_or_none() or ""
