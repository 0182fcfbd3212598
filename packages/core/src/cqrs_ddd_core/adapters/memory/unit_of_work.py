"""The in-memory unit of work: all-or-nothing, like the real ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, override

from cqrs_ddd_core.adapters.memory.aggregate_store import InMemoryAggregateStore
from cqrs_ddd_core.adapters.memory.repository import InMemoryRepository
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, InMemoryTransaction, resolve_store
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.ports.aggregate_store import AggregateStores, IAggregateStore
from cqrs_ddd_core.ports.repository import IRepository
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, check_aggregates

__all__ = ["InMemoryUnitOfWork"]


class InMemoryUnitOfWork(UnitOfWork):
    """A transaction on an ``InMemoryStore``.

    Without a store it works on the one that belongs to the running event loop: data stays from command to command,
    and every test that has an event loop of its own starts empty.
    """

    _given: InMemoryStore | None = None
    _transaction: InMemoryTransaction | None = None

    def __init__(
        self,
        store: InMemoryStore | None = None,
        *,
        aggregates: Iterable[type[AggregateRoot[Any]]] | None = None,
        aggregate_stores: AggregateStores | None = None,
    ) -> None:
        if store is not None:
            self._given = store
        if aggregates is not None:
            self.aggregates = check_aggregates(aggregates)
        if aggregate_stores is not None:
            self.aggregate_stores = aggregate_stores

    @property
    def memory(self) -> InMemoryStore:
        """The store that it works on."""
        if self._given is None:
            self._given = resolve_store(None)
        return self._given

    @property
    def transaction(self) -> InMemoryTransaction:
        """The open transaction; opened by asking for it."""
        if self._transaction is None:
            self._transaction = InMemoryTransaction(self.memory)
            self.begun = True
        self._transaction.read_only = self.read_only
        return self._transaction

    def transaction_on(self, store: InMemoryStore) -> InMemoryTransaction | None:
        """The open transaction if this is a unit of work on ``store``, else None."""
        return self.transaction if self.memory is store else None

    @override
    def _open_store(self, aggregate_type: type[AggregateRoot[Any]], /) -> IAggregateStore[Any, Any]:
        return InMemoryAggregateStore(self, aggregate_type)

    @override
    def _open_repository(self, aggregate_type: type[AggregateRoot[Any]], /) -> IRepository[Any, Any]:
        return InMemoryRepository(aggregate_type, uow=self)

    @override
    async def _commit(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            transaction.commit()

    @override
    async def _rollback(self) -> None:
        self._transaction = None

    @override
    async def _savepoint(self) -> Any:
        return self.transaction.savepoint()

    @override
    async def _release(self, savepoint: Any, /) -> None:
        pass  # a mark costs nothing to keep

    @override
    async def _rollback_to(self, savepoint: Any, /) -> None:
        self.transaction.rollback_to(savepoint)
