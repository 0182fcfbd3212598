"""A specification of one condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, override

from cqrs_ddd_core.domain.condition import Condition, ConditionVisitor, SpecificationOperator
from cqrs_ddd_core.domain.specification import Specification
from cqrs_ddd_core.primitives.exceptions import SpecificationNotSupportedError
from cqrs_ddd_specifications.evaluation import compile_condition
from cqrs_ddd_specifications.plain_value import to_plain
from cqrs_ddd_specifications.registry import OperatorRegistry, default_registry

__all__ = ["AttributeSpecification"]


class AttributeSpecification(Specification[Any]):
    """What one field has to be: ``AttributeSpecification("total", ">", 100)``.

    ``attr`` is a dotted path, ``op`` an operator in any spelling, ``val`` its value. The object is immutable: ``val``
    is copied. Raises ``OperatorNotFoundError``, ``FieldPathError`` and ``SpecificationValueError``.
    """

    def __init__(
        self,
        attr: str,
        op: SpecificationOperator | str,
        val: Any = None,
        *,
        registry: OperatorRegistry | None = None,
    ) -> None:
        self._registry = default_registry if registry is None else registry
        self._condition = Condition(attr, self._registry.resolve(op), val)
        self._predicates: dict[type[Any], Callable[[Any], bool]] = {}

    @property
    def condition(self) -> Condition:
        """The condition, as backends see it."""
        return self._condition

    @property
    def attr(self) -> str:
        return self._condition.field

    @property
    def op(self) -> SpecificationOperator | str:
        return self._condition.operator

    @property
    def val(self) -> Any:
        return self._condition.value

    def __repr__(self) -> str:
        return f"AttributeSpecification({self.attr!r}, {str(self.op)!r}, {self.val!r})"

    @override
    def is_satisfied_by(self, candidate: Any, /) -> bool:
        # Path, operator and value are worked out once for each class of candidates.
        predicate = self._predicates.get(candidate.__class__)
        if predicate is None:
            predicate = compile_condition(self._condition, self._registry, candidate.__class__)
            self._predicates[candidate.__class__] = predicate
        return predicate(candidate)

    @override
    def accept[ResultT](self, visitor: ConditionVisitor[ResultT], /) -> ResultT:
        if self._registry.field(self.attr) is not None:
            raise SpecificationNotSupportedError(
                visitor.__class__.__name__, f"the computed field {self.attr!r}", "it exists as Python code only"
            )
        return visitor.condition(self._condition)

    @override
    def to_dict(self) -> dict[str, Any]:
        value, value_type = to_plain(self.val)
        data: dict[str, Any] = {"op": str(self.op), "attr": self.attr, "val": value}
        if value_type is not None:
            data["value_type"] = value_type
        return data

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_predicates": {}}
