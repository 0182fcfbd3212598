"""Values as JSON has them: what a document keeps of an object, and how two such values are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter

__all__ = ["NOT_JSON", "json_contains", "json_equal", "json_path_exists", "to_json_value"]


class _NotJson:
    def __repr__(self) -> str:
        return "NOT_JSON"


NOT_JSON: Final = _NotJson()
"""What ``to_json_value`` gives for something that no document can keep."""

# NaN stays NaN, which equals nothing; pydantic would make it null.
_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any, config=ConfigDict(ser_json_inf_nan="constants"))


def to_json_value(value: Any) -> Any:
    """``value`` as a document keeps it: text, number, bool, None, or lists and dicts of these. Never raises.

    Times, decimals and UUIDs become the text that pydantic writes, an enum its value, a set a list, a model a dict.
    What cannot be written gives ``NOT_JSON``.
    """
    if value is None or value.__class__ in {str, int, bool, float}:
        return value
    try:
        return _ANYTHING.dump_python(value, mode="json", warnings=False)
    except (ValueError, TypeError, RecursionError):  # pydantic's serialization error is a ValueError
        return NOT_JSON


def json_equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same: numbers by value, bool is no number, the order of keys does not count."""
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()  # pyright: ignore[reportUnknownMemberType]
            and all(json_equal(item, right[key]) for key, item in left.items())  # pyright: ignore[reportUnknownVariableType]
        )
    if isinstance(left, list):
        return (
            isinstance(right, list)
            and len(left) == len(right)  # pyright: ignore[reportUnknownArgumentType]
            and all(json_equal(one, other) for one, other in zip(left, right, strict=True))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        )
    if isinstance(right, dict | list) or isinstance(left, bool) is not isinstance(right, bool):
        return False
    return bool(left == right)


def json_contains(whole: Any, part: Any) -> bool:
    """Whether ``whole`` has everything that ``part`` has.

    An object contains an object that has some of its keys, with values that are contained in turn. A list contains a
    list if each item of that one is contained in some item of this one, in whatever order and however often. Anything
    else contains what equals it.
    """
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and json_contains(whole[key], item)  # pyright: ignore[reportUnknownArgumentType]
            for key, item in part.items()  # pyright: ignore[reportUnknownVariableType]
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(
            any(json_contains(candidate, item) for candidate in whole)  # pyright: ignore[reportUnknownVariableType]
            for item in part  # pyright: ignore[reportUnknownVariableType]
        )
    return not isinstance(whole, dict | list) and json_equal(whole, part)


def json_path_exists(document: Any, keys: Sequence[str]) -> bool:
    """Whether an object in ``document`` has the last key, reached through the others. Null is something.

    A list on the way stands for its items; a list directly in a list does not.
    """
    places: list[Any] = [document]
    for key in keys:
        objects: list[Any] = []
        for place in places:
            if isinstance(place, list):
                objects += place
            else:
                objects.append(place)
        places = [item[key] for item in objects if isinstance(item, dict) and key in item]
    return bool(places)
