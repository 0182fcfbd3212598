from decimal import Decimal

import pytest
from pydantic import ValidationError

from orders.domain import Money


def test_money_adds_up_to_the_cent() -> None:
    total = Money(amount=Decimal("0.10"))
    for _ in range(2):
        total += Money(amount=Decimal("0.10"))
    assert total == Money(amount=Decimal("0.30"))
    assert str(total.times(10)) == "3.00 EUR"


def test_currencies_do_not_mix() -> None:
    with pytest.raises(ValueError, match="different currencies"):
        Money(amount=Decimal(1)).__add__(Money(amount=Decimal(1), currency="USD"))


def test_there_is_nothing_smaller_than_a_cent() -> None:
    with pytest.raises(ValidationError):
        Money(amount=Decimal("0.001"))
