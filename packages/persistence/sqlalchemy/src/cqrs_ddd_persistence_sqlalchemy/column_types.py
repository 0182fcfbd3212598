"""The column types that all tables of the toolkit share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, override

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, Text, TypeDecorator
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

__all__ = ["DOCUMENT", "KEY", "POSITION", "UTCDateTime", "from_utc_text", "to_utc_text"]

KEY: Final[TypeEngine[str]] = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""Text that is looked up and never sorted for people: compared by its bytes on every database, whatever its locale."""

DOCUMENT: Final[TypeEngine[Any]] = JSON().with_variant(postgresql.JSONB(), "postgresql")
"""A JSON value: JSONB on PostgreSQL, JSON text on SQLite."""

POSITION: Final[TypeEngine[int]] = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database counts up. SQLite counts only columns that are called INTEGER; they have 64 bits too."""


class UTCDateTime(TypeDecorator[datetime]):
    """A moment: timezone-aware in, timezone-aware UTC out, with microseconds, on every database.

    ``timestamptz`` on PostgreSQL. On SQLite text of one fixed width, so that its order is the order of time:
    ``2026-01-31T12:00:00.000000+00:00``.
    """

    impl = DateTime
    cache_ok = True

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(Text())

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return _in_utc(value) if dialect.name == "postgresql" else to_utc_text(value)

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if not isinstance(value, datetime):
            return from_utc_text(value)
        # The last moment that Python knows comes back as PostgreSQL's infinity, which has no zone.
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def to_utc_text(time: datetime) -> str:
    """The text in which SQLite keeps a moment. Raises ``ValueError`` for a time without a zone."""
    return _in_utc(time).isoformat(timespec="microseconds")


def from_utc_text(text: str) -> datetime:
    """The moment that ``to_utc_text`` wrote."""
    return datetime.fromisoformat(text)


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError(f"A stored time needs a time zone, found {time!r}. Write datetime.now(UTC), or use utc_now().")
    return time.astimezone(UTC)
