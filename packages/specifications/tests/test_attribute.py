"""One condition, asked of candidates in memory."""

from __future__ import annotations

import copy
import pickle
from collections import UserDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from pydantic import HttpUrl, RootModel, SecretStr

from cqrs_ddd_core import AggregateRoot, ValueObject
from cqrs_ddd_specifications import (
    AttributeSpecification,
    FieldPathError,
    SpecificationOperator,
    SpecificationValueError,
)
from cqrs_ddd_specifications.evaluation import compile_condition

EAST = timezone(timedelta(hours=2))
O = SpecificationOperator  # noqa: E741 - as short as it is in tables


class Colour(Enum):
    RED = "red"


class Name(RootModel[str]):
    pass


class Order(AggregateRoot[str]):
    placed: datetime | None = None
    total: Decimal = Decimal(0)
    metadata: dict[str, Any] | None = None
    url: HttpUrl | None = None
    password: SecretStr | None = None
    raw: bytes = b""
    name: Name | None = None
    any: Any = None

    @property
    def is_large(self) -> bool:
        return self.total > 100


def holds(value: Any, operator: str, wanted: Any = None) -> bool:
    """Asked of a dict, where no type is declared."""
    return AttributeSpecification("x", operator, wanted).is_satisfied_by({"x": value})


@pytest.mark.parametrize(
    ("value", "operator", "wanted", "expected"),
    [
        (5, "=", 5.0, True),
        (5.5, ">", 5, True),
        (5, "<", 5.5, True),
        (Decimal("0.1"), "=", 0.1, True),
        (0.1, "=", Decimal("0.1"), True),
        (Decimal("1e400"), ">", 5, True),
        (True, "=", 1, False),
        (1, "=", True, False),
        (True, "in", [1, True], True),
        (1, "in", [True], False),
        ("5", "=", 5, False),
        (5, "=", "5", False),
        (5, "!=", "5", True),
        (float("nan"), "=", 1, False),
        (float("nan"), "is_null", None, True),
        (float("nan"), "=", None, True),
        (float("nan"), "in", [None], True),
        (float("inf"), ">", 1, False),
        (float("inf"), "not_between", [1, 2], False),
        (float("nan"), "not_between", [1, 2], False),
        (Decimal("NaN"), "<", 1, False),
        (Decimal("sNaN"), ">", 1, False),
        (Decimal("Infinity"), "is_empty", None, True),
        (datetime(2024, 5, 1, tzinfo=UTC), "=", "2024-05-01", True),
        (datetime(2024, 5, 1, 2, tzinfo=EAST), "=", "2024-05-01", True),
        (datetime(2024, 5, 1), ">=", datetime(2024, 5, 1, 2, tzinfo=EAST), True),  # noqa: DTZ001 - naive is UTC
        (datetime(2024, 5, 1, tzinfo=UTC), "=", "nonsense", False),
        (datetime(2024, 5, 1, tzinfo=UTC), "!=", "nonsense", True),
        (datetime.min.replace(tzinfo=EAST), "<", "2024-05-01", False),
        (date(2024, 5, 1), "<", datetime(2024, 5, 1, 1, tzinfo=UTC), True),
        (date(2024, 5, 1), "between", ["2024-05-01", "2024-05-02"], True),
        (time(12, tzinfo=EAST), "=", "12:00", True),
        (timedelta(hours=1), "<", "2h", True),
        (UUID(int=1), "=", str(UUID(int=1)), True),
        (UUID(int=1), "=", "other", False),
        (str(UUID(int=1)), "=", UUID(int=1), True),
        ("2024-05-01", "=", date(2024, 5, 1), True),
        (Colour.RED, "=", "red", True),
        (Colour.RED, "starts_with", "r", True),
        ((1, 2), "=", [1, 2], True),
        ({1, 2}, "contains_all", [2, 1], True),
        (frozenset({"a"}), "contains", "a", True),
        ([Colour.RED], "contains", "red", True),
        (b"abc", "=", "abc", False),
        (b"", "is_empty", None, True),
        (b"abc", "is_not_null", None, True),
        (object(), "=", "x", False),
        (object(), "is_not_null", None, True),
        (object(), "is_empty", None, False),
        (object(), "contains", "x", False),
        (print, "like", "%", False),
        ({"a": 1}, "=", {"a": 1.0}, True),
        (SimpleNamespace(a=1), "json_has_key", "a", False),
        ("", "is_null", None, False),
        (0, "is_empty", None, False),
    ],
)
def test_where_no_type_is_declared_the_value_found_decides(
    value: Any, operator: str, wanted: Any, *, expected: bool
) -> None:
    assert holds(value, operator, wanted) is expected


