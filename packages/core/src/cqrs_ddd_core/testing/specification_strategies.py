"""Random rows and random rules about them, for tests that compare one evaluation of specifications with another."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from hypothesis import strategies as st

from cqrs_ddd_core.domain.condition import Condition, SpecificationOperator
from cqrs_ddd_core.domain.spatial import Geometry
from cqrs_ddd_core.domain.specification import (
    AndSpecification,
    ISpecification,
    NotSpecification,
    OrSpecification,
    Specification,
)
from cqrs_ddd_core.domain.specification_operator import (
    GEOMETRY_OPERATORS,
    NULL_OPERATORS,
    ORDER_OPERATORS,
    TEXT_OPERATORS,
)
from cqrs_ddd_core.testing.specification_sample import SampleAddress, SampleColour, SampleLine

__all__ = ["Rule", "RuleGroup", "build_specification", "conditions", "rows", "rules"]

_O = SpecificationOperator


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleGroup:
    """Rules that are combined."""

    kind: Literal["and", "or", "not"]
    parts: tuple[Rule, ...]


type Rule = Condition | RuleGroup
"""A specification before it is known which class its conditions have."""


def build_specification(
    rule: Rule, specification_of: Callable[[Condition], ISpecification[Any]]
) -> ISpecification[Any]:
    """The specification of a rule, with its conditions made by ``specification_of``."""
    if isinstance(rule, Condition):
        return specification_of(rule)
    parts = [build_specification(part, specification_of) for part in rule.parts]
    made: Specification[Any]
    if rule.kind == "not":
        made = NotSpecification(parts[0])
    else:
        made = AndSpecification(*parts) if rule.kind == "and" else OrSpecification(*parts)
    return made


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a ``SpecificationSample`` other than id and batch. Values repeat often, and null is among them."""
    return draw(st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in _VALUES.items()}))


def conditions(*, without: frozenset[SpecificationOperator] = frozenset()) -> st.SearchStrategy[Condition]:
    """Conditions about a ``SpecificationSample``, with every operator that fits the field but those left out."""
    asked = [(path, operator) for path, known in _QUESTIONS.items() for operator in known if operator not in without]

    @st.composite
    def condition(draw: st.DrawFn) -> Condition:
        path, operator = draw(st.sampled_from(asked))
        return Condition(path, operator, draw(_QUESTIONS[path][operator]))

    return condition()


