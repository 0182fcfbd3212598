"""Aggregates in memory, for one unit of work."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cqrs_ddd_core.adapters.memory.search import InMemorySearch
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.domain.aggregate import AggregateRoot, mark_persisted
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError

if TYPE_CHECKING:
    from cqrs_ddd_core.adapters.memory.unit_of_work import InMemoryUnitOfWork

__all__ = ["InMemoryAggregateStore"]


@dataclass(frozen=True, slots=True)
class _Document:
    version: int
    fields: dict[str, Any]
    """A private deep copy. Private attributes are not kept, as no database would keep them."""
    fields_set: frozenset[str]


class InMemoryAggregateStore[T: AggregateRoot[Any], ID]:
    """The aggregates of one type, as the transaction of one unit of work sees them."""

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
        self._check(entity.id, expected_version)
        document = _Document(version, copy.deepcopy(entity.__dict__), frozenset(entity.__pydantic_fields_set__))
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
        return InMemorySearch[T](self._all, options)

    def _check(self, entity_id: Any, expected_version: int) -> None:
        document: _Document | None = self._uow.transaction.get(
            self._table, (get_current_tenant_or_none(), entity_id)
        )
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
        entity = self._type.model_construct(set(document.fields_set), **copy.deepcopy(document.fields))
        mark_persisted(entity, document.version)
        return entity
