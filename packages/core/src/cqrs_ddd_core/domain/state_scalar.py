"""How single values become JSON and come back: the part of the state's codecs that knows no containers and classes."""

from __future__ import annotations

import base64
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, override
from uuid import UUID

from pydantic import SecretBytes, SecretStr

__all__ = [
    "DATE",
    "DATETIME",
    "DECIMAL",
    "PLAIN",
    "SCALARS",
    "TAGGED",
    "TAGS",
    "TIME",
    "UUID_TEXT",
    "Boolean",
    "Codec",
    "Integer",
    "Nothing",
    "Scalar",
    "StateProblem",
    "Text",
    "decode_items",
    "encode_items",
    "not_finite",
    "storable_text",
    "wrong",
]

NONE = type(None)
PLAIN: Final[frozenset[type[Any]]] = frozenset({str, int, bool, NONE})
"""Types that are the same in JSON and in Python."""
_MICROSECOND: Final = timedelta(microseconds=1)


class StateProblem(Exception):
    """Why a value cannot be stored or read; containers put the path in front on the way out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []

    def under(self, step: object) -> StateProblem:
        """The same problem, seen from one level further out."""
        self.path.insert(0, f"[{step}]" if isinstance(step, int) else f".{step}")
        return self


class Codec(ABC):
    """One type, to JSON and back. ``root`` is the class whose state is stored: it decides what names mean.

    ``exact`` are the types that pass unchanged in both directions, so that callers can leave out the call.
    """

    exact: frozenset[type[Any]] = frozenset()

    @abstractmethod
    def encode(self, value: Any, root: type[Any]) -> Any:
        """JSON data that shares nothing mutable with ``value``. Raises ``StateProblem``."""

    @abstractmethod
    def decode(self, data: Any, root: type[Any]) -> Any:
        """A value that shares nothing mutable with ``data``. Raises ``StateProblem``."""


def wrong(wanted: str, value: Any) -> StateProblem:
    text = repr(value)
    return StateProblem(f"declared as {wanted}, found {type(value).__name__} {text[:80]}{'…' * (len(text) > 80)}")


def storable_text(value: str) -> str:
    """The same text. Raises ``StateProblem`` for what databases refuse although JSON has a word for it."""
    if "\0" in value:
        raise StateProblem("the text contains the character NUL, which databases refuse")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise StateProblem("the text contains half of a surrogate pair, which has no form in UTF-8") from None
    return value


def encode_items(items: Iterable[Any], codec: Codec, root: type[Any]) -> list[Any]:
    values = list(items)
    kinds = set(map(type, values))
    if kinds <= codec.exact and str not in kinds:
        return values
    encoded: list[Any] = []
    for index, value in enumerate(values):
        try:
            encoded.append(codec.encode(value, root))
        except StateProblem as problem:
            raise problem.under(index) from None
    return encoded


def decode_items(data: Any, codec: Codec, root: type[Any]) -> list[Any]:
    if not isinstance(data, list):
        raise wrong("a list", data)
    values: list[Any] = list(data)  # pyright: ignore[reportUnknownArgumentType]
    if set(map(type, values)) <= codec.exact:
        return values
    decoded: list[Any] = []
    for index, value in enumerate(values):
        try:
            decoded.append(codec.decode(value, root))
        except StateProblem as problem:
            raise problem.under(index) from None
    return decoded


# ---------------------------------------------------------------------------------------------------- plain values


class Scalar(Codec):
    """A type with one way to JSON and one way back."""

    def __init__(
        self, cls: type[Any], to_json: Callable[[Any], Any], from_json: Callable[[Any], Any], wanted: str | None = None
    ) -> None:
        self._cls, self._to_json, self._from_json = cls, to_json, from_json
        self._wanted = wanted or cls.__name__

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if not isinstance(value, self._cls):
            raise wrong(self._wanted, value)
        return self._to_json(value)

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        try:
            return self._from_json(data)
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            raise wrong(self._wanted, data) from None


class Text(Codec):
    """Text that databases take."""

    exact = frozenset({str})

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if not isinstance(value, str):
            raise wrong("str", value)
        return storable_text(str.__str__(value))

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        if not isinstance(data, str):
            raise wrong("str", data)
        return data


class Integer(Codec):
    """Whole numbers of any size."""

    exact = frozenset({int})

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
            return int(value)
        raise wrong("int", value)

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        # Some stores have only one type of number.
        if isinstance(data, float) and data.is_integer():
            return int(data)
        if not isinstance(data, int) or isinstance(data, bool):
            raise wrong("int", data)
        return data


class Boolean(Codec):
    """True and false."""

    exact = frozenset({bool})

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if not isinstance(value, bool):
            raise wrong("bool", value)
        return value

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        if not isinstance(data, bool):
            raise wrong("bool", data)
        return data


class Nothing(Codec):
    """None."""

    exact = frozenset({NONE})

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if value is not None:
            raise wrong("None", value)

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        if data is not None:
            raise wrong("None", data)


_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


class _Float(Codec):
    """JSON has no word for the three floats that are not finite: they are text."""

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if type(value) is float and math.isfinite(value):
            return value
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else not_finite(value)
        if isinstance(value, int) and _is_float(value):
            return float(value)
        raise wrong("float", value)

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        if isinstance(data, float):
            return data
        if isinstance(data, int) and not isinstance(data, bool):
            return float(data)
        if isinstance(data, str) and data in _NOT_FINITE:
            return _NOT_FINITE[data]
        raise wrong("float", data)


def _is_float(value: int) -> bool:
    try:
        return float(value) == value
    except OverflowError:
        return False


def _decimal_from(data: Any) -> Decimal:
    if isinstance(data, float | bool):
        raise TypeError
    return Decimal(data)


def _datetime_to(value: datetime) -> str:
    """In UTC with six digits, so that the order of the texts is the order of the times. Naive ones stay naive."""
    if value.tzinfo is not None:
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise StateProblem(f"{value} is outside of the years 1 to 9999 in UTC") from None
    return datetime.isoformat(value, timespec="microseconds")


def _time_to(value: time) -> str:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise StateProblem(
            "a time of day has no offset without a date: store the name of the zone in a field of its own"
        )
    return value.isoformat(timespec="microseconds")


class _Date(Codec):
    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if not isinstance(value, date) or isinstance(value, datetime):
            raise wrong("date", value)
        return date.isoformat(value)

    @override
    def decode(self, data: Any, root: type[Any]) -> Any:
        try:
            return date.fromisoformat(data)
        except (TypeError, ValueError):
            raise wrong("date", data) from None


class _Decimal(Scalar):
    def __init__(self) -> None:
        super().__init__(Decimal, str, _decimal_from)

    @override
    def encode(self, value: Any, root: type[Any]) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return super().encode(value, root)


_TEXT: Final = Text()
_INTEGER: Final = Integer()
_BOOLEAN: Final = Boolean()
_NOTHING: Final = Nothing()
_FLOAT: Final = _Float()
DECIMAL: Final = _Decimal()
DATE: Final = _Date()
DATETIME: Final = Scalar(datetime, _datetime_to, datetime.fromisoformat)
TIME: Final = Scalar(time, _time_to, time.fromisoformat)
_TIMEDELTA: Final = Scalar(timedelta, lambda value: value // _MICROSECOND, lambda data: timedelta(microseconds=data))
UUID_TEXT: Final = Scalar(UUID, str, lambda data: data if isinstance(data, UUID) else UUID(data))
_BYTES: Final = Scalar(
    bytes, lambda value: base64.b64encode(value).decode("ascii"), lambda data: base64.b64decode(data, validate=True)
)
_BYTEARRAY: Final = Scalar(
    bytearray,
    lambda value: base64.b64encode(value).decode("ascii"),
    lambda data: bytearray(base64.b64decode(data, validate=True)),
)

SCALARS: Final[Mapping[Any, Codec]] = {
    str: _TEXT,
    int: _INTEGER,
    bool: _BOOLEAN,
    NONE: _NOTHING,
    None: _NOTHING,
    float: _FLOAT,
    Decimal: DECIMAL,
    date: DATE,
    datetime: DATETIME,
    time: TIME,
    timedelta: _TIMEDELTA,
    UUID: UUID_TEXT,
    bytes: _BYTES,
    bytearray: _BYTEARRAY,
    # pydantic shows stars instead of a secret; a state that comes back as stars is lost.
    SecretStr: Scalar(SecretStr, SecretStr.get_secret_value, SecretStr),
    SecretBytes: Scalar(
        SecretBytes,
        lambda value: base64.b64encode(value.get_secret_value()).decode("ascii"),
        lambda data: SecretBytes(base64.b64decode(data, validate=True)),
    ),
}

TAGGED: Final[Mapping[type[Any], tuple[str, Codec]]] = {
    Decimal: ("decimal", DECIMAL),
    datetime: ("datetime", DATETIME),
    date: ("date", DATE),
    time: ("time", TIME),
    timedelta: ("timedelta", _TIMEDELTA),
    UUID: ("uuid", UUID_TEXT),
    bytes: ("bytes", _BYTES),
    bytearray: ("bytearray", _BYTEARRAY),
}
TAGS: Final[Mapping[str, Codec]] = {**dict(TAGGED.values()), "float": _FLOAT}
