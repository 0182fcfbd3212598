"""Value objects and entities: what makes two of them the same."""
# ruff: noqa: RUF012 - pydantic copies defaults

import dataclasses
import math
from collections import Counter, OrderedDict, UserDict, UserList, deque
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from cqrs_ddd_core.domain import Entity, ValueObject
from cqrs_ddd_core.domain.equality import hash_of, unique


class Money(ValueObject):
    amount: Decimal
    currency: str = "EUR"


class Bag(ValueObject):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    content: Any = None


class TestValueObject:
    def test_equal_parts_make_equal_values(self) -> None:
        assert Money(amount=Decimal("1.0")) == Money(amount=Decimal("1.00"))
        assert hash(Money(amount=Decimal("1.0"))) == hash(Money(amount=Decimal("1.00")))
        assert Money(amount=Decimal(1)) != Money(amount=Decimal(1), currency="USD")

    def test_values_of_different_classes_are_different(self) -> None:
        class Price(Money): ...

        class Cash(ValueObject):
            amount: Decimal
            currency: str = "EUR"

        money = Money(amount=Decimal(1))
        assert money != Price(amount=Decimal(1))
        assert money != Cash(amount=Decimal(1))
        assert money != {"amount": Decimal(1), "currency": "EUR"}

    def test_values_do_not_change(self) -> None:
        money = Money(amount=Decimal(1))
        with pytest.raises(ValidationError, match="frozen"):
            money.amount = Decimal(2)
        assert money.model_copy(update={"amount": Decimal(2)}) == Money(amount=Decimal(2))
        with pytest.raises(ValidationError, match="Extra inputs"):
            Money(amount=Decimal(1), curency="USD")  # type: ignore[call-arg]

    def test_what_is_cached_beside_the_fields_does_not_count(self) -> None:
        class Name(ValueObject):
            first: str

            @cached_property
            def upper(self) -> str:
                return self.first.upper()

        one, two = Name(first="ada"), Name(first="ada")
        assert one.upper == "ADA"
        assert one == two
        assert hash(one) == hash(two)

    def test_extra_fields_count(self) -> None:
        class Open(ValueObject):
            model_config = ConfigDict(extra="allow")

        assert Open(a=1) != Open(a=2)  # type: ignore[call-arg]
        assert Open(a=1, b=[2]) == Open(b=[2], a=1)  # type: ignore[call-arg]
        assert hash(Open(a=1, b=[2])) == hash(Open(b=[2], a=1))  # type: ignore[call-arg]

    def test_a_nan_equals_itself_only(self) -> None:
        one = Bag(content=math.nan)
        assert one == Bag(content=math.nan)  # the same object
        assert hash(one) == hash(Bag(content=math.nan))
        assert one != Bag(content=float("nan"))


@dataclasses.dataclass(frozen=True)
class FrozenWithList:
    items: list[int]


@dataclasses.dataclass
class Loose:
    x: int


class Box[T](BaseModel):
    content: T


PAIRS: list[tuple[Any, Any]] = [
    ([1, [2, {3}]], [1, [2, {3}]]),
    ({"a": [1], "b": {2: [3]}}, {"b": {2: [3]}, "a": [1]}),
    ({"a": 1}, OrderedDict(a=1)),
    ({"a": 1}, UserDict({"a": 1})),
    ([1, 2], UserList([1, 2])),
    (Counter(a=1, b=0), Counter(a=1)),
    (b"ab", bytearray(b"ab")),
    (b"ab", memoryview(b"ab")),
    (1, True),
    (1, 1.0),
    (1, Decimal(1)),
    ({1, 2}, frozenset([2, 1])),
    ((1, [2]), (1, [2])),
    (Money(amount=Decimal(1)), Money(amount=Decimal("1.0"))),
    (Box(content=[1]), Box(content=[1])),
    (Box(content=1), Box[int](content=1)),
    (FrozenWithList([1]), FrozenWithList([1])),
    (Loose(1), Loose(1)),
    (deque([1]), deque([1])),
    (range(3), range(0, 3, 1)),
]


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_equal_things_have_equal_hashes_inside_a_value(one: Any, two: Any) -> None:
    assert one == two
    assert Bag.model_construct(content=one) == Bag.model_construct(content=two)
    assert hash(Bag.model_construct(content=one)) == hash(Bag.model_construct(content=two))


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3) | st.binary(max_size=2)
)
hashables = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=2), max_leaves=4
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.sets(hashables, max_size=3)
        | st.tuples(inner)
        | st.builds(Bag, content=inner)
        | st.builds(bytearray, st.binary(max_size=2))
    ),
    max_leaves=5,
)


@given(anything, anything)
def test_equality_implies_equal_hashes(one: Any, two: Any) -> None:
    a, b, same = Bag(content=one), Bag(content=two), Bag(content=one)
    assert a == same
    assert hash(a) == hash(same)
    if a == b:
        assert hash(a) == hash(b)


@given(st.lists(anything, max_size=8))
def test_unique_keeps_the_first_of_equal_values(values: list[Any]) -> None:
    expected: list[Any] = []
    for value in values:
        if value not in expected:
            expected.append(value)
    assert unique(values) == expected


def test_unlike_things_mostly_have_unlike_hashes() -> None:
    hashes = {hash_of({"a": [number, {"b": number}]}) for number in range(1000)}
    assert len(hashes) == 1000


class TestEntity:
    def test_the_id_decides(self) -> None:
        class Line(Entity[int]):
            name: str
            tags: list[str] = []

        class Other(Entity[int]):
            name: str

        one = Line(id=1, name="a")
        assert one == Line(id=1, name="b", tags=["x"])
        assert one != Line(id=2, name="a")
        assert one != Other(id=1, name="a")
        assert one != 1
        assert len({one, Line(id=1, name="b")}) == 1  # pyright: ignore[reportUnhashable]

    def test_everything_but_the_id_may_change(self) -> None:
        class Line(Entity[UUID]):
            name: str

        line = Line(id=uuid4(), name="a")
        line.name = "b"
        assert line.name == "b"
        with pytest.raises(ValidationError, match="frozen"):
            line.id = uuid4()