def test_the_type_of_a_model_decides_where_there_is_one() -> None:
    order = Order(id="1", total=Decimal("9.90"), placed=datetime(2024, 5, 1, tzinfo=UTC))
    assert AttributeSpecification("total", "=", "9.9").is_satisfied_by(order)
    assert AttributeSpecification("placed", "<", date(2024, 5, 2)).is_satisfied_by(order)


def test_a_value_that_is_nothing_for_the_type_is_equal_to_nothing() -> None:
    """A repository refuses such a question; a rule in the domain just does not hold."""
    order = Order(id="1")
    assert not AttributeSpecification("total", "=", "cheap").is_satisfied_by(order)
    assert AttributeSpecification("total", "!=", "cheap").is_satisfied_by(order)


def test_properties_are_fields_for_rules_in_memory() -> None:
    large = AttributeSpecification("is_large", "=", True)
    assert large.is_satisfied_by(Order(id="1", total=Decimal(500)))
    assert not large.is_satisfied_by(Order(id="1"))


def test_undeclared_parts_of_a_model_are_asked_as_json() -> None:
    when = datetime(2024, 5, 1, tzinfo=UTC)
    order = Order(
        id="1", metadata={"priority": 7, "when": when, "items": [{"sku": "a"}, {"sku": "b"}], "price": Decimal(5)}
    )
    assert AttributeSpecification("metadata.priority", ">", 5).is_satisfied_by(order)
    assert AttributeSpecification("metadata.items.sku", "=", "b").is_satisfied_by(order)
    for path in ("metadata.when", "metadata.price"):
        assert AttributeSpecification(path, "is_not_null").is_satisfied_by(order)
        assert AttributeSpecification(path, "is_not_empty").is_satisfied_by(order)
    assert not AttributeSpecification("metadata.when", "=", "2024-05-01").is_satisfied_by(order)
    assert not AttributeSpecification("metadata.price", "=", 5).is_satisfied_by(order)


def test_types_that_only_pydantic_knows_are_what_json_makes_of_them() -> None:
    order = Order(id="1", url=HttpUrl("https://example.org/a"), name=Name("Ada"))
    assert AttributeSpecification("url", "contains", "example").is_satisfied_by(order)
    assert AttributeSpecification("name.root", "=", "Ada").is_satisfied_by(order)


def test_lists_and_objects_are_compared_as_they_are_stored() -> None:
    """The same moment in another zone is the same text in a document, and so it is here."""

    class Visit(ValueObject):
        at: datetime
        cost: Decimal | None = None

    class Diary(AggregateRoot[str]):
        times: list[datetime]
        visit: Visit
        prices: dict[str, Decimal]

    east, utc = datetime(2024, 5, 1, 2, tzinfo=EAST), datetime(2024, 5, 1, tzinfo=UTC)
    diary = Diary(id="1", times=[east], visit=Visit(at=east), prices={"a": Decimal("9.90")})
    for attr, op, val in [
        ("times", "=", [utc]),
        ("times", "=", ["2024-05-01"]),
        ("times", "contains", "2024-05-01T00:00:00Z"),
        ("times", "contains_all", [utc]),
        ("visit", "=", Visit(at=utc)),
        ("visit", "=", {"at": "2024-05-01T00:00:00Z"}),
        ("visit", "in", [Visit(at=utc, cost=Decimal(1)), Visit(at=utc)]),
        ("visit", "json_has_key", "cost"),
        ("prices", "=", {"a": "9.90"}),
    ]:
        assert AttributeSpecification(attr, op, val).is_satisfied_by(diary), (attr, op, val)
    for attr, op, val in [
        ("times", "=", [utc, utc]),
        ("times", "contains", "2024-05-02"),
        ("visit", "=", Visit(at=utc, cost=Decimal(1))),
        ("visit", "=", {"at": "2024-05-01T00:00:00Z", "price": 1}),
    ]:
        assert not AttributeSpecification(attr, op, val).is_satisfied_by(diary), (attr, op, val)


