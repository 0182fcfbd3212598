"""Operators and fields that an application adds to the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from cqrs_ddd_core.domain.condition import SpecificationOperator
from cqrs_ddd_core.domain.field_path import field_steps
from cqrs_ddd_specifications.exceptions import OperatorNotFoundError, OperatorRegistrationError
from cqrs_ddd_specifications.spelling import find_operator, spelling_key

__all__ = ["CustomOperator", "OperatorRegistry", "default_registry"]

type Evaluation = Callable[[Any, Any], bool]
"""Of the value found at the path and the value of the condition, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomOperator:
    """An operator that an application has added."""

    name: str
    evaluate: Evaluation
    sees_null: bool = False
    """Ask it about null too, as None; otherwise it never holds for null."""


class OperatorRegistry:
    """The operators and computed fields that specifications know besides the vocabulary.

    What is registered here works in memory. A database sees a condition whose ``operator`` is the name, and refuses it
    unless that backend has been taught what it compiles to: each has a place of its own for that.
    """

    def __init__(self) -> None:
        self._operators: dict[str, CustomOperator] = {}
        self._fields: dict[str, Callable[[Any], Any]] = {}

    def register(self, name: str, evaluate: Evaluation, *, sees_null: bool = False) -> Self:
        """Add an operator: ``registry.register("divisible_by", lambda value, divisor: value % divisor == 0)``.

        Where the path goes through a list it holds if it holds for one of the values. What ``evaluate`` raises reaches
        the caller of the specification. Raises ``OperatorRegistrationError`` for a name that is taken.
        """
        key = spelling_key(name)
        taken = find_operator(name)
        if not key or not name.isprintable():
            raise OperatorRegistrationError(name, "a name has letters, digits or signs")
        if taken is not None:
            raise OperatorRegistrationError(name, f"this is a spelling of {taken.value}")
        if key in self._operators:
            raise OperatorRegistrationError(name, "it is registered already; unregister it first")
        self._operators[key] = CustomOperator(name=name, evaluate=evaluate, sees_null=sees_null)
        return self

    def unregister(self, name: str) -> None:
        """Forget an operator. Raises ``OperatorNotFoundError``."""
        if self._operators.pop(spelling_key(name), None) is None:
            raise OperatorNotFoundError(name, [each.name for each in self._operators.values()])

    def register_field(self, path: str, read: Callable[[Any], Any]) -> Self:
        """Add a computed field: ``registry.register_field("age", lambda person: years_since(person.born))``.

        ``read`` gets the candidate. Such a field exists in memory only; databases refuse it by name. Raises
        ``OperatorRegistrationError`` when the path is taken, ``FieldPathError`` when it is none.
        """
        field_steps(path)
        if path in self._fields:
            raise OperatorRegistrationError(path, "this field is registered already")
        self._fields[path] = read
        return self

    def get(self, name: str) -> CustomOperator | None:
        """The custom operator of this name, or None."""
        return self._operators.get(spelling_key(name))

    def field(self, path: str) -> Callable[[Any], Any] | None:
        """What reads this computed field, or None when it is an ordinary one."""
        return self._fields.get(path)

    def has(self, name: str) -> bool:
        """Whether an operator is known under this spelling, in the vocabulary or added to it."""
        return find_operator(name) is not None or self.get(name) is not None

    def supported_operators(self) -> tuple[str, ...]:
        """The names of all operators, those of the vocabulary first."""
        return (*(operator.value for operator in SpecificationOperator), *(o.name for o in self._operators.values()))

    def resolve(self, spelling: str) -> SpecificationOperator | str:
        """The operator behind a spelling; of a custom one its name. Raises ``OperatorNotFoundError``."""
        if isinstance(spelling, SpecificationOperator):
            return spelling
        if not isinstance(spelling, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # spellings come from outside
            raise OperatorNotFoundError(repr(spelling), self.supported_operators())
        found = find_operator(spelling)
        if found is not None:
            return found
        custom = self.get(spelling)
        if custom is not None:
            return custom.name
        raise OperatorNotFoundError(spelling, self.supported_operators())


default_registry = OperatorRegistry()
"""Used by every specification that is not given one of its own."""
