"""The vocabulary of conditions: what a specification says, in a form that a backend can compile."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

from cqrs_ddd_core.domain.condition_value import checked_value
from cqrs_ddd_core.domain.field_path import field_steps
from cqrs_ddd_core.domain.field_type import FieldType
from cqrs_ddd_core.domain.specification_operator import SpecificationOperator

__all__ = ["Condition", "ConditionVisitor", "SpecificationOperator"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One question to one field: ``Condition("total", SpecificationOperator.GT, 100)``.

    ``field`` is a dotted path: through embedded objects, dict keys and related objects. ``operator`` is one of
    ``SpecificationOperator`` or the name of a custom one. ``value`` is a private copy in one form for each operator
    (``checked_value`` says which): a condition that exists has a value that its operator can use.

    Raises ``FieldPathError`` and ``SpecificationValueError``.
    """

    field: str
    operator: SpecificationOperator | str
    value: Any = None
    field_type: FieldType | None = dataclasses.field(default=None, compare=False, repr=False)
    """What the field holds, where it is known; ``value`` is then of that type. Set by ``type_condition``."""

    def __post_init__(self) -> None:
        field_steps(self.field)
        with contextlib.suppress(ValueError):  # the name of a custom operator
            object.__setattr__(self, "operator", SpecificationOperator(self.operator))
        object.__setattr__(self, "value", checked_value(self.field, self.operator, self.value))


class ConditionVisitor[ResultT](Protocol):
    """Turns a specification into something else: an SQL clause, a Mongo filter, a text.

    ``Specification.accept`` calls one of these with what the parts became. ``conjunction`` of nothing is true,
    ``disjunction`` of nothing is false. A condition that the backend cannot do raises
    ``SpecificationNotSupportedError``; it is never approximated.

    A backend whose fields have declared types gives each condition to ``type_condition`` first: values are then of
    the type of their field, and are the same for every backend.
    """

    def condition(self, condition: Condition, /) -> ResultT: ...

    def conjunction(self, parts: list[ResultT], /) -> ResultT: ...

    def disjunction(self, parts: list[ResultT], /) -> ResultT: ...

    def negation(self, part: ResultT, /) -> ResultT: ...
