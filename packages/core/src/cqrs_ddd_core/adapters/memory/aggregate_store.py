"""Aggregates in memory, for one unit of work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cqrs_ddd_core.adapters.memory.search import InMemorySearch, check_fields
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.state import dump_state, load_state
from cqrs_ddd_core.domain.value_typing import check_specification
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError

if TYPE_CHECKING:
    from cqrs_ddd_core.adapters.memory.unit_of_work import InMemoryUnitOfWork

__all__ = ["InMemoryAggregateStore"]


@dataclass(frozen=True, slots=True)
class _Document:
    version: int
    state: dict[str, Any]
    """JSON data, as a database would keep it: what it could not keep is refused here too."""


class InMemoryAggregateStore[T: AggregateRoot[Any], ID]:
    """The aggregates of one type, as the transaction of one unit of work sees them.

    It keeps what ``dump_state`` makes of an aggregate and gives back what ``load_state`` makes of that, so that a test
    on it says something about a database.
    """

    def __init__(self, uow: InMemoryUnitOfWork, aggregate_type: type[T]) -> None:
        self._uow = uow
        self._type = aggregate_type
        self._table = f"aggregates.{aggregate_type.collection_name}"

    async def fetch(self, entity_id: ID, /) -> T | None:
        document = self._uow.transaction.get(self._table, (get_current_tenant_or_none(), entity_id))
        return None if document is None else self._entity(document)

    async def fetch_many(self, entity_ids: Iterable[ID] | None, /) -> list[T]:
        if entity_ids is None:
            return self._all()
        found: list[T] = []
        for entity_id in dict.fromkeys(entity_ids):
            entity = await self.fetch(entity_id)
            if entity is not None:
                found.append(entity)
        return found

    async def write(self, entity: T, /, *, expected_version: int, version: int) -> None:
        document = _Document(version, dump_state(entity, self._type))
        self._check(entity.id, expected_version)
        self._uow.transaction.put(
            self._table,
            (get_current_tenant_or_none(), entity.id),
            document,
            conflict=lambda: OptimisticConcurrencyError(self._type.aggregate_type, entity.id, expected_version),
        )

    async def remove(self, entity_id: ID, /, *, expected_version: int | None) -> bool:
        key = (get_current_tenant_or_none(), entity_id)
        if self._uow.transaction.get(self._table, key) is None:
            return False
        if expected_version is not None:
            self._check(entity_id, expected_version)
        self._uow.transaction.delete(
            self._table,
            key,
            conflict=lambda: OptimisticConcurrencyError(self._type.aggregate_type, entity_id, expected_version),
        )
        return True

    def search(self, options: QueryOptions, /) -> SearchResult[Any]:
        if options.specification is not None:
            # A database would refuse what does not fit the type; evaluated in memory it would only find nothing.
            check_specification(options.specification, self._type)
        check_fields(self._type, options)
        return InMemorySearch[T](self._all, options)

    def _check(self, entity_id: Any, expected_version: int) -> None:
        document: _Document | None = self._uow.transaction.get(self._table, (get_current_tenant_or_none(), entity_id))
        actual = 0 if document is None else document.version
        if actual != expected_version:
            raise OptimisticConcurrencyError(self._type.aggregate_type, entity_id, expected_version, actual)

    def _all(self) -> list[T]:
        tenant_id = get_current_tenant_or_none()
        documents = [
            (entity_id, document)
            for (tenant, entity_id), document in self._uow.transaction.items(self._table)
            if tenant == tenant_id
        ]
        documents.sort(key=lambda item: item[0])
        return [self._entity(document) for _, document in documents]

    def _entity(self, document: _Document) -> T:
        return load_state(self._type, document.state, document.version)
