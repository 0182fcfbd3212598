"""Specifications written down condition by condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, Self

from cqrs_ddd_core.domain.condition import SpecificationOperator
from cqrs_ddd_core.domain.specification import (
    AndSpecification,
    ISpecification,
    NotSpecification,
    OrSpecification,
    Specification,
)
from cqrs_ddd_core.domain.value_typing import check_specification
from cqrs_ddd_specifications.attribute import AttributeSpecification
from cqrs_ddd_specifications.exceptions import SpecificationBuildError
from cqrs_ddd_specifications.registry import OperatorRegistry

__all__ = ["SpecificationBuilder"]

type _Group = Literal["and", "or", "not"]
type _Part = ISpecification[Any]

_COMBINED: Final[dict[str, Callable[..., Specification[Any]]]] = {
    "and": AndSpecification,
    "or": OrSpecification,
    "not": lambda *parts: NotSpecification(parts[0] if len(parts) == 1 else AndSpecification(*parts)),
}


class SpecificationBuilder:
    """Collects conditions, all of which have to hold unless a group says otherwise.

    ``SpecificationBuilder().where("status", "==", "active").where("total", ">", 100).build()``

    Each call changes this builder and returns it, so that both chained calls and ``builder = builder.where(…)`` add a
    condition; ``copy()`` makes a second one to go on from the same point.
    """

    def __init__(self, registry: OperatorRegistry | None = None) -> None:
        self._registry = registry
        self._model: type[Any] | None = None
        self._groups: list[tuple[_Group, list[_Part]]] = [("and", [])]

    def for_type(self, model: type[Any]) -> Self:
        """Check each condition against the fields of a class as soon as it is added, and those that are there.

        Raises ``FieldNotFoundError``, ``FieldNotQueryableError`` and ``SpecificationValueError``.
        """
        for _, parts in self._groups:
            for part in parts:
                check_specification(part, model)
        self._model = model
        return self

    def where(self, attr: str, op: SpecificationOperator | str, val: Any = None) -> Self:
        """Add a condition; see ``AttributeSpecification``. Some operators take no value."""
        return self.add(AttributeSpecification(attr, op, val, registry=self._registry))

    def add(self, specification: _Part) -> Self:
        """Add a whole specification as one condition."""
        if not isinstance(specification, ISpecification):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
            raise SpecificationBuildError(f"add() takes a specification, found {type(specification).__name__}.")
        if self._model is not None:
            check_specification(specification, self._model)
        self._groups[-1][1].append(specification)
        return self

    def and_group(self) -> Self:
        """Open a group that holds if all conditions in it hold. Close it with ``end_group()``."""
        return self._open("and")

    def or_group(self) -> Self:
        """Open a group that holds if at least one condition in it holds."""
        return self._open("or")

    def not_group(self) -> Self:
        """Open a group that holds if the conditions in it do not all hold."""
        return self._open("not")

    def end_group(self) -> Self:
        """Close the group that was opened last.

        Raises ``SpecificationBuildError`` when none is open, or when it is empty: what an empty group means is
        anybody's guess.
        """
        if len(self._groups) == 1:
            raise SpecificationBuildError("end_group() without a group that is open: there is one too many.")
        kind, parts = self._groups[-1]
        if not parts:
            raise SpecificationBuildError(f"The {kind}_group() is empty: add conditions to it, or leave it out.")
        self._groups.pop()
        self._groups[-1][1].append(_COMBINED[kind](*parts))
        return self

    def build(self) -> Specification[Any]:
        """The specification. Without any condition it holds for everything.

        The builder can go on afterwards; what was built stays as it is. Raises ``SpecificationBuildError`` while a
        group is open.
        """
        open_groups = [f"{kind}_group()" for kind, _ in self._groups[1:]]
        if open_groups:
            raise SpecificationBuildError(f"Not closed by end_group(): {', '.join(open_groups)}.")
        parts = self._groups[0][1]
        if len(parts) == 1 and isinstance(parts[0], Specification):
            return parts[0]  # pyright: ignore[reportUnknownVariableType]
        return AndSpecification(*parts)

    def reset(self) -> Self:
        """Forget all conditions and open groups, and go on from nothing."""
        self._groups = [("and", [])]
        return self

    def copy(self) -> SpecificationBuilder:
        """A builder with the same conditions and open groups, that goes its own way."""
        copied = SpecificationBuilder(self._registry)
        copied._model = self._model
        copied._groups = [(kind, list(parts)) for kind, parts in self._groups]
        return copied

    def _open(self, kind: _Group) -> Self:
        self._groups.append((kind, []))
        return self
