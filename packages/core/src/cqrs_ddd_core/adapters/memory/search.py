"""What a database does for a search, done in memory."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, override

from cqrs_ddd_core.domain.field_path import read_path
from cqrs_ddd_core.ports.query_options import Aggregation, Ordering, QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult

__all__ = ["InMemorySearch"]


class InMemorySearch[T](SearchResult[Any]):
    """Filters, orders, pages and counts candidates, which ``candidates`` gives in order of id."""

    def __init__(self, candidates: Callable[[], Sequence[T]], options: QueryOptions) -> None:
        self._candidates, self._options = candidates, options

    @override
    async def all(self) -> list[Any]:
        return self._page()

    @override
    async def stream(self, batch_size: int = 100) -> AsyncIterator[Sequence[Any]]:
        page = self._page()
        for start in range(0, len(page), batch_size):
            yield page[start : start + batch_size]

    @override
    async def first(self) -> Any | None:
        page = self._page()
        return page[0] if page else None

    @override
    async def count(self) -> int:
        return len(self._page())

    @override
    async def total_count(self) -> int:
        return len(self._distinct(self._matching()))

    @override
    async def aggregations(self) -> Mapping[str, Any]:
        return _numbers(self._matching(), self._options.aggregations_of)

    @override
    async def groups(self) -> Sequence[Mapping[str, Any]]:
        groups: dict[str, tuple[list[Any], list[T]]] = {}
        for item in self._matching():
            values = [read_path(item, field) for field in self._options.group_by]
            groups.setdefault(repr(values), (values, []))[1].append(item)
        orderings = [Ordering(field) for field in self._options.group_by]
        rows: list[dict[str, Any]] = []
        for values, items in groups.values():
            keys = dict(zip(self._options.group_by, values, strict=True))
            rows.append({**keys, **_numbers(items, self._options.aggregations_of), "count": len(items)})
        rows.sort(key=functools.cmp_to_key(lambda a, b: _compare(orderings, list(a.values()), list(b.values()))))
        return rows

    def _matching(self) -> list[T]:
        specification = self._options.specification
        candidates = self._candidates()
        if specification is None:
            return list(candidates)
        return [item for item in candidates if specification.is_satisfied_by(item)]

    def _distinct(self, items: list[T]) -> list[Any]:
        """The items as they are given out: projected, and each only once if that is asked for."""
        fields = self._options.fields
        rows: list[Any] = [{field: read_path(item, field) for field in fields} for item in items] if fields else items
        if not self._options.distinct:
            return rows
        return list({repr(row): row for row in reversed(rows)}.values())[::-1]

    def _page(self) -> list[Any]:
        orderings = self._options.order_by
        items = self._matching()
        if orderings:
            keyed = [([read_path(item, ordering.field) for ordering in orderings], item) for item in items]
            keyed.sort(key=functools.cmp_to_key(lambda a, b: _compare(orderings, a[0], b[0])))
            after = self._options.after
            if after is not None:
                keyed = [pair for pair in keyed if _compare(orderings, pair[0], list(after)) > 0]
            items = [item for _, item in keyed]
        rows = self._distinct(items)
        start = self._options.offset or 0
        end = None if self._options.limit is None else start + self._options.limit
        return rows[start:end]


def _compare(orderings: Sequence[Ordering], left: Sequence[Any], right: Sequence[Any]) -> int:
    for ordering, a, b in zip(orderings, left, right, strict=False):
        if a == b:
            continue
        if a is None or b is None:
            first = (a is None) == ordering.nulls_first
            return -1 if first else 1
        smaller = -1 if a < b else 1
        return -smaller if ordering.descending else smaller
    return 0


def _numbers(items: Sequence[Any], aggregations: Sequence[Aggregation]) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for aggregation in aggregations:
        if aggregation.field == "*":
            numbers[aggregation.name] = len(items)
            continue
        values = [value for item in items if (value := read_path(item, aggregation.field)) is not None]
        numbers[aggregation.name] = _number(aggregation.function, values)
    return numbers


def _number(function: str, values: list[Any]) -> Any:
    match function:
        case "count":
            return len(values)
        case "count_distinct":
            return len({repr(value) for value in values})
        case _ if not values:
            return None
        case "sum":
            return sum(values[1:], values[0])
        case "avg":
            return sum(values[1:], values[0]) / len(values)
        case "min":
            return min(values)
        case _:
            return max(values)
