"""Questions to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cqrs_ddd_core.domain.condition import SpecificationOperator
from cqrs_ddd_core.domain.field_type import FieldKind
from cqrs_ddd_core.domain.regular_expression import parse_regular_expression
from cqrs_ddd_core.domain.text_matching import LikePattern, fold_case, words
from cqrs_ddd_specifications.evaluation.value_test import Question, Test, never

__all__ = ["of_text"]

_O = SpecificationOperator


def of_text(operator: SpecificationOperator, wanted: str) -> Question:
    """The question of one of ``TEXT_OPERATORS``, or of ``CONTAINS`` of a text. Only text answers it."""
    make = _TESTS[operator]
    return lambda kind: make(wanted) if kind is FieldKind.TEXT else never


def _like(pattern: str) -> Test:
    return LikePattern(pattern).matches


def _not_like(pattern: str) -> Test:
    like = LikePattern(pattern).matches
    return lambda text: not like(text)


def _ignoring_case(make: Callable[[str], Test]) -> Callable[[str], Test]:
    """The same question with both sides folded."""

    def folding(wanted: str) -> Test:
        test = make(fold_case(wanted))
        return lambda text: test(fold_case(text))

    return folding


def _contains(wanted: str) -> Test:
    return lambda text: wanted in text


def _starts_with(wanted: str) -> Test:
    return lambda text: text.startswith(wanted)


def _ends_with(wanted: str) -> Test:
    return lambda text: text.endswith(wanted)


def _regex(pattern: str) -> Test:
    return parse_regular_expression(pattern).matches


def _iregex(pattern: str) -> Test:
    return parse_regular_expression(pattern, ignore_case=True).matches


def _all_words(wanted: str) -> Test:
    needed = frozenset(words(wanted))
    return lambda text: needed.issubset(words(text))


def _phrase(wanted: str) -> Test:
    # Words have no spaces in them: what is found between two spaces is whole words, in this order.
    needed = f" {' '.join(words(wanted))} "
    return lambda text: needed in f" {' '.join(words(text))} "


_TESTS: Final[Mapping[SpecificationOperator, Callable[[str], Callable[[Any], bool]]]] = {
    _O.LIKE: _like,
    _O.NOT_LIKE: _not_like,
    _O.ILIKE: _ignoring_case(_like),
    _O.CONTAINS: _contains,
    _O.ICONTAINS: _ignoring_case(_contains),
    _O.STARTSWITH: _starts_with,
    _O.ISTARTSWITH: _ignoring_case(_starts_with),
    _O.ENDSWITH: _ends_with,
    _O.IENDSWITH: _ignoring_case(_ends_with),
    _O.REGEX: _regex,
    _O.IREGEX: _iregex,
    _O.FTS: _all_words,
    _O.FTS_PHRASE: _phrase,
}
