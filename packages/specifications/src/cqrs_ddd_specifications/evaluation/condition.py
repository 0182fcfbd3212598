"""From a condition to a function that answers it for a candidate."""

from __future__ import annotations

import dataclasses
import operator as comparison_of
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from cqrs_ddd_core.domain.condition import Condition, SpecificationOperator
from cqrs_ddd_core.domain.field_path import FieldPath
from cqrs_ddd_core.domain.field_type import FieldKind, FieldType, field_type
from cqrs_ddd_core.domain.json_value import to_json_value
from cqrs_ddd_core.domain.specification_operator import GEOMETRY_OPERATORS, JSON_OPERATORS, TEXT_OPERATORS
from cqrs_ddd_core.domain.stored_value import stored_value
from cqrs_ddd_core.domain.value_typing import type_condition
from cqrs_ddd_core.primitives.exceptions import SpecificationError
from cqrs_ddd_specifications.evaluation.comparison import Document, between, compared, equal, finite, one_of
from cqrs_ddd_specifications.evaluation.geometry import of_geometry
from cqrs_ddd_specifications.evaluation.structure import contains, has_items, of_document
from cqrs_ddd_specifications.evaluation.text import of_text
from cqrs_ddd_specifications.evaluation.value_test import Question, Test, always, by_class, by_json_class
from cqrs_ddd_specifications.exceptions import OperatorNotFoundError
from cqrs_ddd_specifications.registry import CustomOperator, OperatorRegistry

__all__ = ["compile_condition"]

type Predicate = Callable[[Any], bool]

_O = SpecificationOperator
_ORDER: Final[Mapping[SpecificationOperator, Callable[[Any, Any], bool]]] = {
    _O.GT: comparison_of.gt,
    _O.GE: comparison_of.ge,
    _O.LT: comparison_of.lt,
    _O.LE: comparison_of.le,
}
_OPPOSITES: Final[Mapping[SpecificationOperator, SpecificationOperator]] = {
    _O.NE: _O.EQ,
    _O.NOT_IN: _O.IN,
    _O.IS_NULL: _O.IS_NOT_NULL,
    _O.IS_EMPTY: _O.IS_NOT_EMPTY,
}


def compile_condition(condition: Condition, registry: OperatorRegistry, candidate_class: type[Any]) -> Predicate:
    """A function that answers the condition for candidates of this class. It does not raise, whatever is in them.

    Values are brought to the types that the class declares; a value that fits none of them is equal to nothing.
    Raises ``OperatorNotFoundError`` for a custom operator that is not registered any more, and ``MissingExtraError``.
    """
    read = registry.field(condition.field)
    values: Callable[[Any], Sequence[Any]]
    if read is None:
        condition = _typed(condition, candidate_class)
        values = FieldPath(condition.field).values
    else:
        values = _computed(read)
    operator = condition.operator
    if not isinstance(operator, SpecificationOperator):
        return _custom(operator, condition.value, values, registry)
    if condition.value is None and operator in {_O.EQ, _O.NE}:
        operator = _O.IS_NULL if operator is _O.EQ else _O.IS_NOT_NULL
    positive = _OPPOSITES.get(operator, operator)
    test = _test(positive, condition.value, condition.field_type)
    found, missing = (True, False) if positive is operator else (False, True)
    wanted: Any = condition.value
    if positive is _O.IN and None in wanted:
        return _one_or_null(values, test, _test(_O.IS_NOT_NULL, None, condition.field_type), found=found)

    def predicate(candidate: Any) -> bool:
        for value in values(candidate):
            if test(value):
                return found
        return missing

    return predicate


def _typed(condition: Condition, candidate_class: type[Any]) -> Condition:
    if not (issubclass(candidate_class, BaseModel) or dataclasses.is_dataclass(candidate_class)):
        return condition
    try:
        return type_condition(condition, field_type(candidate_class, condition.field))
    except SpecificationError:
        # A property, or a value that is nothing for this field: it is compared as it is.
        return condition


def _computed(read: Callable[[Any], Any]) -> Callable[[Any], Sequence[Any]]:
    def values(candidate: Any) -> tuple[Any, ...]:
        value = read(candidate)
        return () if value is None else (value,)

    return values


def _custom(name: str, wanted: Any, values: Callable[[Any], Sequence[Any]], registry: OperatorRegistry) -> Predicate:
    custom: CustomOperator | None = registry.get(name)
    if custom is None:
        raise OperatorNotFoundError(name, registry.supported_operators())
    evaluate, sees_null = custom.evaluate, custom.sees_null

    def predicate(candidate: Any) -> bool:
        found = values(candidate)
        if not found and sees_null:
            found = (None,)
        return any(evaluate(value, wanted) for value in found)

    return predicate


def _one_or_null(values: Callable[[Any], Sequence[Any]], test: Test, is_value: Test, *, found: bool) -> Predicate:
    def predicate(candidate: Any) -> bool:
        present = [value for value in values(candidate) if is_value(value)]
        return (not present or any(map(test, present))) is found

    return predicate


def _test(operator: SpecificationOperator, wanted: Any, declared: FieldType | None) -> Test:
    if operator in GEOMETRY_OPERATORS:
        return of_geometry(operator, wanted)
    question = _question(operator, wanted, _document_of(declared), _item_of(declared))
    # What has no kind is there all the same.
    otherwise = always if operator in {_O.IS_NOT_NULL, _O.IS_NOT_EMPTY} else None
    undeclared = declared is not None and declared.kind is FieldKind.JSON
    return (by_json_class if undeclared else by_class)(question, otherwise=otherwise)


def _document_of(declared: FieldType | None) -> Document:
    """How lists and objects are compared: as they are stored, where that is known."""
    return to_json_value if declared is None else lambda value: stored_value(value, declared)


def _item_of(declared: FieldType | None) -> Document:
    return _document_of(declared if declared is None or declared.items is None else declared.items)


def _question(operator: SpecificationOperator, wanted: Any, document: Document, item: Document) -> Question:
    if operator in TEXT_OPERATORS:
        return of_text(operator, wanted)
    if operator in JSON_OPERATORS:
        return of_document(operator, wanted, document)
    if operator in _ORDER:
        return compared(_ORDER[operator], wanted)
    match operator:
        case _O.EQ:
            return equal(wanted, document)
        case _O.IN:
            return one_of(wanted, document)
        case _O.BETWEEN | _O.NOT_BETWEEN:
            return between(wanted, inside=operator is _O.BETWEEN)
        case _O.CONTAINS:
            return contains(wanted, document, item)
        case _O.CONTAINS_ANY | _O.CONTAINS_ALL:
            return has_items(wanted, document, item, every=operator is _O.CONTAINS_ALL)
        case _O.IS_NOT_NULL:
            return _there
        case _:
            return _not_empty


def _there(kind: FieldKind) -> Test:
    return finite if kind in {FieldKind.FLOAT, FieldKind.DECIMAL} else always


def _not_empty(kind: FieldKind) -> Test:
    if kind in {FieldKind.TEXT, FieldKind.LIST, FieldKind.OBJECT, FieldKind.OPAQUE}:
        return _has_content
    return _there(kind)


def _has_content(value: Any) -> bool:
    # A model always has its fields.
    return isinstance(value, BaseModel) or dataclasses.is_dataclass(value) or len(value) > 0