@functools.cache
def rules(*, without: frozenset[SpecificationOperator] = frozenset()) -> st.SearchStrategy[Rule]:
    """Conditions, and combinations of them."""

    def combined(parts: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
        several = st.lists(parts, max_size=3).map(tuple)
        groups: st.SearchStrategy[Rule] = st.builds(RuleGroup, kind=st.sampled_from(["and", "or"]), parts=several)
        return groups | st.builds(RuleGroup, kind=st.just("not"), parts=st.tuples(parts))

    leaves: st.SearchStrategy[Rule] = conditions(without=without)
    return st.recursive(leaves, combined, max_leaves=5)


# ----------------------------------------------------------------------------------------------------------- values

_EAST: Final = timezone(timedelta(hours=2))
_LETTERS: Final = "aAbBzé\u0301ÉßΣσςİıпП10 .,-_%\\'\"\n\U0001f600"  # noqa: RUF001 - letters that folding might confuse
_TEXTS: Final = st.text(_LETTERS, max_size=5) | st.sampled_from(["a", "A", "ab", "b a", "fox", "Fox b", "10", "9", ""])
_INTEGERS: Final = st.integers(-3, 12) | st.sampled_from([2**31, -(2**31) - 1, 2**53])
# Eighths have an exact form in every notation.
_FLOATS: Final = st.integers(-16, 80).map(lambda eighths: eighths / 8) | st.sampled_from([0.1, 1e10, -2.5e-3])
_DECIMALS: Final = st.decimals(-20, 20, places=2) | st.sampled_from([Decimal("0.10"), Decimal("9.9"), Decimal(10)])
_MOMENTS: Final = st.builds(
    datetime,
    year=st.just(2024),
    month=st.just(5),
    day=st.integers(1, 3),
    hour=st.sampled_from([0, 1, 2, 12, 23]),
    microsecond=st.sampled_from([0, 1, 999999]),
    tzinfo=st.sampled_from([UTC, _EAST, None]),
)
_DAYS: Final = st.dates(date(2024, 4, 30), date(2024, 5, 3))
_CLOCKS: Final = st.builds(time, hour=st.integers(0, 3), minute=st.sampled_from([0, 30]))
_SPANS: Final = st.integers(-2, 30).map(lambda hours: timedelta(hours=hours)) | st.just(timedelta(microseconds=1))
_KEYS: Final = st.integers(0, 5).map(lambda number: UUID(int=number * 10**37))
_COLOURS: Final = st.sampled_from(SampleColour)
_WORDS: Final = st.lists(st.sampled_from(["a", "b", "Fox", "été", "42"]), min_size=1, max_size=3).map(" ".join)
_TAGS: Final = st.sampled_from(["a", "b", "c", "A", "é", ""])
_JSON_SCALARS: Final = st.none() | st.booleans() | st.integers(-2, 6) | st.sampled_from([0.5, 2.0, "a", "b", "2", ""])
_JSON_KEYS: Final = st.sampled_from(["a", "b", "a b", "A"])


def _json_values(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def containers(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(items, max_size=3) | st.dictionaries(_JSON_KEYS, items, max_size=3)

    return st.recursive(leaves, containers, max_leaves=5)


_JSON: Final = _json_values(_JSON_SCALARS)
_DOCUMENTS: Final = st.dictionaries(_JSON_KEYS, _JSON, max_size=2) | st.lists(_JSON, max_size=2)
_POSITIONS: Final = st.tuples(st.integers(0, 6), st.integers(0, 6))


def _square(corner: tuple[int, int], side: int) -> Geometry:
    x, y = corner
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return Geometry(type="Polygon", coordinates=[ring])


_GEOMETRIES: Final = (
    _POSITIONS.map(lambda position: Geometry(type="Point", coordinates=list(position)))
    | st.builds(_square, _POSITIONS, st.integers(1, 4))
    | st.lists(_POSITIONS, min_size=2, max_size=3, unique=True).map(
        lambda points: Geometry(type="LineString", coordinates=[list(point) for point in points])
    )
)
_VALUES: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "text": _TEXTS,
    "number": _INTEGERS,
    "ratio": _FLOATS,
    "amount": _DECIMALS,
    "flag": st.booleans(),
    "moment": _MOMENTS,
    "day": _DAYS,
    "clock": _CLOCKS,
    "span": _SPANS,
    "key": _KEYS,
    "colour": _COLOURS,
    "tags": st.lists(_TAGS, max_size=3),
    "numbers": st.lists(_INTEGERS, max_size=3),
    "address": st.builds(SampleAddress, city=_TEXTS, floor=st.none() | st.integers(-1, 3)),
    "lines": st.lists(
        st.builds(SampleLine, sku=_TAGS, quantity=st.integers(0, 3), note=st.none() | _TEXTS), max_size=3
    ),
    "data": _JSON,
    "place": _GEOMETRIES,
}

# -------------------------------------------------------------------------------------------------------- questions

type _Questions = dict[SpecificationOperator, st.SearchStrategy[Any]]


def _of_anything() -> _Questions:
    return {operator: st.none() for operator in NULL_OPERATORS}


def _of_values(values: st.SearchStrategy[Any]) -> _Questions:
    several = st.lists(st.none() | values, max_size=3)
    return {_O.EQ: st.none() | values, _O.NE: st.none() | values, _O.IN: several, _O.NOT_IN: several}


def _of_ordered(values: st.SearchStrategy[Any]) -> _Questions:
    questions = dict.fromkeys(ORDER_OPERATORS, values)
    return {**questions, _O.BETWEEN: st.tuples(values, values), _O.NOT_BETWEEN: st.tuples(values, values)}


def _of_text() -> _Questions:
    like = st.lists(st.sampled_from(["a", "A", "b", "é", "%", "_", "\\%", "\\_", "\\\\"]), max_size=4).map("".join)
    patterns = st.sampled_from(
        [
            "a",
            "^a",
            "B$",
            "^$",
            "[ab]+",
            "a|^b",
            "^.$",
            r"\d",
            r"\w\W",
            "[^aé]",
            "(a|b)*z",
            r"\.",
            "é?ß",
            "^[a-cÀ-Ý]{1,2}$",
        ]
    )
    return {
        **dict.fromkeys(TEXT_OPERATORS, st.text(_LETTERS, max_size=2)),
        **dict.fromkeys((_O.LIKE, _O.NOT_LIKE, _O.ILIKE), like),
        **dict.fromkeys((_O.REGEX, _O.IREGEX), patterns),
        **dict.fromkeys((_O.FTS, _O.FTS_PHRASE), _WORDS),
        _O.CONTAINS: st.text(_LETTERS, max_size=2),
    }


def _of_lists(items: st.SearchStrategy[Any]) -> _Questions:
    several = st.lists(items, max_size=3)
    return {_O.CONTAINS: items, _O.CONTAINS_ANY: several, _O.CONTAINS_ALL: several}


def _of_documents() -> _Questions:
    keys = st.lists(_JSON_KEYS, max_size=2)
    return {
        _O.JSON_CONTAINS: _DOCUMENTS,
        _O.JSON_CONTAINED_BY: _DOCUMENTS,
        _O.JSON_HAS_KEY: _JSON_KEYS,
        _O.JSON_HAS_ANY: keys,
        _O.JSON_HAS_ALL: keys,
        _O.JSON_PATH_EXISTS: st.lists(_JSON_KEYS, min_size=1, max_size=2),
    }


def _of_json() -> _Questions:
    scalars = st.booleans() | st.integers(-2, 6) | st.sampled_from([0.5, 2.0, Decimal("0.5"), "a", "b", "2", ""])
    numbers = st.integers(-2, 6) | st.just(0.5)
    texts = _TAGS
    bounds = st.tuples(numbers, numbers) | st.tuples(texts, texts)
    return {
        **_of_anything(),
        **_of_values(scalars | _DOCUMENTS),
        **_of_ordered(numbers | texts),
        _O.BETWEEN: bounds,
        _O.NOT_BETWEEN: bounds,
        **_of_text(),
        **_of_lists(scalars),
        **_of_documents(),
    }


def _box(corner: tuple[int, int], side: int) -> tuple[int, int, int, int]:
    x, y = corner
    return x, y, x + side, y + side


def _of_geometry() -> _Questions:
    with_distance = st.tuples(_GEOMETRIES, st.integers(0, 5))
    boxes = st.builds(_box, _POSITIONS, st.integers(0, 4))
    return {
        **_of_anything(),
        **dict.fromkeys(GEOMETRY_OPERATORS, _GEOMETRIES),
        _O.DISTANCE_LT: with_distance,
        _O.DWITHIN: with_distance,
        _O.BBOX_INTERSECTS: boxes,
    }


def _scalar(values: st.SearchStrategy[Any]) -> _Questions:
    return {**_of_anything(), **_of_values(values), **_of_ordered(values)}


def _list(items: st.SearchStrategy[Any]) -> _Questions:
    return {**_of_anything(), **_of_values(st.lists(items, max_size=2)), **_of_lists(items)}


_TEXT_QUESTIONS: Final = {**_scalar(_TEXTS), **_of_text()}
_QUESTIONS: Final[Mapping[str, _Questions]] = {
    "text": _TEXT_QUESTIONS,
    "number": _scalar(_INTEGERS),
    "ratio": _scalar(_FLOATS),
    "amount": _scalar(_DECIMALS),
    "flag": {**_of_anything(), **_of_values(st.booleans())},
    "moment": _scalar(_MOMENTS | st.sampled_from(["2024-05-01", "2024-05-02T01:00:00+02:00"])),
    "day": _scalar(_DAYS),
    "clock": _scalar(_CLOCKS),
    "span": _scalar(_SPANS),
    "key": _scalar(_KEYS),
    "colour": {**_scalar(_COLOURS), **_of_text()},
    "tags": _list(_TAGS),
    "numbers": _list(_INTEGERS),
    "address": {**_of_anything(), _O.JSON_CONTAINS: st.fixed_dictionaries({"city": _TEXTS})},
    "address.city": _TEXT_QUESTIONS,
    "address.floor": _scalar(st.integers(-1, 3)),
    "lines": {**_of_anything(), _O.JSON_CONTAINS: st.lists(st.fixed_dictionaries({"sku": _TAGS}), max_size=1)},
    "lines.sku": {**_scalar(_TAGS), **_of_text()},
    "lines.quantity": _scalar(st.integers(0, 3)),
    "lines.note": _TEXT_QUESTIONS,
    "data": _of_json(),
    "data.a": _of_json(),
    "data.a.b": _of_json(),
    "data.a b": _of_json(),
    "place": _of_geometry(),
}
"""What can be asked at each path."""
