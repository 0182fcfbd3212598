"""What a database does for the aggregates of one type, inside one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult

__all__ = ["IAggregateStore"]


@runtime_checkable
class IAggregateStore[T, ID](Protocol):
    """The part of a repository that an adapter writes. ``Repository`` and ``UnitOfWork`` do the rest.

    Identity, tracking, versions and the order of writes are settled above it. Everything here happens in the
    transaction of the unit of work that made this object, and in the current tenant.
    """

    async def fetch(self, entity_id: ID, /) -> T | None:
        """A new object with the stored state and version, or None."""
        ...

    async def fetch_many(self, entity_ids: Iterable[ID] | None, /) -> list[T]:
        """New objects: all in order of id for None, else those that exist, in the order asked for."""
        ...

    async def write(self, entity: T, /, *, expected_version: int, version: int) -> None:
        """Store the state as ``version``. ``expected_version`` 0 means that there must be none yet.

        Raises ``OptimisticConcurrencyError`` when the store has another version, now or at the commit.
        """
        ...

    async def remove(self, entity_id: ID, /, *, expected_version: int | None) -> bool:
        """Remove and say whether it was there. Raises ``OptimisticConcurrencyError`` unless the version is None."""
        ...

    def search(self, options: QueryOptions, /) -> SearchResult[Any]:
        """The search, not yet run. Its items are new objects, or dicts when ``options.fields`` is set."""
        ...
