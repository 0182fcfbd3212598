"""Where aggregates are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.domain.specification import ISpecification
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult

__all__ = ["IRepository"]


@runtime_checkable
class IRepository[T, ID](Protocol):
    """The collection of all aggregates of one type, in the current tenant.

    Inside a unit of work everything belongs to its transaction, the same id gives the same object, and changes are
    written when the unit of work commits. Outside, each call is a transaction of its own and gives copies.
    """

    async def add(self, entity: T) -> ID:
        """Save a new or changed aggregate and return its id. May be called several times for one object.

        The state that counts is the one at the commit. An aggregate that was read in the unit of work and emitted
        events is saved with or without this call. Raises ``OptimisticConcurrencyError``, here or at the commit, when
        the stored version is not the one that was loaded; ``TypeError`` for an object of another type.
        """
        ...

    async def get(self, entity_id: ID) -> T | None:
        """The aggregate with this id, or None when there is none."""
        ...

    async def delete(self, entity_id: ID) -> ID:
        """Remove the aggregate and return its id. Raises ``EntityNotFoundError`` when there is none."""
        ...

    async def list_all(self, entity_ids: Iterable[ID] | None = None) -> list[T]:
        """All aggregates in order of id; or those with these ids, in the order asked for, leaving out what is not."""
        ...

    async def search(self, criteria: ISpecification[Any] | QueryOptions | None = None) -> SearchResult[T]:
        """Find by a rule and options; None finds all. Nothing runs before the result is asked for.

        Without an ordering the items come in order of id. What the unit of work has changed is seen.
        """
        ...
