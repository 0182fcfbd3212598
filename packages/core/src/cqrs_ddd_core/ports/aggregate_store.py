"""What a database does for the aggregates of one type, inside one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult

if TYPE_CHECKING:
    from cqrs_ddd_core.domain.aggregate import AggregateRoot
    from cqrs_ddd_core.ports.unit_of_work import UnitOfWork

__all__ = ["AggregateStoreFactory", "AggregateStores", "IAggregateStore", "keeps_events"]

type AggregateStoreFactory = Callable[[UnitOfWork], IAggregateStore[Any, Any]]
"""Makes the store of one aggregate class for one unit of work."""
type AggregateStores = Mapping[type[AggregateRoot[Any]], AggregateStoreFactory]
"""The aggregate classes that are not kept in the usual way, and what keeps them."""


@runtime_checkable
class IAggregateStore[T, ID](Protocol):
    """The part of a repository that an adapter writes. ``Repository`` and ``UnitOfWork`` do the rest.

    Identity, tracking, versions and the order of writes are settled above it. Everything here happens in the
    transaction of the unit of work that made this object, and in the current tenant.

    A store that keeps aggregates as their events says so with an attribute ``keeps_events = True``. It is asked to
    write only when there are new events (``unsaved_events``), and appends those behind ``expected_version``.
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


def keeps_events(store: IAggregateStore[Any, Any]) -> bool:
    """Whether this store keeps aggregates as their events, and so appends the events itself."""
    return getattr(store, "keeps_events", False) is True
