"""A condition that exists has a value that its operator can use."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given

from cqrs_ddd_core.domain.condition import Condition, SpecificationOperator
from cqrs_ddd_core.domain.condition_value import checked_scalar
from cqrs_ddd_core.domain.spatial import Geometry
from cqrs_ddd_core.domain.value_object import ValueObject
from cqrs_ddd_core.primitives.exceptions import FieldPathError, SpecificationValueError
from cqrs_ddd_core.testing.specification_strategies import conditions

O = SpecificationOperator  # noqa: E741 - as short as it is in tables
POINT = {"type": "Point", "coordinates": [1, 2]}


class Colour(Enum):
    RED = "red"


class Money(ValueObject):
    amount: Decimal


@dataclasses.dataclass
class Unstorable:
    anything: object = dataclasses.field(default_factory=object)


class ShapeOfAnotherLibrary:
    __geo_interface__ = {"type": "LineString", "coordinates": ((0, 0), (1, 1))}  # noqa: RUF012 - as the protocol has it


@pytest.mark.parametrize(
    ("operator", "value", "kept"),
    [
        (O.EQ, Colour.RED, "red"),
        (O.EQ, (1, 2), [1, 2]),
        (O.EQ, {"a": (1, Decimal("1.5"))}, {"a": [1, Decimal("1.5")]}),
        (O.EQ, None, None),
        (O.EQ, Money(amount=Decimal(1)), Money(amount=Decimal(1))),
        (O.IN, {2, 1}, (1, 2)),
        (O.IN, (number for number in (1, 2)), (1, 2)),
        (O.IN, range(3), (0, 1, 2)),
        (O.IN, [Colour.RED, None], ("red", None)),
        (O.BETWEEN, [1, 2], (1, 2)),
        (O.CONTAINS_ANY, ["a", {"b": 1}], ("a", {"b": 1})),
        (O.IS_NULL, True, None),
        (O.STARTSWITH, Colour.RED, "red"),
        (O.JSON_CONTAINS, (1, Decimal("1.5")), [1, "1.5"]),
        (O.JSON_HAS_ANY, ["a"], ("a",)),
        (O.JSON_PATH_EXISTS, "a.b", ("a", "b")),
        (O.JSON_PATH_EXISTS, "$.a.b", ("a", "b")),
        (O.JSON_PATH_EXISTS, '$."a.b".c', ("a.b", "c")),
        (O.JSON_PATH_EXISTS, '"$"', ("$",)),
        (O.JSON_PATH_EXISTS, ["a.b", "c"], ("a.b", "c")),
        (O.INTERSECTS, POINT, POINT),
        (O.INTERSECTS, Geometry.model_validate(POINT), POINT),
        (O.WITHIN, ShapeOfAnotherLibrary(), {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}),
        (O.DWITHIN, [POINT, Decimal("2.5")], (POINT, 2.5)),
        (O.BBOX_INTERSECTS, [0, 0, 1, 1], (0.0, 0.0, 1.0, 1.0)),
        ("custom", {1, 2}, {1, 2}),
        ("=", 5, 5),
    ],
)
def test_the_form_of_a_value(operator: Any, value: Any, kept: Any) -> None:
    condition = Condition("field", operator, value)
    assert condition.value == kept
    assert type(condition.value) is type(kept)
    assert Condition("field", operator, condition.value) == condition


def test_the_canonical_spelling_is_the_operator() -> None:
    assert Condition("a", "=", 1).operator is O.EQ
    assert Condition("a", "=", 1) == Condition("a", O.EQ, 1)
    assert Condition("a", "sounds_like", 1).operator == "sounds_like"


@pytest.mark.parametrize(
    ("operator", "value", "reason"),
    [
        (O.EQ, object(), "one value"),
        (O.EQ, b"abc", "one value"),
        (O.EQ, float("nan"), "finite"),
        (O.EQ, float("inf"), "finite"),
        (O.EQ, Decimal("NaN"), "finite"),
        (O.EQ, Decimal("1e9999"), "digits"),
        (O.EQ, 2**64, "64 bits"),
        (O.EQ, [float("nan")], "finite"),
        (O.EQ, {1: "a"}, "text"),
        (O.EQ, Unstorable(), "JSON has"),
        (O.EQ, "a\x00b", "NUL"),
        (O.EQ, "\ud800", "surrogate"),
        (O.EQ, {"a\x00": 1}, "NUL"),
        (O.GT, None, "is_null"),
        (O.GT, True, "order"),
        (O.GT, [1], "one value"),
        (O.IN, "abc", "list of values"),
        (O.IN, 5, "list of values"),
        (O.IN, {"a": 1}, "list of values"),
        (O.IN, [object()], "one value"),
        (O.BETWEEN, [1], "two bounds"),
        (O.BETWEEN, [1, None], "is_null"),
        (O.CONTAINS, None, "is_null"),
        (O.CONTAINS_ANY, [None], "is_null"),
        (O.CONTAINS_ANY, "abc", "list of values"),
        (O.LIKE, "a\\", "escapes nothing"),
        (O.STARTSWITH, 5, "text"),
        (O.STARTSWITH, None, "text"),
        (O.REGEX, "(a", "not closed"),
        (O.REGEX, r"\bword", "word boundaries"),
        (O.FTS, " ,.", "at least one word"),
        (O.IS_NULL, False, "operator of its own"),
        (O.IS_EMPTY, "x", "no value"),
        (O.JSON_CONTAINS, '{"a": 1}', "not as text"),
        (O.JSON_CONTAINS, 5, "an object or a list"),
        (O.JSON_HAS_KEY, 5, "text"),
        (O.JSON_HAS_ANY, "ab", "list of values"),
        (O.JSON_PATH_EXISTS, "", "keys with dots"),
        (O.JSON_PATH_EXISTS, "$", "keys with dots"),
        (O.JSON_PATH_EXISTS, "a..b", "keys with dots"),
        (O.JSON_PATH_EXISTS, "a[0]", "keys with dots"),
        (O.JSON_PATH_EXISTS, '"a', "quote"),
        (O.JSON_PATH_EXISTS, '"a"b', "quote"),
        (O.JSON_PATH_EXISTS, [], "1 to 32"),
        (O.INTERSECTS, {"type": "Point"}, "coordinates"),
        (O.INTERSECTS, "POINT(1 2)", "GeoJSON"),
        (O.INTERSECTS, {"type": "Feature", "geometry": POINT}, "GeoJSON"),
        (O.DWITHIN, POINT, "list of values"),
        (O.DWITHIN, (POINT, -1), "0 or more"),
        (O.DWITHIN, (POINT, "5"), "a number"),
        (O.BBOX_INTERSECTS, (0, 0, 1), "min_x"),
        (O.BBOX_INTERSECTS, (1, 0, 0, 1), "minima"),
    ],
)
def test_a_value_that_the_operator_cannot_use_is_refused_in_words(operator: O, value: Any, reason: str) -> None:
    with pytest.raises(SpecificationValueError, match=reason) as raised:
        Condition("field", operator, value)
    assert (raised.value.path, raised.value.operator) == ("field", operator.value)
    assert raised.value.to_dict()["error"] == "SpecificationValueError"


def test_a_value_nested_too_deeply_is_refused() -> None:
    value: Any = []
    for _ in range(40):
        value = [value]
    with pytest.raises(SpecificationValueError, match="32 levels"):
        Condition("field", O.EQ, value)


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(FieldPathError):
        Condition("a..b", O.EQ, 1)


def test_the_value_belongs_to_the_condition() -> None:
    value = {"a": [1]}
    condition = Condition("field", O.JSON_CONTAINS, value)
    value["a"].append(2)
    assert condition.value == {"a": [1]}


def test_a_condition_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Condition("a", O.EQ, 1).value = 2  # type: ignore[misc]


@given(conditions())
def test_a_checked_value_is_a_value_that_can_be_checked(condition: Condition) -> None:
    assert dataclasses.replace(condition) == condition


def test_text_of_another_class_is_plain_text() -> None:
    class Tricky(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "other"

    found = checked_scalar(Tricky("text"))
    assert found == "text"
    assert type(found) is str
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    assert checked_scalar(moment) is moment
