"""Values are brought to the type of the field they are compared with, or are an error."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given

from cqrs_ddd_core.domain.condition import Condition, SpecificationOperator
from cqrs_ddd_core.domain.field_type import field_type, type_of
from cqrs_ddd_core.domain.specification import (
    AndSpecification,
    ISpecification,
    NotSpecification,
    OrSpecification,
    PredicateSpecification,
    Specification,
)
from cqrs_ddd_core.domain.value_typing import cast_value, check_specification, point_in_time, type_condition
from cqrs_ddd_core.primitives.exceptions import (
    FieldNotFoundError,
    FieldNotQueryableError,
    SpecificationValueError,
)
from cqrs_ddd_core.testing.specification_sample import SampleAddress, SampleColour, SpecificationSample
from cqrs_ddd_core.testing.specification_strategies import conditions
from cqrs_ddd_core.testing.specification_truth import NONSENSE, TRUTH_TABLE, Truth

O = SpecificationOperator  # noqa: E741 - as short as it is in tables
EAST = timezone(timedelta(hours=2))
KEY = UUID("0191a1b0-0000-7000-8000-00000000000a")


class Size(Enum):
    SMALL = "small"


@pytest.mark.parametrize(
    ("annotation", "value", "typed"),
    [
        (str, "abc", "abc"),
        (str, KEY, str(KEY)),
        (int, "12", 12),
        (int, " -7".strip(), -7),
        (int, 5.0, 5),
        (int, Decimal("5.00"), 5),
        (float, "1.5e3", 1500.0),
        (float, 3, 3.0),
        (float, Decimal("0.1"), 0.1),
        (Decimal, "9.90", Decimal("9.90")),
        (Decimal, 0.1, Decimal("0.1")),
        (Decimal, 7, Decimal(7)),
        (Decimal, "+.5", Decimal("0.5")),
        (bool, "TRUE", True),
        (bool, False, False),
        (datetime, "2024-05-01", datetime(2024, 5, 1, tzinfo=UTC)),
        (datetime, "2024-05-01T12:00:00Z", datetime(2024, 5, 1, 12, tzinfo=UTC)),
        (datetime, "2024-05-01T12:00+02:00", datetime(2024, 5, 1, 10, tzinfo=UTC)),
        (datetime, date(2024, 5, 1), datetime(2024, 5, 1, tzinfo=UTC)),
        (datetime, datetime(2024, 5, 1, 2, tzinfo=EAST), datetime(2024, 5, 1, tzinfo=UTC)),
        (datetime, datetime(2024, 5, 1), datetime(2024, 5, 1, tzinfo=UTC)),  # noqa: DTZ001 - naive is UTC
        (date, "2024-05-01", date(2024, 5, 1)),
        (date, "2024-05-01T00:00:00Z", date(2024, 5, 1)),
        (date, datetime(2024, 5, 1, tzinfo=UTC), date(2024, 5, 1)),
        (time, "12:30", time(12, 30)),
        (time, time(12, 30, tzinfo=EAST), time(12, 30)),
        (timedelta, "PT1H30M", timedelta(minutes=90)),
        (timedelta, "1d 12h", timedelta(hours=36)),
        (timedelta, "1.5 hours", timedelta(minutes=90)),
        (timedelta, "90S", timedelta(seconds=90)),
        (timedelta, "02:30:00", timedelta(minutes=150)),
        (UUID, str(KEY).upper(), KEY),
        (UUID, KEY.hex, KEY),
        (Size, "small", "small"),
        (Size, Size.SMALL, "small"),
        (Literal[1, 2], "2", 2),
        (list[datetime], ["2024-05-01", None], [datetime(2024, 5, 1, tzinfo=UTC), None]),
        (SampleAddress, {"city": "Oslo"}, SampleAddress(city="Oslo")),
        (dict[str, Any], {"a": 1}, {"a": 1}),
        (Any, Decimal("5.0"), 5),
        (Any, Decimal("0.5"), 0.5),
        (Any, KEY, str(KEY)),
        (Any, date(2024, 5, 1), "2024-05-01"),
        (Any, "12", "12"),
        (Any, [1], [1]),
    ],
)
def test_a_value_is_read_as_the_type_of_the_field(annotation: Any, value: Any, typed: Any) -> None:
    found = cast_value(value, type_of(annotation))
    assert found == typed
    assert type(found) is type(typed)


@pytest.mark.parametrize(
    ("annotation", "value", "reason"),
    [
        (str, 5, "wants text, found 5"),
        (int, "5.0", "whole number"),
        (int, "five", "whole number"),
        (int, "٣", "whole number"),
        (int, True, "a number"),
        (int, 2**63, "64 bits"),
        (int, 2.5, "whole number"),
        (float, "1e999", "a float can hold"),
        (float, "nan", "a number"),
        (float, float("inf"), "finite"),
        (Decimal, "12,50", "a number"),
        (Decimal, Decimal("NaN"), "finite"),
        (bool, 1, "true or false"),
        (bool, "yes", "true or false"),
        (datetime, "yesterday", "a time such as"),
        (datetime, 1714564800, "a point in time"),
        (datetime, "2024-02-30", "a time such as"),
        (datetime, datetime.min.replace(tzinfo=EAST), "years 1 to 9999"),
        (date, "2024-05-01T12:00", "without a time of day"),
        (time, "25:00", "a time of day"),
        (timedelta, "soon", "a duration"),
        (timedelta, "5 fortnights", "a duration"),
        (timedelta, 90, "a duration"),
        (timedelta, "99999999999 weeks", "a duration"),
        (UUID, "abc", "a UUID"),
        (UUID, 5, "a UUID"),
        (Size, "smal", "Did you mean 'small'"),
        (Literal[1, 2], 3, "Known: 1, 2"),
        (list[int], 5, "contains asks for one item"),
        (list[int], ["x"], "whole number"),
        (SampleAddress, {"town": "Oslo"}, "city"),
        (SampleAddress, "Oslo", "an object"),
        (Any, timedelta(1), "not declared"),
        (bytes, "abc", "cannot be compared"),
    ],
)
def test_nonsense_is_refused_in_words(annotation: Any, value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        cast_value(value, type_of(annotation))


def typed(condition: Condition) -> Condition:
    return type_condition(condition, field_type(SpecificationSample, condition.field))


@given(conditions())
def test_typing_twice_is_typing_once(condition: Condition) -> None:
    once = typed(condition)
    assert typed(once) == once
    assert once.field_type == field_type(SpecificationSample, condition.field)


@pytest.mark.parametrize("truth", TRUTH_TABLE, ids=str)
def test_what_the_table_asks_makes_sense(truth: Truth) -> None:
    assert typed(truth.condition).operator is truth.condition.operator


@pytest.mark.parametrize("condition", NONSENSE, ids=str)
def test_what_makes_no_sense_is_one_of_two_errors(condition: Condition) -> None:
    with pytest.raises((SpecificationValueError, FieldNotQueryableError)) as raised:
        typed(condition)
    assert condition.field in str(raised.value)


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        (Condition("number", O.IN, ["1", None, 2.0]), (1, None, 2)),
        (Condition("moment", O.BETWEEN, ["2024-01-01", date(2024, 12, 31)]),
         (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 12, 31, tzinfo=UTC))),
        (Condition("numbers", O.CONTAINS, "5"), 5),
        (Condition("numbers", O.CONTAINS_ANY, ["5", 6]), (5, 6)),
        (Condition("text", O.CONTAINS, "5"), "5"),
        (Condition("colour", O.EQ, SampleColour.RED), "red"),
        (Condition("colour", O.GT, "orange"), "orange"),
        (Condition("lines.quantity", O.LE, "5"), 5),
        (Condition("number", O.EQ, None), None),
        (Condition("address", O.EQ, {"city": "Oslo"}), SampleAddress(city="Oslo")),
        (Condition("data.price", O.LT, Decimal("9.5")), 9.5),
        (Condition("number", "custom", object), object),
    ],
)  # fmt: skip
def test_all_parts_of_a_value_are_typed(condition: Condition, value: Any) -> None:
    assert typed(condition).value == value


def test_a_set_is_not_compared_as_a_whole() -> None:
    with pytest.raises(FieldNotQueryableError, match="contains_all"):
        type_condition(Condition("tags", O.EQ, ["a"]), type_of(set[str]))
    assert type_condition(Condition("tags", O.EQ, None), type_of(set[str])).value is None


def test_bytes_are_there_or_not() -> None:
    assert type_condition(Condition("raw", O.IS_NULL), type_of(bytes)).operator is O.IS_NULL
    with pytest.raises(FieldNotQueryableError, match="opaque"):
        type_condition(Condition("raw", O.EQ, "abc"), type_of(bytes))


def test_a_point_in_time_is_in_utc() -> None:
    assert point_in_time(datetime(2024, 5, 1, 2, tzinfo=EAST)).tzinfo is UTC
    with pytest.raises(ValueError, match="years 1 to 9999"):
        point_in_time(datetime.max.replace(tzinfo=timezone(-timedelta(hours=2))))


class Leaf(Specification[Any]):
    def __init__(self, condition: Condition) -> None:
        self.leaf = condition

    def is_satisfied_by(self, candidate: Any, /) -> bool:
        return True

    def accept(self, visitor: Any, /) -> Any:
        return visitor.condition(self.leaf)


@pytest.mark.parametrize(
    "combine",
    [
        lambda leaf: leaf,
        lambda leaf: AndSpecification(Leaf(Condition("number", O.EQ, 1)), leaf),
        lambda leaf: OrSpecification(leaf),
        lambda leaf: NotSpecification(NotSpecification(leaf)),
    ],
)
def test_every_condition_of_a_specification_is_checked(combine: Any) -> None:
    good: ISpecification[Any] = combine(Leaf(Condition("number", O.EQ, "5")))
    check_specification(good, SpecificationSample)
    with pytest.raises(FieldNotFoundError, match="'number'"):
        check_specification(combine(Leaf(Condition("nmber", O.EQ, 5))), SpecificationSample)
    with pytest.raises(SpecificationValueError, match="number"):
        check_specification(combine(Leaf(Condition("number", O.EQ, "five"))), SpecificationSample)


def test_rules_in_python_code_are_passed_over() -> None:
    rule = PredicateSpecification[Any](lambda _: True)
    check_specification(rule & Leaf(Condition("number", O.EQ, 5)), SpecificationSample)
