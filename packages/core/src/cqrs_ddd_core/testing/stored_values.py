"""Values for trying out what a store keeps, and what it has to refuse."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

__all__ = ["EVERY_JSON_VALUE", "NO_JSON_VALUES"]

EVERY_JSON_VALUE: Final[dict[str, Any]] = {
    "text": "plain",
    "scripts": "žluťoučký kůň, 日本語, עברית, 🦄 \u200b\u2028",
    "escapes": "quote \" ' backslash \\ newline \n tab \t %s {} $1 ?",
    "empty text": "",
    "number": 42,
    "negative": -7,
    "zero": 0,
    "exact in 64 bits only": 2**53 + 1,
    "fraction": 0.1,
    "true": True,
    "false": False,
    "nothing": None,
    "list": [1, "two", None, [], {}],
    "object": {"deep": {"deeper": {"deepest": [{"end": True}]}}},
    "empty list": [],
    "empty object": {},
    "decimal as text": "12345678901234567890.123456789",
    "uuid as text": "0190a3f4-5b6c-7d8e-9f00-112233445566",
    "time as text": "2026-01-01T12:00:00.123456Z",
    "dotted.name": 1,
    "$dollar": 2,
    "": "empty name",
    "_id": "not the key",
    "имя": "name",
}
"""An object with something of everything that JSON has, and names that some databases give a meaning to."""

NO_JSON_VALUES: Final[list[Any]] = [
    Decimal("1.50"),
    UUID(int=1),
    datetime(2026, 1, 1, tzinfo=UTC),
    date(2026, 1, 1),
    {"a", "set"},
    b"bytes",
    math.nan,
    math.inf,
    1 + 2j,
    object(),
    {1: "a key that is no text"},
    {None: "a key that is no text"},
    "half a character: \ud83e",
]
"""Things that Python has and JSON does not; a store refuses each of them before anything is stored."""
