"""Values as documents have them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from cqrs_ddd_core.domain.json_value import NOT_JSON, json_contains, json_equal, json_path_exists, to_json_value

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, "a", "1", ""]),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.sampled_from("abc"), items, max_size=3),
    max_leaves=6,
)


class Money(BaseModel):
    amount: Decimal
    at: datetime


class Size(Enum):
    SMALL = 1


def test_values_become_what_a_document_keeps_of_them() -> None:
    money = Money(amount=Decimal("9.90"), at=datetime(2024, 5, 1, tzinfo=UTC))
    assert to_json_value([money, Size.SMALL, {1: (2, UUID(int=1))}]) == [
        {"amount": "9.90", "at": "2024-05-01T00:00:00Z"},
        1,
        {"1": [2, "00000000-0000-0000-0000-000000000001"]},
    ]


def test_what_no_document_can_keep_is_marked_and_nothing_is_raised() -> None:
    endless: list[Any] = []
    endless.append(endless)

    class Rude:
        def __iter__(self) -> Iterator[Any]:
            raise RuntimeError

    for value in (object(), endless, b"\xff", Rude(), test_values_become_what_a_document_keeps_of_them):
        assert to_json_value(value) is NOT_JSON


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        ("1", 1, False),
        (None, None, True),
        (None, False, False),
        ([1, 2], [2, 1], False),
        ({"a": 1, "b": [True]}, {"b": [True], "a": 1.0}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ([], {}, False),
        ([1], [True], False),
    ],
)
def test_equality(left: Any, right: Any, *, same: bool) -> None:
    assert json_equal(left, right) is same
    assert json_equal(right, left) is same


@given(JSON, JSON)
def test_what_contains_each_other_and_has_no_lists_is_equal(left: Any, right: Any) -> None:
    assert json_equal(left, left)
    assert json_contains(left, left)
    if json_equal(left, right):
        assert json_contains(left, right)
        assert json_contains(right, left)


@given(JSON, st.sampled_from("abc"), JSON)
def test_a_path_exists_where_the_key_does(document: Any, key: str, value: Any) -> None:
    assert json_path_exists({key: value, "other": document}, [key])
    assert json_path_exists([document, {key: value}], [key])
    assert json_path_exists({key: {"x": value}}, [key, "x"])
    assert not json_path_exists([[{key: value}]], [key])
    assert not json_path_exists(document, ["nowhere"])
