"""The value of a condition: in one form for each operator, checked, and nobody else's to change."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ValidationError

from cqrs_ddd_core.domain.json_value import NOT_JSON, to_json_value
from cqrs_ddd_core.domain.regular_expression import parse_regular_expression
from cqrs_ddd_core.domain.spatial import SpatialMixin
from cqrs_ddd_core.domain.specification_operator import (
    EQUALITY_OPERATORS,
    LIST_OPERATORS,
    NULL_OPERATORS,
    SpecificationOperator,
)
from cqrs_ddd_core.domain.text_matching import LikePattern, words
from cqrs_ddd_core.primitives.exceptions import SpecificationValueError

__all__ = ["LARGEST_INTEGER", "checked_scalar", "checked_value", "shown"]

LARGEST_INTEGER: Final = 2**63 - 1
"""Whole numbers reach from minus this, minus one, to this: what databases have room for."""
_LONGEST_NUMBER: Final = 1000
_DEEPEST_VALUE: Final = 32

type Scalar = str | bool | int | float | Decimal | datetime | date | time | timedelta | UUID


def checked_value(field: str, operator: SpecificationOperator | str, value: Any) -> Any:
    """``value`` in the form that the operator takes; of a custom operator, as it is.

    - ``=``, ``!=``: a scalar (text, bool, number, date, datetime, time, timedelta or UUID), None, a list or dict of
      these, a model or a dataclass
    - ``in``, ``not_in``: a tuple of these
    - ``<`` and the like: a scalar; ``between``: a tuple of two
    - ``contains``: as for ``=``, but not None; ``contains_any``, ``contains_all``: a tuple of these
    - text operators, regular expressions and full text: a text
    - ``json_contains``, ``json_contained_by``: a dict or list of JSON; ``json_has_key``: a text; ``json_has_any``,
      ``json_has_all``, ``json_path_exists``: a tuple of texts
    - geometry: GeoJSON as a dict; with a distance a tuple ``(dict, number)``; ``bbox_intersects``: a tuple of four
    - ``is_null`` and the like: None

    An enum becomes its value. Raises ``SpecificationValueError``.
    """
    if not isinstance(operator, SpecificationOperator):
        return value
    try:
        return _FORMS[operator](value)
    except ValueError as error:
        raise SpecificationValueError(field, operator.value, str(error)) from None


def shown(value: Any) -> str:
    """A value as error messages show it: not at any length."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


# ------------------------------------------------------------------------------------------------------- scalars


def _problem(reason: str) -> ValueError:
    """One kind of error for whatever is wrong, the type of the value included."""
    return ValueError(reason)


def checked_scalar(value: Any) -> Scalar:
    """A single value that every backend can be asked for. Raises ``ValueError`` that says what is wrong."""
    while isinstance(value, Enum):
        value = value.value
    match value:
        case None:
            raise _problem("it needs a value; is_null and is_not_null ask for null")
        case str():
            return _text(value)
        case bool() | datetime() | date() | time() | timedelta() | UUID():
            return value
        case int():
            return _integer(value)
        case float():
            if not math.isfinite(value):
                raise _problem(f"it wants a finite number, found {value}")
            return float(value)
        case Decimal():
            return _decimal(value)
        case _:
            raise _problem(f"it wants one value (text, number, bool, time or UUID), found {shown(value)}")


