"""Query options: immutable, built step by step, and refused when they make no sense."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from cqrs_ddd_core.domain import AndSpecification, PredicateSpecification, Specification
from cqrs_ddd_core.ports.query_options import Aggregation, Ordering, QueryOptions


def rule() -> Specification[Any]:
    return PredicateSpecification[Any](lambda candidate: True)


def untyped() -> Any:
    """As callers have them who use no type checker."""
    return QueryOptions()


def test_each_step_gives_new_options_and_leaves_the_old_ones() -> None:
    base = QueryOptions()
    spec = rule()
    full = (
        base.with_specification(spec)
        .with_pagination(limit=20, offset=40)
        .with_ordering("-created_at", "name")
        .with_fields(["id", "name"])
        .with_grouping("customer_id")
        .with_aggregation("total", "sum")
        .with_aggregation("*", "count")
        .with_distinct()
    )
    assert base == QueryOptions()
    assert full == QueryOptions(
        specification=spec,
        limit=20,
        offset=40,
        order_by=(Ordering("created_at", descending=True), Ordering("name")),
        fields=("id", "name"),
        group_by=("customer_id",),
        aggregations_of=(Aggregation("total", "sum"), Aggregation("*", "count")),
        distinct=True,
    )
    with pytest.raises(FrozenInstanceError):
        full.limit = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert full.with_limit(None).with_offset(None).limit is None


@pytest.mark.parametrize(
    ("text", "ordering"),
    [
        ("name", Ordering("name")),
        ("+name", Ordering("name")),
        ("-name", Ordering("name", descending=True)),
        ("- name", Ordering("name", descending=True)),
        ("-customer.address.city", Ordering("customer.address.city", descending=True)),
    ],
)
def test_an_ordering_is_a_field_with_a_sign(text: str, ordering: Ordering) -> None:
    assert Ordering.parse(text) == ordering
    assert Ordering.parse(str(ordering)) == ordering


@pytest.mark.parametrize("text", ["", "-", "+", "--name", "-+name", " "])
def test_an_ordering_without_a_field_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="'field' or '-field'"):
        Ordering.parse(text)


def test_numbers_are_named_after_field_and_function() -> None:
    assert Aggregation("total", "sum").name == "total_sum"
    assert Aggregation("price.amount", "avg").name == "price.amount_avg"
    assert Aggregation("*", "count").name == "count"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: QueryOptions(limit=-1), "limit is a whole number from 0, found -1"),
        (lambda: QueryOptions(offset=-1), "offset is a whole number from 0"),
        (lambda: untyped().with_limit(True), "limit is a whole number"),
        (lambda: untyped().with_limit(1.5), "limit is a whole number"),
        (lambda: untyped().with_limit("10"), "limit is a whole number"),
        (lambda: untyped().with_aggregation("total", "median"), "An aggregation is one of sum, avg"),
        (lambda: untyped().with_aggregation("*", "sum"), "Only count takes the field"),
        (lambda: untyped().with_keyset(1), "Set the ordering first"),
        (lambda: untyped().with_ordering("a", "id").with_keyset(1), "found 1 values for 2 orderings"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(make: Callable[[], Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: untyped().with_fields("id"),
        lambda: untyped().with_fields(["id", 1]),
        lambda: untyped().with_fields([""]),
        lambda: untyped().with_grouping(["customer_id"]),
        lambda: untyped().with_ordering(["name"]),
        lambda: untyped().with_ordering(None),
        lambda: untyped().with_specification("total > 1"),
        lambda: untyped().with_specification(PredicateSpecification),
    ],
)
def test_something_of_another_kind_is_refused_at_once(make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        make()


def test_a_keyset_belongs_to_its_order() -> None:
    options = QueryOptions().with_ordering("name", "id").with_keyset("Ada", 7)
    assert options.after == ("Ada", 7)
    assert options.with_keyset().after is None
    assert options.with_ordering("name", "id").after == ("Ada", 7)
    assert options.with_ordering("id").after is None
    assert options.with_keyset(None, 7).after == (None, 7)


class TestMerge:
    def test_rules_are_combined_and_lists_joined_without_doubles(self) -> None:
        first, second = rule(), rule()
        one = QueryOptions(specification=first).with_ordering("a", "b").with_fields(["x"]).with_limit(5)
        two = QueryOptions(specification=second).with_ordering("b", "c").with_fields(["x", "y"]).with_offset(2)
        merged = one.merge(two)
        assert isinstance(merged.specification, AndSpecification)
        assert merged.specification.specifications == (first, second)
        assert [str(ordering) for ordering in merged.order_by] == ["a", "b", "c"]
        assert merged.fields == ("x", "y")
        assert (merged.limit, merged.offset) == (5, 2)
        assert one.merge(QueryOptions()) == one
        assert QueryOptions().merge(one) == one

    def test_the_other_wins_where_only_one_can(self) -> None:
        assert QueryOptions(limit=5, offset=1).merge(QueryOptions(limit=7)).limit == 7
        assert QueryOptions(distinct=True).merge(QueryOptions()).distinct

    def test_a_keyset_that_does_not_belong_to_the_joined_order_is_refused(self) -> None:
        page = QueryOptions().with_ordering("id").with_keyset(7)
        assert page.merge(QueryOptions(limit=3)).after == (7,)
        assert QueryOptions(limit=3).merge(page).after == (7,)
        assert page.merge(page).after == (7,)
        with pytest.raises(ValueError, match="cannot be merged"):
            page.merge(QueryOptions().with_ordering("name"))
        with pytest.raises(ValueError, match="cannot be merged"):
            page.merge(page.with_keyset(8))
