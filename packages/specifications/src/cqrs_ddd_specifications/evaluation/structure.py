"""Questions to lists and JSON documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from cqrs_ddd_core.domain.condition import SpecificationOperator
from cqrs_ddd_core.domain.field_type import FieldKind
from cqrs_ddd_core.domain.json_value import json_contains, json_equal, json_path_exists
from cqrs_ddd_specifications.evaluation.comparison import Document
from cqrs_ddd_specifications.evaluation.text import of_text
from cqrs_ddd_specifications.evaluation.value_test import Question, never

__all__ = ["contains", "has_items", "of_document"]

_O = SpecificationOperator
_OBJECT: Final = frozenset({FieldKind.OBJECT})
_OBJECT_OR_LIST: Final = frozenset({FieldKind.OBJECT, FieldKind.LIST})


def contains(wanted: Any, document: Document, item: Document) -> Question:
    """The text contains this text, the list this item."""
    of_list = has_items((wanted,), document, item, every=True)
    if not isinstance(wanted, str):
        return of_list
    text = of_text(_O.CONTAINS, wanted)
    return lambda kind: of_list(kind) if kind is FieldKind.LIST else text(kind)


def has_items(wanted: tuple[Any, ...], document: Document, item: Document, *, every: bool) -> Question:
    """The list has each of these items, or at least one. ``item`` is the form of an item of the document."""
    needed = [item(each) for each in wanted]
    quantity: Callable[[Iterable[bool]], bool] = all if every else any

    def test(value: Any) -> bool:
        items = document(value)
        if not isinstance(items, list):
            return False
        found: list[Any] = items  # pyright: ignore[reportUnknownVariableType]
        return quantity(any(json_equal(one, each) for one in found) for each in needed)

    return lambda kind: test if kind is FieldKind.LIST else never


def of_document(operator: SpecificationOperator, wanted: Any, document: Document) -> Question:
    """The question of one of ``JSON_OPERATORS``."""
    kinds, test_json = _DOCUMENT_TESTS[operator]

    def test(value: Any) -> bool:
        return test_json(document(value), wanted)

    return lambda kind: test if kind in kinds else never


def _has_keys(document: Any, keys: tuple[str, ...], quantity: Callable[[Iterable[bool]], bool]) -> bool:
    return isinstance(document, dict) and quantity(key in document for key in keys)


_DOCUMENT_TESTS: Final[Mapping[SpecificationOperator, tuple[frozenset[FieldKind], Callable[[Any, Any], bool]]]] = {
    _O.JSON_CONTAINS: (_OBJECT_OR_LIST, json_contains),
    _O.JSON_CONTAINED_BY: (_OBJECT_OR_LIST, lambda document, wanted: json_contains(wanted, document)),
    _O.JSON_HAS_KEY: (_OBJECT, lambda document, key: _has_keys(document, (key,), all)),
    _O.JSON_HAS_ANY: (_OBJECT, lambda document, keys: _has_keys(document, keys, any)),
    _O.JSON_HAS_ALL: (_OBJECT, lambda document, keys: _has_keys(document, keys, all)),
    _O.JSON_PATH_EXISTS: (_OBJECT_OR_LIST, json_path_exists),
}
