"""What a database does for a search, done in memory."""

from __future__ import annotations

import decimal
import functools
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, override

from cqrs_ddd_core.domain.equality import hash_of, unique
from cqrs_ddd_core.domain.field_path import read_path
from cqrs_ddd_core.domain.field_type import FieldKind, field_type
from cqrs_ddd_core.domain.sort_order import SortKey, check_one_kind, sort_key
from cqrs_ddd_core.ports.query_options import Aggregation, Ordering, QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_core.primitives.exceptions import FieldNotQueryableError, SpecificationValueError

__all__ = ["InMemorySearch", "check_fields"]

type _Key = SortKey | None
"""None for null."""

type _Group[T] = tuple[list[Any], list[T]]
"""The values that its items have in common, and the items."""

_UNORDERED = {FieldKind.LIST, FieldKind.OBJECT, FieldKind.GEOMETRY, FieldKind.OPAQUE}
_NUMBERS = {FieldKind.INTEGER, FieldKind.FLOAT, FieldKind.DECIMAL, FieldKind.DURATION, FieldKind.JSON}


def check_fields(model: type[Any], options: QueryOptions) -> None:
    """Raise ``FieldNotFoundError`` or ``FieldNotQueryableError`` for what a database could not do with these fields."""
    for path in options.fields:
        field_type(model, path)
    for path in (*(ordering.field for ordering in options.order_by), *options.group_by):
        _check_order(model, path)
    for aggregation in options.aggregations_of:
        if aggregation.field == "*":
            continue
        kind = _check_order(model, aggregation.field)
        if aggregation.function in {"sum", "avg"} and kind not in _NUMBERS:
            raise FieldNotQueryableError(aggregation.field, f"{aggregation.function} needs numbers, it holds {kind}")


def _check_order(model: type[Any], path: str) -> FieldKind:
    found = field_type(model, path)
    if found.many:
        raise FieldNotQueryableError(path, "it goes through a list and has several values")
    if found.kind in _UNORDERED:
        raise FieldNotQueryableError(path, f"a field of kind {found.kind} has no order")
    return found.kind


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
        return len(self._rows(self._matching()))

    @override
    async def aggregations(self) -> Mapping[str, Any]:
        return _numbers(self._matching(), self._options.aggregations_of)

    @override
    async def groups(self) -> Sequence[Mapping[str, Any]]:
        fields = self._options.group_by
        rows: list[Mapping[str, Any]] = [
            {
                **dict(zip(fields, values, strict=True)),
                **_numbers(items, self._options.aggregations_of),
                "count": len(items),
            }
            for values, items in _grouped(self._matching(), fields)
        ]
        return _in_order(rows, [Ordering(field) for field in fields], _read_row)

    def _matching(self) -> list[T]:
        specification = self._options.specification
        candidates = self._candidates()
        if specification is None:
            return list(candidates)
        return [item for item in candidates if specification.is_satisfied_by(item)]

    def _rows(self, items: list[T]) -> list[Any]:
        """The items as they are given out. Without a projection no item is equal to another one: their ids differ."""
        fields = self._options.fields
        if not fields:
            return items
        rows = [{field: read_path(item, field) for field in fields} for item in items]
        return unique(rows) if self._options.distinct else rows

    def _page(self) -> list[Any]:
        items = _in_order(self._matching(), self._options.order_by, read_path, after=self._options.after)
        rows = self._rows(items)
        start = self._options.offset or 0
        end = None if self._options.limit is None else start + self._options.limit
        return rows[start:end]


def _read_row(row: Mapping[str, Any], field: str) -> Any:
    return row[field]


def _in_order[R](
    items: list[R],
    orderings: Sequence[Ordering],
    read: Callable[[R, str], Any],
    *,
    after: Sequence[Any] | None = None,
) -> list[R]:
    """Sorted, stably; with ``after`` only what comes behind these values."""
    if not orderings:
        return items
    fields = [ordering.field for ordering in orderings]
    keyed: list[tuple[list[_Key], R]] = [([_key(read(item, field), field) for field in fields], item) for item in items]
    for place, field in enumerate(fields):
        column = (keys[place] for keys, _ in keyed)
        check_one_kind((key for key in column if key is not None), field)
    if after is not None:
        border = [
            _border(value, field, keyed, place) for place, (value, field) in enumerate(zip(after, fields, strict=True))
        ]
        keyed = [pair for pair in keyed if _compare(orderings, pair[0], border) > 0]
    compare: Callable[[Sequence[_Key], Sequence[_Key]], int] = functools.partial(_compare, orderings)
    by_keys = functools.cmp_to_key(compare)
    keyed.sort(key=lambda pair: by_keys(pair[0]))
    return [item for _, item in keyed]


def _key(value: Any, path: str) -> _Key:
    return None if value is None else sort_key(value, path)


def _border[R](value: Any, field: str, keyed: Sequence[tuple[Sequence[_Key], R]], place: int) -> _Key:
    key = _key(value, field)
    known = next((found for keys, _ in keyed if (found := keys[place]) is not None), None)
    if key is not None and known is not None and key[0] != known[0]:
        raise SpecificationValueError(
            field,
            "after",
            f"the value of the last row is not of the type of the field: {type(value).__name__} {value!r}",
        )
    return key


def _compare(orderings: Sequence[Ordering], left: Sequence[_Key], right: Sequence[_Key]) -> int:
    for ordering, a, b in zip(orderings, left, right, strict=True):
        if a == b:
            continue
        if a is None or b is None:
            return -1 if (a is None) == ordering.nulls_first else 1
        return 1 if (a < b) == ordering.descending else -1
    return 0


def _grouped[T](items: Sequence[T], fields: Sequence[str]) -> list[_Group[T]]:
    groups: list[_Group[T]] = []
    buckets: dict[int, list[_Group[T]]] = {}
    for item in items:
        values = [read_path(item, field) for field in fields]
        bucket = buckets.setdefault(hash_of(values), [])
        for known, members in bucket:
            if known == values:
                members.append(item)
                break
        else:
            group = (values, [item])
            bucket.append(group)
            groups.append(group)
    return groups


def _numbers(items: Sequence[Any], aggregations: Sequence[Aggregation]) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for aggregation in aggregations:
        if aggregation.field == "*":
            numbers[aggregation.name] = len(items)
            continue
        values = [value for item in items if (value := read_path(item, aggregation.field)) is not None]
        numbers[aggregation.name] = _number(aggregation, values)
    return numbers


def _number(aggregation: Aggregation, values: list[Any]) -> Any:
    field = aggregation.field
    if aggregation.function == "count":
        return len(values)
    if aggregation.function == "count_distinct":
        return len(unique(values))
    if not values:
        return None
    if aggregation.function in {"min", "max"}:
        keys = [sort_key(value, field) for value in values]
        check_one_kind(keys, field)
        wanted = min(keys) if aggregation.function == "min" else max(keys)
        return values[keys.index(wanted)]
    total = _sum(values, field)
    return total if aggregation.function == "sum" else total / len(values)


def _sum(values: list[Any], field: str) -> Any:
    """Exact: rounding is for who prints it."""
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return sum(values)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return math.fsum(values)
    if all(isinstance(value, int | Decimal) and not isinstance(value, bool) for value in values):
        with decimal.localcontext(prec=1000):
            return sum(values, Decimal(0))
    if all(isinstance(value, timedelta) for value in values):
        return sum(values, timedelta())
    kinds = ", ".join(sorted({type(value).__name__ for value in values}))
    raise FieldNotQueryableError(field, f"sum and avg need numbers of one kind, found {kinds}")
