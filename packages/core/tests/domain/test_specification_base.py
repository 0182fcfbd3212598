"""Specifications: combining rules, whatever they are made of."""

from dataclasses import dataclass
from typing import Any, override

import pytest

from cqrs_ddd_core.domain import (
    AndSpecification,
    Condition,
    ConditionVisitor,
    ISpecification,
    NotSpecification,
    OrSpecification,
    PredicateSpecification,
    Specification,
    SpecificationOperator,
)
from cqrs_ddd_core.primitives.exceptions import SpecificationNotSupportedError


@dataclass
class Candidate:
    x: int


class AtLeast(Specification[Candidate]):
    """A rule that can be compiled."""

    def __init__(self, least: Any) -> None:
        self.least = least

    @override
    def is_satisfied_by(self, candidate: Candidate, /) -> bool:
        return candidate.x >= self.least  # type: ignore[no-any-return]

    @override
    def accept[ResultT](self, visitor: ConditionVisitor[ResultT], /) -> ResultT:
        return visitor.condition(Condition("x", SpecificationOperator.GE, self.least))

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"attr": "x", "op": ">=", "val": self.least}


class Text:
    """Compiles a rule to text."""

    def condition(self, condition: Condition, /) -> str:
        return f"{condition.field} {condition.operator} {condition.value}"

    def conjunction(self, parts: list[str], /) -> str:
        return f"({' and '.join(parts)})" if parts else "true"

    def disjunction(self, parts: list[str], /) -> str:
        return f"({' or '.join(parts)})" if parts else "false"

    def negation(self, part: str, /) -> str:
        return f"not {part}"


EVEN = PredicateSpecification[Candidate](lambda candidate: candidate.x % 2 == 0)


def numbers(rule: ISpecification[Candidate]) -> list[int]:
    return [x for x in range(10) if rule.is_satisfied_by(Candidate(x))]


def test_rules_combine_with_and_or_and_not() -> None:
    assert numbers(AtLeast(5) & EVEN) == [6, 8]
    assert numbers(AtLeast(8) | EVEN) == [0, 2, 4, 6, 8, 9]
    assert numbers(~AtLeast(2)) == [0, 1]
    assert numbers(~(AtLeast(2) & EVEN) & AtLeast(1)) == [1, 3, 5, 7, 9]
    assert numbers(AtLeast(5).merge(EVEN)) == [6, 8]


def test_of_nothing_all_hold_and_none_holds() -> None:
    assert numbers(AndSpecification()) == list(range(10))
    assert numbers(OrSpecification()) == []
    assert AndSpecification().accept(Text()) == "true"
    assert OrSpecification().accept(Text()) == "false"


def test_a_rule_is_compiled_by_a_visitor_from_the_inside_out() -> None:
    rule = (AtLeast(1) & ~AtLeast(5)) | AtLeast(9)
    assert rule.accept(Text()) == "((x >= 1 and not x >= 5) or x >= 9)"


def test_a_rule_in_python_code_is_refused_by_backends_with_what_to_do() -> None:
    with pytest.raises(SpecificationNotSupportedError, match=r"Text cannot do PredicateSpecification: it is a rule in"):
        (AtLeast(1) & EVEN).accept(Text())
    with pytest.raises(SpecificationNotSupportedError, match="JSON cannot do"):
        (~EVEN).to_dict()


def test_a_rule_becomes_plain_data() -> None:
    assert (AtLeast(1) & ~AtLeast(5)).to_dict() == {
        "op": "and",
        "conditions": [
            {"attr": "x", "op": ">=", "val": 1},
            {"op": "not", "conditions": [{"attr": "x", "op": ">=", "val": 5}]},
        ],
    }


def test_rules_that_say_the_same_are_equal() -> None:
    assert (AtLeast(1) & AtLeast(2)) == (AtLeast(1) & AtLeast(2))
    assert hash(AtLeast(1) & AtLeast(2)) == hash(AtLeast(1) & AtLeast(2))
    assert (AtLeast(1) & AtLeast(2)) != (AtLeast(2) & AtLeast(1))
    assert (AtLeast(1) & AtLeast(2)) != (AtLeast(1) | AtLeast(2))
    assert AtLeast(1) != "x >= 1"
    assert len({AtLeast(1), AtLeast(1), AtLeast(2)}) == 2


def test_what_a_database_tells_apart_is_not_equal() -> None:
    assert AtLeast(1) != AtLeast(True)
    assert AtLeast(1) != AtLeast("1")


def test_rules_in_python_code_are_equal_to_themselves_only() -> None:
    same = PredicateSpecification[Candidate](EVEN.predicate)
    assert EVEN == EVEN  # noqa: PLR0124 - the subject
    assert same != EVEN


def test_whatever_has_the_methods_is_a_specification() -> None:
    class Own:
        def is_satisfied_by(self, candidate: Candidate, /) -> bool:
            return candidate.x == 3

        def accept[ResultT](self, visitor: ConditionVisitor[ResultT], /) -> ResultT:
            return visitor.condition(Condition("x", "=", 3))

        def to_dict(self) -> dict[str, Any]:
            return {}

    assert isinstance(Own(), ISpecification)
    assert isinstance(AtLeast(1), ISpecification)
    assert not isinstance(object(), ISpecification)
    assert numbers(AtLeast(2) & Own()) == [3]


@pytest.mark.parametrize("other", [None, True, "x > 1", AtLeast])
def test_what_is_no_rule_is_refused_when_it_is_combined(other: Any) -> None:
    with pytest.raises(TypeError):
        AtLeast(1) & other  # pyright: ignore[reportUnusedExpression]
    with pytest.raises(TypeError):
        AtLeast(1) | other  # pyright: ignore[reportUnusedExpression]
    for combine in (AndSpecification, OrSpecification, NotSpecification):
        with pytest.raises(TypeError, match="A specification is wanted"):
            combine(other)


def test_rules_show_what_they_are_made_of() -> None:
    assert repr(~OrSpecification(AndSpecification())).startswith("NotSpecification(OrSpecification(AndSpecification()")
