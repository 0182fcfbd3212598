"""The operators of conditions, and what each of them means."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = [
    "EQUALITY_OPERATORS",
    "GEOMETRY_OPERATORS",
    "JSON_OPERATORS",
    "LIST_OPERATORS",
    "NULL_OPERATORS",
    "ORDER_OPERATORS",
    "TEXT_OPERATORS",
    "SpecificationOperator",
]


class SpecificationOperator(StrEnum):
    """What is asked of a field. The value is the canonical spelling.

    An operator asks about *the values at the path*: none where the field is null or missing, one as a rule, several
    where the path goes through a list. It holds if it holds for at least one of them, and so never for null. The
    opposites ``NE``, ``NOT_IN``, ``IS_NULL`` and ``IS_EMPTY`` hold exactly where their positive does not. There is no
    third answer: ``NOT`` of a condition holds exactly where the condition does not.

    A value of another kind than the one asked for (a number where text is wanted) is never equal, less, or like it:
    the positive operators do not hold. Numbers are one kind whatever their type; a bool is no number; NaN and the
    infinities count as null. Text is compared by code points, nothing is normalised, and case counts unless the name
    starts with I; how case is ignored and what a word is, ``domain.text_matching`` says. Times are points in time
    whatever their zone, and naive ones are in UTC.
    """

    EQ = "="
    """The same value; of null: the field is null. Lists are the same item by item, objects key by key, as JSON."""
    NE = "!="
    """Not ``EQ``; so it holds for null, unless asked of null."""
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="

    IN = "in"
    """``EQ`` to one of these; to nothing, if these are none."""
    NOT_IN = "not_in"
    """Not ``IN``."""
    BETWEEN = "between"
    """From the lower to the upper bound, both included. Bounds in the wrong order have nothing between them."""
    NOT_BETWEEN = "not_between"
    """Below the lower or above the upper bound."""

    CONTAINS_ANY = "contains_any"
    """The field is a list that has at least one of these items."""
    CONTAINS_ALL = "contains_all"
    """The field is a list that has each of these items; if these are none, any list."""

    LIKE = "like"
    """The whole text matches: ``%`` is any run, ``_`` any one character, a backslash takes the next literally."""
    NOT_LIKE = "not_like"
    """It is a text, and not ``LIKE``."""
    ILIKE = "ilike"
    CONTAINS = "contains"
    """The text contains this text, or the list this item."""
    ICONTAINS = "icontains"
    STARTSWITH = "startswith"
    ISTARTSWITH = "istartswith"
    ENDSWITH = "endswith"
    IENDSWITH = "iendswith"
    REGEX = "regex"
    """Some part of the text matches the regular expression, in the dialect of ``domain.regular_expression``."""
    IREGEX = "iregex"

    IS_NULL = "is_null"
    """There is no value: the field is null or missing."""
    IS_NOT_NULL = "is_not_null"
    IS_EMPTY = "is_empty"
    """Null, or a text, list or mapping without content. Zero and false are not empty, nor are texts of spaces."""
    IS_NOT_EMPTY = "is_not_empty"

    JSON_CONTAINS = "json_contains"
    """The document contains this document: objects by keys, lists by items in any order (``json_contains``)."""
    JSON_CONTAINED_BY = "json_contained_by"
    """This document contains the one in the field."""
    JSON_HAS_KEY = "json_has_key"
    """The field is an object that has this key, be its value null."""
    JSON_HAS_ANY = "json_has_any"
    """The field is an object that has at least one of these keys."""
    JSON_HAS_ALL = "json_has_all"
    """The field is an object that has each of these keys."""
    JSON_PATH_EXISTS = "json_path_exists"
    """There is something at the path, be it null: ``"a.b"``, ``'$.a."b.c"'``, or the keys as a list."""

    FTS = "fts"
    """Full-text search: every word of the value occurs among the words of the text."""
    FTS_PHRASE = "fts_phrase"
    """Full-text search: the words occur in this order, one directly behind the other."""

    INTERSECTS = "intersects"
    """They have a point in common. All geometry is plane, in the units of its coordinates."""
    WITHIN = "within"
    """The field lies in the value, and not on its border alone."""
    CONTAINS_GEOM = "contains_geom"
    """The value lies in the field, and not on its border alone."""
    TOUCHES = "touches"
    """They meet at their borders only."""
    CROSSES = "crosses"
    OVERLAPS = "overlaps"
    DISJOINT = "disjoint"
    """They have no point in common."""
    GEOM_EQUALS = "geom_equals"
    """They consist of the same points, however these are listed."""
    DISTANCE_LT = "distance_lt"
    """Nearer than a distance: ``(geometry, distance)``."""
    DWITHIN = "dwithin"
    """At most at a distance: ``(geometry, distance)``."""
    BBOX_INTERSECTS = "bbox_intersects"
    """The bounding box meets ``(min_x, min_y, max_x, max_y)``, be it at the edge."""


_O = SpecificationOperator

NULL_OPERATORS: Final = frozenset({_O.IS_NULL, _O.IS_NOT_NULL, _O.IS_EMPTY, _O.IS_NOT_EMPTY})
"""They take no value."""
EQUALITY_OPERATORS: Final = frozenset({_O.EQ, _O.NE, _O.IN, _O.NOT_IN})
"""They take null too."""
ORDER_OPERATORS: Final = frozenset({_O.GT, _O.GE, _O.LT, _O.LE, _O.BETWEEN, _O.NOT_BETWEEN})
"""They need values that have an order."""
TEXT_OPERATORS: Final = frozenset(
    {
        _O.LIKE,
        _O.NOT_LIKE,
        _O.ILIKE,
        _O.ICONTAINS,
        _O.STARTSWITH,
        _O.ISTARTSWITH,
        _O.ENDSWITH,
        _O.IENDSWITH,
        _O.REGEX,
        _O.IREGEX,
        _O.FTS,
        _O.FTS_PHRASE,
    }
)
"""They ask about text. So does ``CONTAINS``, unless the field is a list."""
LIST_OPERATORS: Final = frozenset({_O.CONTAINS_ANY, _O.CONTAINS_ALL})
"""They ask about a list, as does ``CONTAINS`` of one."""
JSON_OPERATORS: Final = frozenset(
    {
        _O.JSON_CONTAINS,
        _O.JSON_CONTAINED_BY,
        _O.JSON_HAS_KEY,
        _O.JSON_HAS_ANY,
        _O.JSON_HAS_ALL,
        _O.JSON_PATH_EXISTS,
    }
)
"""They ask about an object or list as JSON has it."""
GEOMETRY_OPERATORS: Final = frozenset(
    {
        _O.INTERSECTS,
        _O.WITHIN,
        _O.CONTAINS_GEOM,
        _O.TOUCHES,
        _O.CROSSES,
        _O.OVERLAPS,
        _O.DISJOINT,
        _O.GEOM_EQUALS,
        _O.DISTANCE_LT,
        _O.DWITHIN,
        _O.BBOX_INTERSECTS,
    }
)
"""They ask about GeoJSON."""
