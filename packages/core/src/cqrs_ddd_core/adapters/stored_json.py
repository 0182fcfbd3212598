"""JSON as databases keep it: what they could not keep is refused before anything is stored."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from cqrs_ddd_core.primitives.exceptions import InvalidPayloadError

__all__ = ["from_json", "to_json"]


def to_json(value: object, *, kind: str, name: str, field: str = "payload") -> str:
    """``value`` as JSON text. Tuples become lists, as in JSON.

    Raises ``InvalidPayloadError`` for what no JSON text can say (dates, decimals, UUIDs, bytes, sets, objects, NaN and
    infinity, keys that are not text) and for text that databases refuse (lone surrogates, the character NUL). ``kind``,
    ``name`` and ``field`` say in the message whose data it was: ``to_json(…, kind="event", name="OrderPlaced")``.
    """
    try:
        # Not the encoder alone: it turns keys that are no text into text, and writes NaN.
        return _encode(_plain(value, field))
    except _Refusal as refusal:
        raise InvalidPayloadError(kind, name, str(refusal)) from None
    except RecursionError:
        raise InvalidPayloadError(kind, name, f"{field} is nested too deeply, or contains itself") from None


def from_json(text: str) -> Any:
    """The value of a text that ``to_json`` made: a new one each time, so that no reader can change what is stored."""
    return json.loads(text)


# Made once: json.dumps makes a new encoder for each call with such settings.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _Refusal(Exception):
    """What is wrong, on its way out of the recursion."""


def _plain(value: Any, path: str) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _Refusal(f"{path} is {value!r}, and JSON has finite numbers only")
        return value
    if isinstance(value, Mapping):
        return {_key(key, path): _plain(item, f"{path}.{key}") for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise _Refusal(
        f"{path} is a {value.__class__.__name__}, which JSON does not have: store it as text, "
        "as model_dump(mode='json') does"
    )


def _key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise _Refusal(f"{path} has the key {key!r}; the keys of JSON objects are text")
    return _text(key, path)


def _text(text: str, path: str) -> str:
    if "\x00" in text:
        raise _Refusal(f"{path} has the character NUL in it, which PostgreSQL cannot store")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Refusal(
                f"{path} has half a character in it (a lone surrogate): it cannot be stored as UTF-8"
            ) from None
    return text
