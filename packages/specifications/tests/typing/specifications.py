"""Which types users see when they write specifications. Read by type checkers, never run."""

from typing import Any, assert_type

from cqrs_ddd_core import AggregateRoot, InMemoryRepository, SearchResult
from cqrs_ddd_specifications import (
    AndSpecification,
    AttributeSpecification,
    Condition,
    NotSpecification,
    OrSpecification,
    PredicateSpecification,
    QueryOptions,
    Specification,
    SpecificationBuilder,
    SpecificationError,
    SpecificationFactory,
    SpecificationOperator,
)


class Order(AggregateRoot[str]):
    total: float = 0.0


builder = SpecificationBuilder()
builder = builder.where("status", "==", "active").where("deleted_at", "is_null").for_type(Order)
assert_type(builder.or_group().where("total", SpecificationOperator.GT, 5).end_group(), SpecificationBuilder)
spec = builder.build()
assert_type(spec, Specification[Any])

attribute = AttributeSpecification("total", ">", 100)
assert_type(attribute.condition, Condition)
assert_type(attribute.is_satisfied_by(Order(id="1")), bool)
assert_type(attribute & spec, AndSpecification[Any])
assert_type(attribute | spec, OrSpecification[Any])
assert_type(~attribute, NotSpecification[Any])
assert_type(AndSpecification(spec, attribute), AndSpecification[Any])

large: Specification[Order] = PredicateSpecification(lambda order: order.total > 100)
assert_type(large & attribute, AndSpecification[Order])

assert_type(SpecificationFactory.from_dict({"op": "is_null", "attr": "total"}), Specification[Any])
assert_type(SpecificationFactory.validate({}), list[SpecificationError])

options = QueryOptions().with_specification(spec).with_ordering("-total")


class Names:
    """A backend that lists the fields."""

    def condition(self, condition: Condition, /) -> set[str]:
        return {condition.field}

    def conjunction(self, parts: list[set[str]], /) -> set[str]:
        return set[str]().union(*parts)

    def disjunction(self, parts: list[set[str]], /) -> set[str]:
        return set[str]().union(*parts)

    def negation(self, part: set[str], /) -> set[str]:
        return part


assert_type(spec.accept(Names()), set[str])


async def search(repository: InMemoryRepository[Order, str]) -> None:
    result = assert_type(await repository.search(options), SearchResult[Order])
    assert_type(await result, list[Order])
    assert_type(await (await repository.search(attribute & spec)), list[Order])
