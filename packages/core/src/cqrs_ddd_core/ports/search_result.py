"""The answer to a search: nothing runs until it is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from typing import Any

__all__ = ["SearchResult"]


class SearchResult[T](ABC):
    """A search that has not run yet. Each question below asks the store anew.

    ``orders = await result`` gives the items of the page. With ``QueryOptions.with_fields`` an item is a dict with
    these fields, else it is an entity.
    """

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self.all().__await__()

    @abstractmethod
    async def all(self) -> list[T]:
        """The items of the page, in order."""

    @abstractmethod
    def stream(self, batch_size: int = 100) -> AsyncIterator[Sequence[T]]:
        """The items of the page in batches of ``batch_size`` (the last may be shorter), with flat memory.

        Streamed entities are not followed by the unit of work: they are for reading.
        """

    @abstractmethod
    async def first(self) -> T | None:
        """The first item of the page, or None."""

    @abstractmethod
    async def count(self) -> int:
        """How many items the page has."""

    @abstractmethod
    async def total_count(self) -> int:
        """How many items match, whatever limit, offset and keyset say."""

    @abstractmethod
    async def aggregations(self) -> Mapping[str, Any]:
        """The numbers of ``with_aggregation`` over all items that match: ``{"total_sum": …}``; None for no items."""

    @abstractmethod
    async def groups(self) -> Sequence[Mapping[str, Any]]:
        """One row for each group of ``with_grouping``: its fields, the numbers, and ``count``; ordered by group."""
