"""The repository on PostgreSQL and SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, override

from cqrs_ddd_core.adapters.repository import Repository, aggregate_type_of
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import ConfigurationError
from cqrs_ddd_persistence_sqlalchemy.database import Database, SessionSource

if TYPE_CHECKING:
    from cqrs_ddd_persistence_sqlalchemy.unit_of_work import SQLAlchemyUnitOfWork

__all__ = ["SQLAlchemyRepository"]


class SQLAlchemyRepository[T: AggregateRoot[Any], ID](Repository[T, ID]):
    """Aggregates in a database: ``SQLAlchemyRepository(Order, session_factory=…)``.

    They are kept as JSON documents, in one table for each collection. Takes part in the unit of work that is open in
    this task on the same database; otherwise each call is a transaction of its own.
    """

    def __init__(
        self,
        aggregate_type: type[T] | None = None,
        *,
        session_factory: SessionSource | None = None,
        uow: SQLAlchemyUnitOfWork | None = None,
    ) -> None:
        """Give ``session_factory``, or ``uow`` to bind it to one unit of work."""
        if (session_factory is None) == (uow is None):
            raise ConfigurationError("A repository works in a database or in a unit of work: give one of the two.")
        self._aggregate_type = aggregate_type
        self._source = session_factory
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
        assert self._source is not None
        return Database.of(self._source).ambient()

    @override
    def _own(self) -> UnitOfWork:
        from cqrs_ddd_persistence_sqlalchemy.unit_of_work import SQLAlchemyUnitOfWork  # noqa: PLC0415 - they need each other

        assert self._source is not None
        return SQLAlchemyUnitOfWork(self._source)