def test_secrets_and_bytes_answer_nothing_but_that_they_are_there() -> None:
    order = Order(id="1", password=SecretStr("hidden"), raw=b"abc")
    for path in ("password", "raw"):
        assert AttributeSpecification(path, "is_not_empty").is_satisfied_by(order)
        for operator in ("like", "regex", "contains"):
            wanted = {"like": "%", "regex": "", "contains": ""}[operator]
            assert not AttributeSpecification(path, operator, wanted).is_satisfied_by(order)
        assert not AttributeSpecification(path, "=", "hidden").is_satisfied_by(order)
        assert not AttributeSpecification(path, "=", "**********").is_satisfied_by(order)


def test_candidates_of_all_makes_can_be_asked() -> None:
    @dataclass
    class Line:
        sku: str

    spec = AttributeSpecification("sku", "=", "a")
    for candidate in (Line("a"), {"sku": "a"}, SimpleNamespace(sku="a"), UserDict(sku="a"), [Line("b"), Line("a")]):
        assert spec.is_satisfied_by(candidate)
    for other in (Line("b"), {}, SimpleNamespace(), None, 5, "a", object, [Line("b")]):
        assert not spec.is_satisfied_by(other)


def test_path_operator_and_value_are_worked_out_once_for_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[type] = []

    def counting(condition: Any, registry: Any, candidate_class: type) -> Any:
        compiled.append(candidate_class)
        return compile_condition(condition, registry, candidate_class)

    monkeypatch.setattr("cqrs_ddd_specifications.attribute.compile_condition", counting)
    spec = AttributeSpecification("total", ">", "5")
    for _ in range(3):
        assert not spec.is_satisfied_by(Order(id="1"))
        assert not spec.is_satisfied_by({"total": 5})
    assert compiled == [Order, dict]


def test_it_says_what_it_is() -> None:
    spec = AttributeSpecification("total", "gte", Decimal("9.90"))
    assert (spec.attr, spec.op, spec.val) == ("total", O.GE, Decimal("9.90"))
    assert repr(spec) == "AttributeSpecification('total', '>=', Decimal('9.90'))"
    assert spec.to_dict() == {"op": ">=", "attr": "total", "val": "9.90", "value_type": "decimal"}


def test_equal_conditions_are_equal() -> None:
    assert AttributeSpecification("a", "==", 1) == AttributeSpecification("a", "eq", 1)
    assert AttributeSpecification("a", "==", 1) != AttributeSpecification("a", "==", 2)
    assert AttributeSpecification("a", "==", 1) != AttributeSpecification("a", "==", "1")
    assert len({AttributeSpecification("a", "==", 1), AttributeSpecification("a", "=", 1)}) == 1


def test_a_specification_that_was_used_can_be_copied_and_pickled() -> None:
    spec = AttributeSpecification("total", ">", Decimal(5))
    assert spec.is_satisfied_by({"total": 6})
    for other in (copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):
        assert other == spec
        assert other.is_satisfied_by({"total": 6})


def test_the_value_is_a_copy() -> None:
    wanted = ["a"]
    spec = AttributeSpecification("x", "in", wanted)
    wanted.append("b")
    assert not spec.is_satisfied_by({"x": "b"})


def test_what_cannot_be_asked_is_refused_when_it_is_written_down() -> None:
    with pytest.raises(FieldPathError):
        AttributeSpecification("a..b", "=", 1)
    with pytest.raises(SpecificationValueError):
        AttributeSpecification("a", "between", [1])