def _text(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if not isinstance(value, str):
        raise _problem(f"it wants text, found {shown(value)}")
    if "\0" in value:
        raise _problem("the text has the character NUL in it, which databases refuse")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _problem("the text has half of a surrogate pair in it, which has no form in UTF-8") from None
    return str.__str__(value)


def _integer(value: int) -> int:
    if not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
        raise _problem("it wants a whole number of at most 64 bits")
    return int(value)


def _decimal(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise _problem(f"it wants a finite number, found {value}")
    if len(value.as_tuple().digits) > _LONGEST_NUMBER or abs(value.adjusted()) > _LONGEST_NUMBER:
        raise _problem(f"it wants a number of at most {_LONGEST_NUMBER} digits")
    return value


def _one(value: Any) -> Any:
    """A scalar, or a private copy of a list, dict, model or dataclass of such."""
    return _copied(value, 0)


def _one_or_null(value: Any) -> Any:
    return None if value is None else _one(value)


def _copied(value: Any, depth: int) -> Any:
    if depth > _DEEPEST_VALUE:
        raise _problem(f"the value is nested deeper than {_DEEPEST_VALUE} levels")
    if isinstance(value, Mapping):
        return {_text(key): _copied_or_null(item, depth) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple | AbstractSet):
        return [_copied_or_null(item, depth) for item in _items(value)]  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        if to_json_value(value) is NOT_JSON:
            raise _problem(f"it wants a value that JSON has, found {shown(value)}")
        return copy.deepcopy(value)  # pyright: ignore[reportUnknownVariableType]
    return checked_scalar(value)


def _copied_or_null(value: Any, depth: int) -> Any:
    return None if value is None else _copied(value, depth + 1)


# ---------------------------------------------------------------------------------------------------- collections


def _items(value: Any) -> list[Any]:
    if isinstance(value, AbstractSet):
        return sorted(value, key=repr)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise _problem(f"it wants a list of values, found {shown(value)}")
    return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(_one(item) for item in _items(value))


def _several_or_null(value: Any) -> tuple[Any, ...]:
    return tuple(_one_or_null(item) for item in _items(value))


def _bounds(value: Any) -> tuple[Any, Any]:
    bounds = _items(value)
    if len(bounds) != 2:
        raise _problem(f"it wants two bounds, the lower and the upper, found {len(bounds)} values")
    return _ordered(bounds[0]), _ordered(bounds[1])


def _ordered(value: Any) -> Scalar:
    scalar = checked_scalar(value)
    if isinstance(scalar, bool):
        raise _problem(f"it wants a value that has an order, found {scalar}")
    return scalar


def _nothing(value: Any) -> None:
    # True is what callers pass who have to pass something.
    if value is not None and value is not True:
        raise _problem(f"it takes no value, found {shown(value)}; for the opposite there is an operator of its own")


# ----------------------------------------------------------------------------------------------------------- text


def _like(value: Any) -> str:
    pattern = _text(value)
    LikePattern(pattern)
    return pattern


def _regex(value: Any) -> str:
    pattern = _text(value)
    parse_regular_expression(pattern)
    return pattern


def _search(value: Any) -> str:
    text = _text(value)
    if not words(text):
        raise _problem(f"it wants at least one word to look for, found {shown(text)}")
    return text


# ----------------------------------------------------------------------------------------------------------- JSON


def _document(value: Any) -> Any:
    if isinstance(value, str):
        raise _problem("it wants an object or a list, found text: give the JSON as a value, not as text")
    found = to_json_value(_one(value))
    if not isinstance(found, dict | list):
        raise _problem(f"it wants an object or a list, found {shown(value)}")
    return found  # pyright: ignore[reportUnknownVariableType]


def _keys(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in _items(value))


def _json_path(value: Any) -> tuple[str, ...]:
    keys = tuple(_path_keys(_text(value))) if isinstance(value, str) else _keys(value)
    if not keys or len(keys) > _DEEPEST_VALUE:
        raise _problem(f"a path has 1 to {_DEEPEST_VALUE} keys, found {len(keys)}")
    return keys


def _path_keys(path: str) -> Iterable[str]:
    """The keys of ``a.b``, ``$.a.b`` or ``$."a.b"``."""
    rest = path.removeprefix("$.")
    while True:
        quoted = rest.startswith('"')
        if quoted:
            key, closing, rest = rest[1:].partition('"')
            if not closing or (rest and not rest.startswith(".")):
                raise _problem(f"the path {shown(path)} has a quote that is not closed before the next dot")
        else:
            key, dot, tail = rest.partition(".")
            rest = dot + tail
        if not key or (not quoted and any(sign in key for sign in "$[]*")):
            raise _problem(f"a path is keys with dots between them, as in '$.a.\"b.c\"', found {shown(path)}")
        yield key
        if not rest:
            return
        rest = rest[1:]


# ------------------------------------------------------------------------------------------------------- geometry


def _geometry(value: Any) -> dict[str, Any]:
    value = getattr(value, "__geo_interface__", value)
    plain = to_json_value(value)
    if isinstance(plain, dict):
        try:
            geometry = SpatialMixin.model_validate({"geom": plain}).geom
        except ValidationError as error:
            raise _problem(f"it wants a GeoJSON geometry: {error.errors()[0]['msg']}") from None
        assert geometry is not None
        return geometry.model_dump(mode="json", exclude_none=True)
    raise _problem(f"it wants a GeoJSON geometry, found {shown(value)}")


def _geometry_and_distance(value: Any) -> tuple[dict[str, Any], float]:
    pair = _items(value)
    if len(pair) != 2:
        raise _problem(f"it wants a geometry and a distance, found {len(pair)} values")
    distance = _number(pair[1])
    if distance < 0:
        raise _problem(f"a distance is 0 or more, found {distance}")
    return _geometry(pair[0]), distance


def _box(value: Any) -> tuple[float, float, float, float]:
    numbers = [_number(item) for item in _items(value)]
    if len(numbers) != 4:
        raise _problem(f"it wants min_x, min_y, max_x and max_y, found {len(numbers)} values")
    min_x, min_y, max_x, max_y = numbers
    if min_x > max_x or min_y > max_y:
        raise _problem(f"the minima of a box are not above its maxima, found {shown(tuple(numbers))}")
    return min_x, min_y, max_x, max_y


def _number(value: Any) -> float:
    scalar = checked_scalar(value)
    if isinstance(scalar, bool) or not isinstance(scalar, int | float | Decimal):
        raise _problem(f"it wants a number, found {shown(value)}")
    return float(scalar)


_O = SpecificationOperator
_FORMS: Final[Mapping[SpecificationOperator, Callable[[Any], Any]]] = {
    # First what most operators of a group take, then the exceptions.
    **dict.fromkeys(_O, _geometry),
    **dict.fromkeys(NULL_OPERATORS, _nothing),
    **dict.fromkeys(EQUALITY_OPERATORS, _one_or_null),
    **dict.fromkeys((_O.IN, _O.NOT_IN), _several_or_null),
    **dict.fromkeys((_O.GT, _O.GE, _O.LT, _O.LE), _ordered),
    **dict.fromkeys((_O.BETWEEN, _O.NOT_BETWEEN), _bounds),
    **dict.fromkeys(LIST_OPERATORS, _several),
    _O.CONTAINS: _one,
    **dict.fromkeys((_O.LIKE, _O.NOT_LIKE, _O.ILIKE), _like),
    **dict.fromkeys((_O.ICONTAINS, _O.STARTSWITH, _O.ISTARTSWITH, _O.ENDSWITH, _O.IENDSWITH), _text),
    **dict.fromkeys((_O.REGEX, _O.IREGEX), _regex),
    **dict.fromkeys((_O.FTS, _O.FTS_PHRASE), _search),
    **dict.fromkeys((_O.JSON_CONTAINS, _O.JSON_CONTAINED_BY), _document),
    _O.JSON_HAS_KEY: _text,
    **dict.fromkeys((_O.JSON_HAS_ANY, _O.JSON_HAS_ALL), _keys),
    _O.JSON_PATH_EXISTS: _json_path,
    **dict.fromkeys((_O.DISTANCE_LT, _O.DWITHIN), _geometry_and_distance),
    _O.BBOX_INTERSECTS: _box,
}
