"""What a search wants besides the rule: order, page, fields, groups, sums."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from cqrs_ddd_core.domain.specification import AndSpecification, ISpecification

__all__ = ["Aggregation", "AggregationFunction", "Ordering", "QueryOptions"]

type AggregationFunction = Literal["sum", "avg", "min", "max", "count", "count_distinct"]

_FUNCTIONS: tuple[str, ...] = get_args(AggregationFunction.__value__)


@dataclass(frozen=True, slots=True)
class Ordering:
    """Order by one field (a dotted path). Null stands last in both directions, unless ``nulls_first``."""

    field: str
    descending: bool = False
    nulls_first: bool = False

    @classmethod
    def parse(cls, text: str) -> Ordering:
        """``"name"`` ascending, ``"-created_at"`` descending; a leading ``+`` is allowed."""
        descending = text.startswith("-")
        field = text.removeprefix("-" if descending else "+").strip()
        if not field or field.startswith(("-", "+")):
            raise ValueError(f"An ordering is 'field' or '-field', found {text!r}.")
        return cls(field, descending)

    def __str__(self) -> str:
        return f"-{self.field}" if self.descending else self.field


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One number over all rows that match: ``Aggregation("total", "sum")`` is found under ``total_sum``.

    Null is left out by every function; ``count`` counts what is not null, of field ``*`` it counts rows.
    """

    field: str
    function: AggregationFunction

    def __post_init__(self) -> None:
        if self.function not in _FUNCTIONS:
            raise ValueError(f"An aggregation is one of {', '.join(_FUNCTIONS)}; found {self.function!r}.")
        if self.field == "*" and self.function != "count":
            raise ValueError(f"Only count takes the field '*', found {self.function!r}.")

    @property
    def name(self) -> str:
        """The key of the answer: ``total_sum``; ``count`` for all rows."""
        return "count" if self.field == "*" else f"{self.field}_{self.function}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """What a search wants. Immutable: each ``with_…`` returns a new one, so that a base can be shared.

    ``QueryOptions().with_specification(spec).with_ordering("-created_at", "name").with_pagination(limit=20)``
    """

    specification: ISpecification[Any] | None = None
    limit: int | None = None
    offset: int | None = None
    order_by: tuple[Ordering, ...] = ()
    after: tuple[Any, ...] | None = None
    """Keyset paging: the values of the ``order_by`` fields in the last row of the page before."""
    distinct: bool = False
    fields: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    aggregations_of: tuple[Aggregation, ...] = ()

    def __post_init__(self) -> None:
        for name in ("limit", "offset"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                raise ValueError(f"{name} is a whole number from 0, found {value!r}.")
        if self.specification is not None and (
            isinstance(self.specification, type) or not isinstance(self.specification, ISpecification)  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        ):
            raise TypeError(f"A specification is wanted, found {self.specification!r}.")
        if self.after is not None and len(self.after) != len(self.order_by):
            raise ValueError(
                f"Keyset paging needs one value for each ordering: found {len(self.after)} values for "
                f"{len(self.order_by)} orderings. Set the ordering first, ending in a unique field such as id."
            )

    def with_specification(self, specification: ISpecification[Any] | None) -> QueryOptions:
        """Replace the rule. To add one, combine them: ``old & new``, or ``merge``."""
        return replace(self, specification=specification)

    def with_pagination(self, limit: int | None = None, offset: int | None = None) -> QueryOptions:
        """At most ``limit`` rows, after skipping ``offset``. For deep pages prefer ``with_keyset``."""
        return replace(self, limit=limit, offset=offset)

    def with_limit(self, limit: int | None) -> QueryOptions:
        return replace(self, limit=limit)

    def with_offset(self, offset: int | None) -> QueryOptions:
        return replace(self, offset=offset)

    def with_ordering(self, *fields: str | Ordering) -> QueryOptions:
        """Order by these, the first counting most: ``"-created_at"`` descending, ``"name"`` ascending.

        Another order than before drops the keyset. Rows that are equal in all of them come in order of id, so that
        pages do not overlap.
        """
        for field in fields:
            if not isinstance(field, str | Ordering):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
                raise TypeError(f"with_ordering takes fields one by one: 'name', '-created_at'; found {field!r}.")
        order_by = tuple(Ordering.parse(field) if isinstance(field, str) else field for field in fields)
        # What the last page ended with belongs to the order of that page.
        return replace(self, order_by=order_by, after=self.after if order_by == self.order_by else None)

    def with_keyset(self, *after: Any) -> QueryOptions:
        """Only rows behind the one with these values of the ordering fields. Call ``with_ordering`` first."""
        return replace(self, after=after or None)

    def with_fields(self, fields: list[str] | tuple[str, ...]) -> QueryOptions:
        """Give rows as dicts with these fields only (dotted paths are the keys as written)."""
        return replace(self, fields=_paths(fields, "with_fields takes a list of fields"))

    def with_distinct(self, distinct: bool = True) -> QueryOptions:  # noqa: FBT001, FBT002 - reads well as it is
        """Leave out rows that are equal to an earlier one; with ``fields``, equal in those."""
        return replace(self, distinct=distinct)

    def with_grouping(self, *fields: str) -> QueryOptions:
        """Group by these for ``SearchResult.groups()``. The items themselves are not changed by it."""
        return replace(self, group_by=_paths(fields, "with_grouping takes fields one by one"))

    def with_aggregation(self, field: str, function: AggregationFunction) -> QueryOptions:
        """Ask for one more number over all rows that match, whatever the page."""
        return replace(self, aggregations_of=(*self.aggregations_of, Aggregation(field, function)))

    def merge(self, other: QueryOptions) -> QueryOptions:
        """Both: rules ANDed, lists joined; of limit and offset the other's where it has one.

        A keyset stays if the joined order is the one that it was made for. Raises ``ValueError`` if both have one, and
        they differ.
        """
        if self.specification is None or other.specification is None:
            specification = self.specification or other.specification
        else:
            specification = AndSpecification(self.specification, other.specification)
        order_by = _joined(self.order_by, other.order_by)
        keysets = {each.after for each in (self, other) if each.after is not None and each.order_by == order_by}
        if len(keysets) > 1 or (not keysets and (self.after is not None or other.after is not None)):
            raise ValueError("These options cannot be merged: a keyset belongs to the order of its own search.")
        return QueryOptions(
            specification=specification,
            limit=self.limit if other.limit is None else other.limit,
            offset=self.offset if other.offset is None else other.offset,
            order_by=order_by,
            after=keysets.pop() if keysets else None,
            distinct=self.distinct or other.distinct,
            fields=_joined(self.fields, other.fields),
            group_by=_joined(self.group_by, other.group_by),
            aggregations_of=_joined(self.aggregations_of, other.aggregations_of),
        )


def _paths(fields: Iterable[Any], usage: str) -> tuple[str, ...]:
    if isinstance(fields, str):
        raise TypeError(f"{usage}, found {fields!r}.")
    paths = tuple(fields)
    for path in paths:
        if not isinstance(path, str) or not path:
            raise TypeError(f"{usage}, each a text; found {path!r}.")
    return paths


def _joined[T](first: tuple[T, ...], second: tuple[T, ...]) -> tuple[T, ...]:
    return first + tuple(item for item in second if item not in first)
