"""JSON objects on their way into and out of columns, by the encoder that pydantic brings along.

It is several times as quick as the one of the standard library. It would also write what is no JSON value, such as
dates, so values are looked at first; what is not plain goes to core's encoder, which knows the words of every refusal.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

from pydantic import TypeAdapter

from cqrs_ddd_core.adapters.stored_json import to_json

__all__ = ["decode", "encode"]

_ANY: Final[TypeAdapter[Any]] = TypeAdapter(Any)
_write: Final = _ANY.serializer.to_json

decode: Final = _ANY.validator.validate_json
"""A new value from the JSON text of a column."""


def encode(document: dict[str, Any], *, kind: str, name: str, field: str) -> str:
    """``document`` as JSON text, for a column. Raises ``InvalidPayloadError`` as core's ``to_json`` does."""
    if not document:
        return "{}"
    if _is_plain(document):
        try:
            text = _write(document)
        except ValueError:  # half a character
            return to_json(document, kind=kind, name=name, field=field)
        # The character NUL is written like this. So is a backslash before "u0000": that is for core to tell apart.
        if b"\\u0000" not in text:
            return text.decode()
    return to_json(document, kind=kind, name=name, field=field)


def _is_plain(value: Any) -> bool:
    kind = value.__class__
    if kind is dict:
        for key, item in value.items():
            if key.__class__ is not str:
                return False
            kind = item.__class__
            if kind is not str and kind is not int and not _is_plain(item):
                return False
        return True
    if kind is list:
        return all(_is_plain(item) for item in value)
    return value is None or kind is str or kind is int or kind is bool or (kind is float and isfinite(value))
