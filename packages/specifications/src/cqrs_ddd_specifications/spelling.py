"""Every way in which users write an operator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from cqrs_ddd_core.domain.condition import SpecificationOperator

__all__ = ["SPELLINGS", "find_operator", "spelling_key"]

_O = SpecificationOperator

SPELLINGS: Final[Mapping[SpecificationOperator, tuple[str, ...]]] = {
    _O.EQ: ("==", "eq", "equals", "equal"),
    _O.NE: ("<>", "ne", "neq", "not_equals", "not_equal", "not_eq"),
    _O.GT: ("gt", "greater_than", "after"),
    _O.GE: ("ge", "gte", "greater_than_or_equal", "at_least"),
    _O.LT: ("lt", "less_than", "before"),
    _O.LE: ("le", "lte", "less_than_or_equal", "at_most"),
    _O.IN: ("one_of", "any_of"),
    _O.NOT_IN: ("nin", "none_of"),
    _O.BETWEEN: ("range",),
    _O.NOT_BETWEEN: (),
    _O.CONTAINS_ANY: ("has_any",),
    _O.CONTAINS_ALL: ("has_all", "all"),
    _O.LIKE: (),
    _O.NOT_LIKE: (),
    _O.ILIKE: (),
    _O.CONTAINS: ("has",),
    _O.ICONTAINS: (),
    _O.STARTSWITH: ("prefix",),
    _O.ISTARTSWITH: (),
    _O.ENDSWITH: ("suffix",),
    _O.IENDSWITH: (),
    _O.REGEX: ("regexp", "matches", "~"),
    _O.IREGEX: ("iregexp", "imatches", "~*"),
    _O.IS_NULL: ("null",),
    _O.IS_NOT_NULL: ("not_null",),
    _O.IS_EMPTY: ("empty",),
    _O.IS_NOT_EMPTY: ("not_empty",),
    _O.JSON_CONTAINS: ("@>",),
    _O.JSON_CONTAINED_BY: ("<@",),
    _O.JSON_HAS_KEY: ("has_key", "?"),
    _O.JSON_HAS_ANY: ("has_any_key", "?|"),
    _O.JSON_HAS_ALL: ("has_all_keys", "?&"),
    _O.JSON_PATH_EXISTS: ("json_path", "path_exists", "@?"),
    _O.FTS: ("full_text", "full_text_search", "search", "@@"),
    _O.FTS_PHRASE: ("phrase", "search_phrase"),
    _O.INTERSECTS: ("st_intersects",),
    _O.WITHIN: ("st_within",),
    _O.CONTAINS_GEOM: ("st_contains", "contains_geometry"),
    _O.TOUCHES: ("st_touches",),
    _O.CROSSES: ("st_crosses",),
    _O.OVERLAPS: ("st_overlaps",),
    _O.DISJOINT: ("st_disjoint",),
    _O.GEOM_EQUALS: ("st_equals", "geometry_equals"),
    _O.DISTANCE_LT: ("nearer_than",),
    _O.DWITHIN: ("st_dwithin", "within_distance"),
    _O.BBOX_INTERSECTS: ("bbox", "&&"),
}
"""What may be written besides the canonical spelling. Case, underscores, hyphens and spaces do not count."""


def spelling_key(text: str) -> str:
    """What is left of a spelling when what does not count is gone: ``"Starts With"`` is ``"startswith"``."""
    return re.sub(r"[\s_-]+", "", text).lower()


_BY_KEY: Final[Mapping[str, SpecificationOperator]] = {
    spelling_key(spelling): operator
    for operator, others in SPELLINGS.items()
    for spelling in (operator.value, operator.name, *others)
}


def find_operator(text: str) -> SpecificationOperator | None:
    """The operator that is spelled like this, or None."""
    return _BY_KEY.get(spelling_key(text))
