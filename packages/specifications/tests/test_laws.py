"""What holds for every specification and every candidate."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from cqrs_ddd_core.domain.field_path import FieldPath
from cqrs_ddd_core.domain.spatial import Geometry
from cqrs_ddd_core.testing.specification_sample import SampleAddress, SampleColour, SampleLine, SpecificationSample
from cqrs_ddd_core.testing.specification_strategies import Rule, build_specification, conditions, rows, rules
from cqrs_ddd_core.testing.specification_truth import TRUTH_TABLE, UNREACHABLE
from cqrs_ddd_specifications import (
    AndSpecification,
    AttributeSpecification,
    Condition,
    NotSpecification,
    OrSpecification,
    SpecificationError,
    SpecificationOperator,
)

EAST = timezone(timedelta(hours=2))
O = SpecificationOperator  # noqa: E741 - as short as it is in tables


def attribute(condition: Condition) -> AttributeSpecification:
    return AttributeSpecification(condition.field, condition.operator, condition.value)


def sample(row: dict[str, Any]) -> SpecificationSample:
    return SpecificationSample(id="1", batch="b", **row)


SPECIFICATIONS = rules().map(lambda rule: build_specification(rule, attribute))
SAMPLES = rows().map(sample)


@given(SPECIFICATIONS, SPECIFICATIONS, SAMPLES)
def test_de_morgan(a: Any, b: Any, candidate: Any) -> None:
    not_both = NotSpecification(AndSpecification(a, b))
    not_either = NotSpecification(OrSpecification(a, b))
    assert not_both.is_satisfied_by(candidate) == (~a | ~b).is_satisfied_by(candidate)
    assert not_either.is_satisfied_by(candidate) == (~a & ~b).is_satisfied_by(candidate)


@given(SPECIFICATIONS, SAMPLES)
def test_a_double_negation_says_the_same(specification: Any, candidate: Any) -> None:
    assert (~~specification).is_satisfied_by(candidate) == specification.is_satisfied_by(candidate)


@given(SPECIFICATIONS, SAMPLES)
def test_nothing_is_both_true_and_false_and_nothing_is_neither(specification: Any, candidate: Any) -> None:
    assert (specification | ~specification).is_satisfied_by(candidate) is True
    assert (specification & ~specification).is_satisfied_by(candidate) is False


@given(conditions(), SAMPLES)
def test_the_opposite_operators_are_negations(condition: Condition, candidate: Any) -> None:
    opposites = {O.EQ: O.NE, O.IN: O.NOT_IN, O.IS_NULL: O.IS_NOT_NULL, O.IS_EMPTY: O.IS_NOT_EMPTY}
    for positive, negative in opposites.items():
        if condition.operator in {positive, negative}:
            one = AttributeSpecification(condition.field, positive, condition.value)
            other = AttributeSpecification(condition.field, negative, condition.value)
            assert one.is_satisfied_by(candidate) is not other.is_satisfied_by(candidate)


@given(conditions(), SAMPLES)
def test_only_the_negative_operators_hold_for_null(condition: Condition, candidate: Any) -> None:
    holds_for_null = {O.NE, O.NOT_IN, O.IS_NULL, O.IS_EMPTY}
    asks_for_null = condition.value is None or (isinstance(condition.value, tuple) and None in condition.value)
    if (
        condition.operator not in holds_for_null
        and not asks_for_null
        and not FieldPath(condition.field).values(candidate)
    ):
        assert not attribute(condition).is_satisfied_by(candidate)


@given(conditions(), rows())
def test_a_dict_is_asked_as_the_model_is_where_values_say_their_type(condition: Condition, row: dict[str, Any]) -> None:
    """Values of conditions here are of the types of their fields already."""
    if not isinstance(condition.value, str) and condition.field.partition(".")[0] not in {"data", "moment"}:
        specification = attribute(condition)
        assert specification.is_satisfied_by(row) == specification.is_satisfied_by(sample(row))


class Hostile:
    """Whatever is asked of it fails."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        raise RuntimeError

    def __lt__(self, other: object) -> bool:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError

    def __str__(self) -> str:
        raise RuntimeError


VALUES: list[Any] = [
    None, float("nan"), float("inf"), Decimal("sNaN"), Decimal("1e5000"), 2**200, -(10**400), b"\xff", bytearray(b"a"),
    object(), Hostile(), Hostile, print, datetime.min.replace(tzinfo=EAST), datetime(2024, 5, 1), timedelta.max,  # noqa: DTZ001
    UUID(int=0), "\ud800", "\x00", "a" * 5_000, [[[[]]]], {1: 2}, {None: 1}, {(1, 2): 3}, range(3), {"type": "Point"},
    {"type": "Point", "coordinates": "here"}, {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
    {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}, {"type": "Nonsense"},
    {"type": ["Point"], "coordinates": [float("nan"), 1]}, Geometry(type="Point", coordinates=[1, 2, 3]),
    Geometry(type="GeometryCollection", geometries=[]), SampleColour.RED, SampleAddress(city="a"),
    [SampleLine(sku="a")], [None], {"a": {"b": object()}}, {"a": [Hostile()]}, complex(1, 2), ..., NotImplemented,
]  # fmt: skip
# By number: what is drawn is hashed and shown, and some of these object to that.
NASTY = st.integers(0, len(VALUES) - 1).map(VALUES.__getitem__)
NAMES = [name for name in SpecificationSample.model_fields if name not in {"id", "batch"}]


@given(rule=rules(), row=st.dictionaries(st.sampled_from(NAMES), NASTY))
def test_evaluation_never_raises_whatever_is_in_the_candidate(rule: Rule, row: dict[str, Any]) -> None:
    specification = build_specification(rule, attribute)
    assert specification.is_satisfied_by(row) in {True, False}
    # Nothing was validated here, as in an object that was changed afterwards.
    assert specification.is_satisfied_by(SpecificationSample.model_construct(id="1", batch="b", **row)) in {True, False}


@given(st.sampled_from(TRUTH_TABLE), NASTY)
def test_no_operator_raises_for_any_value(truth: Any, value: Any) -> None:
    specification = attribute(truth.condition)
    steps = truth.condition.field.split(".")
    candidate: Any = value
    for step in reversed(steps):
        candidate = {step: candidate}
    assert specification.is_satisfied_by(candidate) in {True, False}
    assert specification.is_satisfied_by(value) in {True, False}
    assert specification.is_satisfied_by([value]) in {True, False}


@given(st.sampled_from(UNREACHABLE) | st.text(max_size=12), st.sampled_from(["is_not_null", "is_not_empty"]))
@example("_domain_events", "is_not_null")
@example("model_config", "is_not_null")
@example("__init__", "is_not_null")
@example("__class__.__mro__", "is_not_null")
@example("address.model_dump", "is_not_null")
@example("lines.sku.__len__", "is_not_null")
@example("colour.value", "is_not_null")
def test_no_path_reaches_anything_but_fields(path: str, operator: str) -> None:
    candidate = SpecificationSample(
        id="1",
        batch="b",
        text="a",
        number=1,
        colour=SampleColour.RED,
        address=SampleAddress(city="a"),
        lines=[SampleLine(sku="a")],
        data={"a": 1},
    )
    try:
        specification = AttributeSpecification(path, operator)
    except SpecificationError:
        return
    reached = specification.is_satisfied_by(candidate)
    assert not reached or path.partition(".")[0] in {*SpecificationSample.model_fields, "version"}
