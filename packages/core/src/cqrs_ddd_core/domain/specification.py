"""Specifications: a rule about candidates, as an object that can be combined, evaluated and compiled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol, override, runtime_checkable

from cqrs_ddd_core.domain.condition import ConditionVisitor
from cqrs_ddd_core.primitives.exceptions import SpecificationNotSupportedError

__all__ = [
    "AndSpecification",
    "ISpecification",
    "NotSpecification",
    "OrSpecification",
    "PredicateSpecification",
    "Specification",
]


@runtime_checkable
class ISpecification[T](Protocol):
    """A rule about candidates. ``T`` is what it is asked about."""

    def is_satisfied_by(self, candidate: T, /) -> bool:
        """Whether the candidate obeys the rule."""
        ...

    def accept[ResultT](self, visitor: ConditionVisitor[ResultT], /) -> ResultT:
        """Say what the rule consists of, so that a backend can compile it.

        Raises ``SpecificationNotSupportedError`` for a rule that exists as Python code only.
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """The rule as plain JSON data."""
        ...


class Specification[T](ABC):
    """Base of specifications: ``&``, ``|`` and ``~`` combine them.

    A subclass with ``is_satisfied_by`` alone works wherever candidates are in memory; ``accept`` makes it compile.
    """

    @abstractmethod
    def is_satisfied_by(self, candidate: T, /) -> bool: ...

    def accept[ResultT](self, visitor: ConditionVisitor[ResultT], /) -> ResultT:
        raise SpecificationNotSupportedError(
            visitor.__class__.__name__,
            self.__class__.__name__,
            "it is a rule in Python code; build it from conditions, or filter the results in memory yourself",
        )

    def to_dict(self) -> dict[str, Any]:
        raise SpecificationNotSupportedError("JSON", self.__class__.__name__, "it is a rule in Python code")

    def __and__(self, other: ISpecification[T]) -> AndSpecification[T]:
        return AndSpecification(self, other) if _is_rule(other) else NotImplemented

    def __or__(self, other: ISpecification[T]) -> OrSpecification[T]:
        return OrSpecification(self, other) if _is_rule(other) else NotImplemented

    def __invert__(self) -> NotSpecification[T]:
        return NotSpecification(self)

    def merge(self, other: ISpecification[T]) -> AndSpecification[T]:
        """The same as ``self & other``."""
        return AndSpecification(self, other)

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        if self is other:
            return True
        assert isinstance(other, Specification)  # of the same class
        mine, others = _shape(self), _shape(other)  # pyright: ignore[reportUnknownArgumentType]
        # Not the dicts themselves: to Python 1 and True are equal, to a database they are not.
        return mine is not None and others is not None and repr(mine) == repr(others)

    def __hash__(self) -> int:
        return hash(self.__class__)


def _shape(specification: ISpecification[Any]) -> Mapping[str, Any] | None:
    try:
        return specification.to_dict()
    except SpecificationNotSupportedError:
        return None


def _is_rule(value: object) -> bool:
    """Whether it can be part of a rule. A class has the methods of its objects, and is none."""
    return isinstance(value, ISpecification) and not isinstance(value, type)


def _rule[T](value: ISpecification[T]) -> ISpecification[T]:
    if not _is_rule(value):
        raise TypeError(f"A specification is wanted, found {value!r}.")
    return value


class _Composite[T](Specification[T]):
    def __init__(self, *specifications: ISpecification[T]) -> None:
        self.specifications = tuple(_rule(part) for part in specifications)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({', '.join(map(repr, self.specifications))})"


class AndSpecification[T](_Composite[T]):
    """All of these hold. Of no specification at all it is true for every candidate."""

    @override
    def is_satisfied_by(self, candidate: T, /) -> bool:
        return all(part.is_satisfied_by(candidate) for part in self.specifications)

    @override
    def accept[ResultT](self, visitor: ConditionVisitor[ResultT], /) -> ResultT:
        return visitor.conjunction([part.accept(visitor) for part in self.specifications])

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"op": "and", "conditions": [part.to_dict() for part in self.specifications]}


class OrSpecification[T](_Composite[T]):
    """At least one of these holds. Of no specification at all it is false for every candidate."""

    @override
    def is_satisfied_by(self, candidate: T, /) -> bool:
        return any(part.is_satisfied_by(candidate) for part in self.specifications)

    @override
    def accept[ResultT](self, visitor: ConditionVisitor[ResultT], /) -> ResultT:
        return visitor.disjunction([part.accept(visitor) for part in self.specifications])

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"op": "or", "conditions": [part.to_dict() for part in self.specifications]}


class NotSpecification[T](Specification[T]):
    """This does not hold."""

    def __init__(self, specification: ISpecification[T]) -> None:
        self.specification = _rule(specification)

    def __repr__(self) -> str:
        return f"NotSpecification({self.specification!r})"

    @override
    def is_satisfied_by(self, candidate: T, /) -> bool:
        return not self.specification.is_satisfied_by(candidate)

    @override
    def accept[ResultT](self, visitor: ConditionVisitor[ResultT], /) -> ResultT:
        return visitor.negation(self.specification.accept(visitor))

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"op": "not", "conditions": [self.specification.to_dict()]}


class PredicateSpecification[T](Specification[T]):
    """A rule given as a function. In memory only: databases refuse it by name."""

    def __init__(self, predicate: Callable[[T], bool]) -> None:
        self.predicate = predicate

    def __repr__(self) -> str:
        return f"PredicateSpecification({self.predicate!r})"

    @override
    def is_satisfied_by(self, candidate: T, /) -> bool:
        return self.predicate(candidate)
