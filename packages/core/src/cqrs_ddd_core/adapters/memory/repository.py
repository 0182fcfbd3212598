"""The in-memory repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, override

from cqrs_ddd_core.adapters.memory.store import InMemoryStore, resolve_store
from cqrs_ddd_core.adapters.repository import Repository, aggregate_type_of
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, current_uow_or_none

if TYPE_CHECKING:
    from cqrs_ddd_core.adapters.memory.unit_of_work import InMemoryUnitOfWork

__all__ = ["InMemoryRepository"]


class InMemoryRepository[T: AggregateRoot[Any], ID](Repository[T, ID]):
    """Aggregates in memory: ``InMemoryRepository[Order, str]()``, ``InMemoryRepository(Order)`` or a subclass.

    Keeps copies, checks versions and takes part in the open in-memory unit of work, as a database would.
    """

    def __init__(
        self,
        aggregate_type: type[T] | None = None,
        *,
        store: InMemoryStore | None = None,
        uow: InMemoryUnitOfWork | None = None,
    ) -> None:
        self._aggregate_type = aggregate_type
        self._store = store
        self._uow = uow

    @property
    @override
    def aggregate_type(self) -> type[T]:
        if self._aggregate_type is None:
            self._aggregate_type = aggregate_type_of(self)
        return self._aggregate_type

    @override
    def _joined(self) -> UnitOfWork | None:
        if self._uow is not None:
            return self._uow
        uow = current_uow_or_none()
        return uow if uow is not None and resolve_store(self._store).belongs_to(uow) else None

    @override
    def _own(self) -> UnitOfWork:
        from cqrs_ddd_core.adapters.memory.unit_of_work import InMemoryUnitOfWork  # noqa: PLC0415 - they need each other

        return InMemoryUnitOfWork(resolve_store(self._store))
