"""Specifications are written down condition by condition."""

from __future__ import annotations

from typing import Any

import pytest

from cqrs_ddd_core import AggregateRoot
from cqrs_ddd_specifications import (
    AndSpecification,
    AttributeSpecification,
    FieldNotFoundError,
    FieldNotQueryableError,
    NotSpecification,
    OrSpecification,
    PredicateSpecification,
    SpecificationBuilder,
    SpecificationBuildError,
    SpecificationValueError,
)

ATTRIBUTE = AttributeSpecification


class Order(AggregateRoot[str]):
    status: str = "new"
    total: float = 0.0


def test_conditions_all_have_to_hold() -> None:
    spec = SpecificationBuilder().where("a", "==", 1).where("b", ">", 2).build()
    assert spec == AndSpecification(ATTRIBUTE("a", "=", 1), ATTRIBUTE("b", ">", 2))
    assert spec.is_satisfied_by({"a": 1, "b": 3})
    assert not spec.is_satisfied_by({"a": 1, "b": 2})


def test_one_condition_is_given_as_it_is() -> None:
    assert SpecificationBuilder().where("a", "==", 1).build() == ATTRIBUTE("a", "==", 1)


def test_no_condition_holds_for_everything() -> None:
    spec = SpecificationBuilder().build()
    assert spec == AndSpecification()
    assert spec.is_satisfied_by({}) is True


def test_some_operators_take_no_value() -> None:
    spec = SpecificationBuilder().where("deleted_at", "is_null").build()
    assert spec.is_satisfied_by({})
    assert not spec.is_satisfied_by({"deleted_at": "today"})


def test_the_builder_is_the_same_whether_the_call_is_assigned_or_chained() -> None:
    builder = SpecificationBuilder()
    builder.where("a", "==", 1)
    builder = builder.where("b", "==", 2)
    assert builder.build() == SpecificationBuilder().where("a", "==", 1).where("b", "==", 2).build()


def test_groups_are_nested() -> None:
    spec = (
        SpecificationBuilder()
        .where("a", "==", 1)
        .or_group()
        .where("b", "==", 2)
        .and_group()
        .where("c", "==", 3)
        .where("d", "==", 4)
        .end_group()
        .not_group()
        .where("e", "==", 5)
        .end_group()
        .end_group()
        .build()
    )
    inner = AndSpecification(ATTRIBUTE("c", "=", 3), ATTRIBUTE("d", "=", 4))
    either = OrSpecification(ATTRIBUTE("b", "=", 2), inner, NotSpecification(ATTRIBUTE("e", "=", 5)))
    assert spec == AndSpecification(ATTRIBUTE("a", "=", 1), either)
    assert spec.is_satisfied_by({"a": 1, "c": 3, "d": 4, "e": 5})
    assert not spec.is_satisfied_by({"a": 1, "c": 3, "e": 5})


def test_a_not_group_of_several_conditions_denies_that_all_of_them_hold() -> None:
    spec = SpecificationBuilder().not_group().where("a", "==", 1).where("b", "==", 2).end_group().build()
    assert not spec.is_satisfied_by({"a": 1, "b": 2})
    assert spec.is_satisfied_by({"a": 1, "b": 3})


def test_a_whole_specification_is_one_condition() -> None:
    either = ATTRIBUTE("a", "=", 1) | ATTRIBUTE("b", "=", 2)
    spec = SpecificationBuilder().add(either).where("c", "==", 3).build()
    assert spec == AndSpecification(either, ATTRIBUTE("c", "=", 3))


def test_what_is_no_specification_is_not_added() -> None:
    with pytest.raises(SpecificationBuildError, match="found dict"):
        SpecificationBuilder().add({"op": "="})  # type: ignore[arg-type]


def test_a_group_that_is_not_closed_is_an_error_that_names_it() -> None:
    builder = SpecificationBuilder().or_group().where("a", "==", 1).not_group()
    with pytest.raises(SpecificationBuildError, match=r"or_group\(\), not_group\(\)"):
        builder.build()


def test_a_group_that_was_never_opened_cannot_be_closed() -> None:
    with pytest.raises(SpecificationBuildError, match="one too many"):
        SpecificationBuilder().where("a", "==", 1).end_group()


def test_an_empty_group_is_an_error() -> None:
    """Of an empty or-group a database would find nothing, and hardly anybody means that."""
    with pytest.raises(SpecificationBuildError, match=r"or_group\(\) is empty"):
        SpecificationBuilder().where("a", "==", 1).or_group().end_group()


def test_reset_forgets_everything() -> None:
    builder = SpecificationBuilder().where("a", "==", 1).or_group()
    assert builder.reset() is builder
    assert builder.build() == AndSpecification()


def test_what_was_built_does_not_change_when_the_builder_goes_on() -> None:
    builder = SpecificationBuilder().where("a", "==", 1).where("b", "==", 2)
    built = builder.build()
    builder.where("c", "==", 3)
    assert built == AndSpecification(ATTRIBUTE("a", "=", 1), ATTRIBUTE("b", "=", 2))


def test_a_copy_goes_its_own_way() -> None:
    base = SpecificationBuilder().for_type(Order).where("status", "==", "new").or_group().where("total", ">", 1)
    one = base.copy().end_group().where("total", "<", 5).build()
    assert one != base.end_group().build()
    with pytest.raises(FieldNotFoundError):
        base.copy().where("totl", ">", 1)


def test_a_builder_for_a_type_refuses_at_once_what_does_not_fit() -> None:
    builder = SpecificationBuilder().for_type(Order)
    with pytest.raises(FieldNotFoundError, match="'status'"):
        builder.where("staus", "==", "new")
    with pytest.raises(SpecificationValueError, match="a number"):
        builder.where("total", ">", "much")
    with pytest.raises(FieldNotQueryableError, match="startswith"):
        builder.where("total", "starts_with", "1")
    with pytest.raises(FieldNotFoundError):
        builder.add(ATTRIBUTE("nothing", "=", 1))
    assert builder.where("total", ">", "5").build().is_satisfied_by(Order(id="1", total=6))


def test_what_was_there_before_the_type_is_checked_too() -> None:
    with pytest.raises(FieldNotFoundError):
        SpecificationBuilder().where("staus", "==", "new").for_type(Order)


def test_specifications_compose_with_operators() -> None:
    a, b = ATTRIBUTE("a", "=", 1), ATTRIBUTE("b", "=", 2)
    assert (a & b).is_satisfied_by({"a": 1, "b": 2})
    assert (a | b).is_satisfied_by({"b": 2})
    assert (~a).is_satisfied_by({"a": 2})
    assert a.merge(b) == a & b
    python: PredicateSpecification[Any] = PredicateSpecification(lambda candidate: candidate["a"] == 1)
    assert (python & a).is_satisfied_by({"a": 1})
