"""The order of values is one for memory and for databases."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from cqrs_ddd_core.domain.sort_order import check_one_kind, sort_key
from cqrs_ddd_core.primitives.exceptions import FieldNotQueryableError

NOON = datetime(2025, 1, 1, 12)  # noqa: DTZ001 - a naive one is in UTC


class Level(Enum):
    LOW = 1
    HIGH = 2


@pytest.mark.parametrize(
    "values",
    [
        ["", "A", "Z", "a", "z", "é", "😀"],
        [float("-inf"), -1, Decimal("-0.5"), 0, 0.5, Decimal("0.50000001"), 10, float("inf"), float("nan")],
        [False, True],
        [NOON, datetime(2025, 1, 1, 13, 30, tzinfo=timezone(timedelta(hours=1))), datetime(2025, 1, 1, 13, tzinfo=UTC)],
        [date(2024, 12, 31), date(2025, 1, 1)],
        [time(9), time(10, tzinfo=UTC), time(10, 0, 1)],
        [timedelta(days=-1), timedelta(0), timedelta(hours=25)],
        [UUID(int=1), UUID(int=2), UUID(int=2**127)],
        [Level.LOW, Level.HIGH],
    ],
    ids=lambda values: type(values[-1]).__name__,
)
def test_values_of_one_kind_have_an_order(values: list[Any]) -> None:
    keys = [sort_key(value, "field") for value in values]
    shuffled = keys[1::2] + keys[::2]
    assert sorted(shuffled) == keys
    assert len(set(keys)) == len(keys)
    check_one_kind(keys, "field")


def test_equal_values_have_equal_keys() -> None:
    for one, two in ((1, 1.0), (Decimal("9.90"), Decimal("9.9")), (NOON, NOON.replace(tzinfo=UTC))):
        assert sort_key(one, "field") == sort_key(two, "field")
    assert sort_key(float("nan"), "field") == sort_key(Decimal("nan"), "field")


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"x", object(), (1,), {1}])
def test_what_has_no_order_is_refused_by_name(value: Any) -> None:
    with pytest.raises(FieldNotQueryableError, match=r"'details\.x' cannot be asked: values of type \w+ have no order"):
        sort_key(value, "details.x")


@pytest.mark.parametrize(("one", "two"), [(1, "1"), (True, 1), (NOON, date(2025, 1, 1)), (UUID(int=1), "1")])
def test_different_kinds_have_no_common_order(one: Any, two: Any) -> None:
    with pytest.raises(FieldNotQueryableError, match="different kinds"):
        check_one_kind([sort_key(one, "field"), sort_key(two, "field")], "field")
