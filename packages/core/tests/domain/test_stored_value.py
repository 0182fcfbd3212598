"""Values in the form that documents have."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from cqrs_ddd_core import AggregateRoot, ValueObject
from cqrs_ddd_core.domain.field_type import field_type
from cqrs_ddd_core.domain.json_value import NOT_JSON
from cqrs_ddd_core.domain.state import dump_state
from cqrs_ddd_core.domain.stored_value import stored_value
from cqrs_ddd_core.testing.specification_sample import SpecificationSample
from cqrs_ddd_core.testing.specification_strategies import rows


class Price(ValueObject):
    amount: Decimal
    since: datetime


class Product(AggregateRoot[str]):
    prices: list[Price]
    latest: Price | None = None
    notes: Any = None


EAST = timezone(timedelta(hours=2))
PRICE = Price(amount=Decimal("9.90"), since=datetime(2024, 5, 1, 2, tzinfo=EAST))
STORED = {"amount": "9.90", "since": "2024-05-01T00:00:00.000000+00:00"}


@pytest.mark.parametrize(
    ("path", "value", "stored"),
    [
        ("latest", PRICE, STORED),
        ("prices", [PRICE], [STORED]),
        ("prices.since", datetime(2024, 5, 1, tzinfo=UTC), STORED["since"]),
        ("notes", {"a": [1, "b", None]}, {"a": [1, "b", None]}),
        ("notes", Decimal(5), {"@type": "decimal", "@value": "5"}),
        ("latest", {"amount": 1}, NOT_JSON),
        ("notes", object(), NOT_JSON),
    ],
)
def test_a_value_has_the_form_that_its_field_gives_it(path: str, value: Any, stored: Any) -> None:
    assert stored_value(value, field_type(Product, path)) == stored


@given(rows())
def test_it_is_the_form_in_which_the_state_is_stored(row: dict[str, Any]) -> None:
    sample = SpecificationSample(id="1", batch="b", **row)
    state = dump_state(sample)
    for name in row:
        value = getattr(sample, name)
        if value is not None:
            assert stored_value(value, field_type(SpecificationSample, name)) == state[name]
