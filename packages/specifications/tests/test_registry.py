"""Operators and fields that an application adds."""

from __future__ import annotations

from typing import Any

import pytest

from cqrs_ddd_core import AggregateRoot, InMemoryRepository
from cqrs_ddd_specifications import (
    AttributeSpecification,
    FieldNotFoundError,
    FieldPathError,
    OperatorNotFoundError,
    OperatorRegistrationError,
    OperatorRegistry,
    SpecificationBuilder,
    SpecificationNotSupportedError,
    SpecificationOperator,
)


class Order(AggregateRoot[str]):
    number: int | None = None
    lines: list[dict[str, Any]] = []  # noqa: RUF012 - pydantic copies defaults


@pytest.fixture
def registry() -> OperatorRegistry:
    return OperatorRegistry().register("divisible_by", lambda value, divisor: value % divisor == 0)


def test_an_added_operator_is_used_like_any_other(registry: OperatorRegistry) -> None:
    spec = SpecificationBuilder(registry).where("number", "Divisible-By", 3).where("id", "!=", "x").build()
    assert spec.is_satisfied_by(Order(id="1", number=9))
    assert not spec.is_satisfied_by(Order(id="1", number=10))


def test_it_never_holds_for_null_and_for_one_of_several_values(registry: OperatorRegistry) -> None:
    spec = AttributeSpecification("lines.n", "divisible_by", 3, registry=registry)
    assert not spec.is_satisfied_by(Order(id="1"))
    assert spec.is_satisfied_by(Order(id="1", lines=[{"n": 1}, {"n": 3}, {}]))


def test_it_can_ask_to_see_null(registry: OperatorRegistry) -> None:
    registry.register("missing_or", lambda value, wanted: value is None or value == wanted, sees_null=True)
    spec = AttributeSpecification("number", "missing_or", 5, registry=registry)
    assert [spec.is_satisfied_by(Order(id="1", number=number)) for number in (None, 5, 6)] == [True, True, False]


def test_the_default_registry_does_not_know_it(registry: OperatorRegistry) -> None:
    assert registry.has("divisible_by")
    assert registry.has("starts_with")
    assert "divisible_by" in registry.supported_operators()
    with pytest.raises(OperatorNotFoundError):
        AttributeSpecification("number", "divisible_by", 3)
    with pytest.raises(OperatorNotFoundError, match="'divisible_by'"):
        AttributeSpecification("number", "divisable_by", 3, registry=registry)


@pytest.mark.parametrize("name", ["=", "EQ", "starts with", "Divisible By", "", " ", "a\nb"])
def test_a_name_that_is_taken_or_none_is_refused(registry: OperatorRegistry, name: str) -> None:
    with pytest.raises(OperatorRegistrationError):
        registry.register(name, lambda value, wanted: True)


def test_an_operator_that_is_gone_is_named(registry: OperatorRegistry) -> None:
    spec = AttributeSpecification("number", "divisible_by", 3, registry=registry)
    registry.unregister("divisible_by")
    with pytest.raises(OperatorNotFoundError, match="divisible_by"):
        spec.is_satisfied_by(Order(id="1", number=3))
    with pytest.raises(OperatorNotFoundError):
        registry.unregister("divisible_by")


def test_a_backend_sees_the_name_and_the_value(registry: OperatorRegistry) -> None:
    seen: list[Any] = []

    class Backend:
        def condition(self, condition: Any, /) -> str:
            seen.append(condition)
            if not isinstance(condition.operator, SpecificationOperator):
                raise SpecificationNotSupportedError("Backend", condition.operator)
            return "ok"

        def conjunction(self, parts: list[str], /) -> str:
            return " and ".join(parts)

        def disjunction(self, parts: list[str], /) -> str:
            return " or ".join(parts)

        def negation(self, part: str, /) -> str:
            return f"not {part}"

    spec = AttributeSpecification("number", "divisible_by", {1, 2}, registry=registry)
    with pytest.raises(SpecificationNotSupportedError, match="divisible_by"):
        spec.accept(Backend())
    assert (seen[0].field, seen[0].operator, seen[0].value) == ("number", "divisible_by", {1, 2})


async def test_an_added_operator_works_on_a_repository_in_memory(registry: OperatorRegistry) -> None:
    repository = InMemoryRepository[Order, str](Order)
    for number in range(5):
        await repository.add(Order(id=str(number), number=number))
    spec = AttributeSpecification("number", "divisible_by", 2, registry=registry)
    assert [order.id for order in await (await repository.search(spec))] == ["0", "2", "4"]
    with pytest.raises(FieldNotFoundError):
        await (await repository.search(AttributeSpecification("nmber", "divisible_by", 2, registry=registry)))


async def test_a_computed_field_is_read_by_its_function(registry: OperatorRegistry) -> None:
    registry.register_field("line_count", lambda order: len(order.lines))
    spec = AttributeSpecification("line_count", ">=", 2, registry=registry)
    order = Order(id="1", number=3, lines=[{}, {}])
    assert spec.is_satisfied_by(order)
    assert not spec.is_satisfied_by(Order(id="1"))
    repository = InMemoryRepository[Order, str](Order)
    await repository.add(order)
    assert [found.id for found in await (await repository.search(spec))] == ["1"]

    class Database:
        def condition(self, condition: Any, /) -> None: ...
        def conjunction(self, parts: list[None], /) -> None: ...
        def disjunction(self, parts: list[None], /) -> None: ...
        def negation(self, part: None, /) -> None: ...

    with pytest.raises(SpecificationNotSupportedError, match="line_count"):
        spec.accept(Database())
    with pytest.raises(OperatorRegistrationError):
        registry.register_field("line_count", len)
    with pytest.raises(FieldPathError):
        registry.register_field("a..b", len)
