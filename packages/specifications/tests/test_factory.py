"""Specifications from dicts and JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqrs_ddd_core.testing.specification_strategies import Rule, build_specification, rows, rules
from cqrs_ddd_specifications import (
    AndSpecification,
    AttributeSpecification,
    Condition,
    FieldNotAllowedError,
    FieldPathError,
    NotSpecification,
    OperatorNotFoundError,
    OperatorRegistry,
    OrSpecification,
    SpecificationFactory,
    SpecificationFormatError,
    SpecificationValueError,
)

A = AttributeSpecification


def attribute(condition: Condition) -> AttributeSpecification:
    return A(condition.field, condition.operator, condition.value)


@given(rule=rules(), row=rows())
def test_what_is_written_down_is_read_as_the_same(rule: Rule, row: dict[str, Any]) -> None:
    specification = build_specification(rule, attribute)
    data = specification.to_dict()
    assert SpecificationFactory.from_dict(data) == specification
    read = SpecificationFactory.from_json(json.dumps(data))
    assert read == specification
    assert read.is_satisfied_by(row) == specification.is_satisfied_by(row)


@pytest.mark.parametrize(
    ("data", "specification"),
    [
        ({"op": "==", "attr": "a", "val": 1}, A("a", "=", 1)),
        ({"operator": "EQ", "field": "a", "value": 1}, A("a", "=", 1)),
        ({"op": "is_null", "attr": "a"}, A("a", "is_null")),
        ({"op": ">", "attr": "a", "val": "9.90", "value_type": "decimal"}, A("a", ">", Decimal("9.90"))),
        ({"op": "in", "attr": "a", "val": ["1", "2"], "value_type": "int"}, A("a", "in", [1, 2])),
        (
            {"op": "in", "attr": "a", "val": [True, "2.5", None], "value_type": [None, "decimal", None]},
            A("a", "in", [True, Decimal("2.5"), None]),
        ),
        ({"op": "and", "conditions": []}, AndSpecification()),
        ({"op": "AND", "conditions": [{"op": "=", "attr": "a", "val": 1}]}, AndSpecification(A("a", "=", 1))),
        ({"op": "or", "conditions": [{"op": "=", "attr": "a", "val": 1}]}, OrSpecification(A("a", "=", 1))),
        ({"op": "not", "condition": {"op": "=", "attr": "a", "val": 1}}, NotSpecification(A("a", "=", 1))),
        ({"op": "not", "conditions": [{"op": "=", "attr": "a", "val": 1}]}, NotSpecification(A("a", "=", 1))),
        (
            {"op": "not", "conditions": [{"op": "=", "attr": "a", "val": 1}, {"op": "=", "attr": "b", "val": 2}]},
            NotSpecification(A("a", "=", 1) & A("b", "=", 2)),
        ),
    ],
)
def test_the_forms_of_a_specification(data: dict[str, Any], specification: Any) -> None:
    assert SpecificationFactory.from_dict(data) == specification
    assert SpecificationFactory.validate(data) == []


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        ([], SpecificationFormatError, "is an object"),
        (None, SpecificationFormatError, "is an object"),
        ({}, SpecificationFormatError, "op: an operator"),
        ({"op": 5, "attr": "a"}, SpecificationFormatError, "op: an operator"),
        ({"op": "=", "val": 1}, SpecificationFormatError, "attr: the path of a field"),
        ({"op": "=", "attr": ["a"], "val": 1}, SpecificationFormatError, "attr: the path of a field"),
        ({"op": "=", "atr": "a", "attr": "a", "val": 1}, SpecificationFormatError, "Did you mean 'attr'"),
        ({"op": "and"}, SpecificationFormatError, "conditions: and wants a list"),
        ({"op": "or", "conditions": {}}, SpecificationFormatError, "conditions: or wants a list"),
        ({"op": "not", "conditions": []}, SpecificationFormatError, "not wants a condition"),
        ({"op": "and", "conditions": [5]}, SpecificationFormatError, r"conditions\[0\]: a condition"),
        ({"op": "eqq", "attr": "a", "val": 1}, OperatorNotFoundError, "'eq'"),
        ({"op": "in", "attr": "a", "val": 1}, SpecificationValueError, "list of values"),
        ({"op": "=", "attr": "a..b", "val": 1}, FieldPathError, "names"),
        ({"op": "=", "attr": "a", "val": "x", "value_type": "int"}, SpecificationFormatError, "val: it wants a whole"),
        ({"op": "=", "attr": "a", "val": "x", "value_type": "intt"}, SpecificationFormatError, "Did you mean 'int'"),
        (
            {"op": "in", "attr": "a", "val": ["x"], "value_type": ["int", "int"]},
            SpecificationFormatError,
            "2 value types",
        ),
        ({"op": "=", "attr": "a", "val": {"$ne": None}, "$where": "1"}, SpecificationFormatError, "where"),
    ],
)
def test_what_is_no_specification_is_refused_in_words(data: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        SpecificationFactory.from_dict(data)
    problems = SpecificationFactory.validate(data)
    assert isinstance(problems[0], error)


def test_every_problem_is_told_with_its_place() -> None:
    data = {
        "op": "and",
        "conditions": [
            {"op": "eqq", "attr": "a", "val": 1},
            {"op": "=", "attr": "a", "val": 1},
            {"op": "or", "conditions": [{"op": "between", "attr": "a", "val": [1]}, 5]},
        ],
    }
    first, second, third = SpecificationFactory.validate(data)
    assert isinstance(first, OperatorNotFoundError)
    assert first.__notes__ == ["It stands at conditions[0]."]
    assert second.__notes__ == ["It stands at conditions[2].conditions[0]."]
    assert isinstance(third, SpecificationFormatError)
    assert third.path == "conditions[2].conditions[1]"
    assert third.to_dict()["path"] == "conditions[2].conditions[1]"


def test_only_allowed_fields_may_be_asked() -> None:
    allowed = {"status", "customer.name", "metadata.*"}
    for attr in ("status", "customer.name", "metadata.a", "metadata.a.b"):
        SpecificationFactory.from_dict({"op": "is_null", "attr": attr}, allowed_fields=allowed)
    for attr in ("total", "customer", "customer.secret", "metadata", "metadatax.a", "status.x", "*", "metadata*"):
        with pytest.raises(FieldNotAllowedError):
            SpecificationFactory.from_dict({"op": "is_null", "attr": attr}, allowed_fields=allowed)


def test_a_field_that_is_not_allowed_is_found_wherever_it_hides() -> None:
    hidden = {"op": "=", "attr": "secret", "val": 1}
    for data in (
        {"op": "not", "condition": hidden},
        {"op": "and", "conditions": [{"op": "or", "conditions": [{"op": "not", "conditions": [hidden]}]}]},
    ):
        with pytest.raises(FieldNotAllowedError) as raised:
            SpecificationFactory.from_dict(data, allowed_fields=["public"])
        assert raised.value.field == "secret"


def test_nothing_is_allowed_when_no_field_is() -> None:
    with pytest.raises(FieldNotAllowedError):
        SpecificationFactory.from_dict({"op": "is_null", "attr": "a"}, allowed_fields=[])


@pytest.mark.parametrize("text", ["", "{", '{"op": NaN}', b"\xff", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(SpecificationFormatError, match="no JSON"):
        SpecificationFactory.from_json(text)


def test_there_are_limits() -> None:
    deep: dict[str, Any] = {"op": "is_null", "attr": "a"}
    for _ in range(40):
        deep = {"op": "not", "condition": deep}
    with pytest.raises(SpecificationFormatError, match="32 deep"):
        SpecificationFactory.from_dict(deep)
    wide = {"op": "or", "conditions": [{"op": "is_null", "attr": "a"}] * 1001}
    with pytest.raises(SpecificationFormatError, match="more than 1000"):
        SpecificationFactory.from_dict(wide)
    assert len(SpecificationFactory.validate(wide)) == 1


def test_custom_operators_are_read_with_their_registry() -> None:
    registry = OperatorRegistry().register("divisible_by", lambda value, divisor: value % divisor == 0)
    data = {"op": "divisible by", "attr": "n", "val": 3}
    specification = SpecificationFactory.from_dict(data, registry=registry)
    assert specification.is_satisfied_by({"n": 9})
    assert specification.to_dict() == {"op": "divisible_by", "attr": "n", "val": 3}
    with pytest.raises(OperatorNotFoundError):
        SpecificationFactory.from_dict(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["op", "attr", "val", "conditions", "condition", "value_type", "x"]), inner, max_size=4
            )
        ),
        max_leaves=8,
    )
)
def test_whatever_is_sent_is_read_or_refused(data: Any) -> None:
    if not SpecificationFactory.validate(data):
        SpecificationFactory.from_dict(data).is_satisfied_by({})
