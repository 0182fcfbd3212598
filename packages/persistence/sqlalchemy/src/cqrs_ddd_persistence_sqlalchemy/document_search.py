"""Searching a table of documents.

The rule, the order and the sums are evaluated in this process, on all documents of the collection and tenant, so that
they mean exactly what they mean in memory. That reads the whole collection for every question: good for thousands of
aggregates, not for millions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, override

from cqrs_ddd_core.adapters.memory.search import InMemorySearch, check_fields
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.value_typing import check_specification
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult

__all__ = ["DocumentSearch", "EvaluatedSearch"]


class EvaluatedSearch[T](SearchResult[Any]):
    """A search that has not run yet. ``fetch_all`` gives all candidates, in order of id."""

    def __init__(self, options: QueryOptions, fetch_all: Callable[[], Awaitable[Sequence[T]]]) -> None:
        self._options = options
        self._fetch_all = fetch_all

    async def _search(self) -> InMemorySearch[T]:
        candidates = await self._fetch_all()
        return InMemorySearch(lambda: candidates, self._options)

    @override
    async def all(self) -> list[Any]:
        return await (await self._search()).all()

    @override
    async def stream(self, batch_size: int = 100) -> AsyncIterator[Sequence[Any]]:
        async for batch in (await self._search()).stream(batch_size):
            yield batch

    @override
    async def first(self) -> Any | None:
        return await (await self._search()).first()

    @override
    async def count(self) -> int:
        return await (await self._search()).count()

    @override
    async def total_count(self) -> int:
        return await (await self._search()).total_count()

    @override
    async def aggregations(self) -> Mapping[str, Any]:
        return await (await self._search()).aggregations()

    @override
    async def groups(self) -> Sequence[Mapping[str, Any]]:
        return await (await self._search()).groups()


class DocumentSearch[T: AggregateRoot[Any]](EvaluatedSearch[T]):
    """A search for aggregates."""

    def __init__(
        self, aggregate_type: type[T], options: QueryOptions, fetch_all: Callable[[], Awaitable[Sequence[T]]]
    ) -> None:
        """Raises what a rule or a field that does not fit ``aggregate_type`` raises."""
        if options.specification is not None:
            check_specification(options.specification, aggregate_type)
        check_fields(aggregate_type, options)
        super().__init__(options, fetch_all)
