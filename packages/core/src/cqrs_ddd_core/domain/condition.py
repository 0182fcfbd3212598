"""The vocabulary of conditions: what a specification says, in a form that a backend can compile."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

__all__ = ["Condition", "ConditionVisitor", "SpecificationOperator"]


class SpecificationOperator(StrEnum):
    """What is asked of a field. The value is the canonical spelling.

    A missing field is null. Unless it says so, an operator is false for a null field; ``NE`` and ``NOT_IN`` are the
    negations of ``EQ`` and ``IN``, and null is an ordinary value to these four. Text is compared by code points, case
    counts unless the name starts with I.
    """

    EQ = "="
    NE = "!="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="

    IN = "in"
    NOT_IN = "not_in"
    BETWEEN = "between"
    """Lower and upper bound, both included."""
    NOT_BETWEEN = "not_between"

    CONTAINS_ANY = "contains_any"
    """The field is a list that has at least one of these items."""
    CONTAINS_ALL = "contains_all"
    """The field is a list that has each of these items."""

    LIKE = "like"
    """The whole text matches: ``%`` is any run, ``_`` any one character, a backslash takes the next literally."""
    NOT_LIKE = "not_like"
    ILIKE = "ilike"
    CONTAINS = "contains"
    """The text contains this text, or the list this item."""
    ICONTAINS = "icontains"
    STARTSWITH = "startswith"
    ISTARTSWITH = "istartswith"
    ENDSWITH = "endswith"
    IENDSWITH = "iendswith"
    REGEX = "regex"
    """Some part of the text matches the regular expression."""
    IREGEX = "iregex"

    IS_NULL = "is_null"
    IS_NOT_NULL = "is_not_null"
    IS_EMPTY = "is_empty"
    """Null, or a text, list or object without content. Zero and false are not empty."""
    IS_NOT_EMPTY = "is_not_empty"

    JSON_CONTAINS = "json_contains"
    """The document contains this document: objects by keys, lists by items in any order."""
    JSON_CONTAINED_BY = "json_contained_by"
    JSON_HAS_KEY = "json_has_key"
    JSON_HAS_ANY = "json_has_any"
    JSON_HAS_ALL = "json_has_all"
    JSON_PATH_EXISTS = "json_path_exists"

    FTS = "fts"
    """Full-text search: every word occurs."""
    FTS_PHRASE = "fts_phrase"
    """Full-text search: the words occur in this order, one behind the other."""

    INTERSECTS = "intersects"
    WITHIN = "within"
    CONTAINS_GEOM = "contains_geom"
    TOUCHES = "touches"
    CROSSES = "crosses"
    OVERLAPS = "overlaps"
    DISJOINT = "disjoint"
    GEOM_EQUALS = "geom_equals"
    DISTANCE_LT = "distance_lt"
    """Nearer than a distance: ``(geometry, distance)``."""
    DWITHIN = "dwithin"
    """At most at a distance: ``(geometry, distance)``."""
    BBOX_INTERSECTS = "bbox_intersects"
    """The bounding box meets ``(min_x, min_y, max_x, max_y)``."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One question to one field: ``Condition("total", SpecificationOperator.GT, 100)``.

    ``field`` is a dotted path: through embedded objects, dict keys and related objects. ``operator`` is one of
    ``SpecificationOperator`` or the name of a custom one.
    """

    field: str
    operator: SpecificationOperator | str
    value: Any = None


class ConditionVisitor[ResultT](Protocol):
    """Turns a specification into something else: an SQL clause, a Mongo filter, a text.

    ``Specification.accept`` calls one of these with what the parts became. ``conjunction`` of nothing is true,
    ``disjunction`` of nothing is false. A condition that the backend cannot do raises
    ``SpecificationNotSupportedError``; it is never approximated.
    """

    def condition(self, condition: Condition, /) -> ResultT: ...

    def conjunction(self, parts: list[ResultT], /) -> ResultT: ...

    def disjunction(self, parts: list[ResultT], /) -> ResultT: ...

    def negation(self, part: ResultT, /) -> ResultT: ...
