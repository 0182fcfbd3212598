"""Columns keep the same on both databases."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.testing.stored_values import EVERY_JSON_VALUE
from cqrs_ddd_persistence_sqlalchemy.column_types import DOCUMENT, KEY, UTCDateTime

kept = Table(
    "kept",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("moment", UTCDateTime),
    Column("document", DOCUMENT),
    Column("key", KEY),
)

MOMENTS = [
    datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
    datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=UTC),
    datetime(2026, 1, 31, 1, 30, 0, 999_999, tzinfo=timezone(timedelta(hours=-11))),
    datetime(2026, 1, 31, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


@pytest.fixture(autouse=True)
async def _kept(engine: AsyncEngine) -> AsyncGenerator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(kept.metadata.create_all)
    yield
    async with engine.begin() as connection:
        await connection.run_sync(kept.metadata.drop_all)


async def store(engine: AsyncEngine, column: str, values: list[Any]) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(kept), [{"id": id_, column: value} for id_, value in enumerate(values)])


async def test_a_moment_comes_back_aware_and_in_utc(engine: AsyncEngine) -> None:
    await store(engine, "moment", [*MOMENTS, None])
    async with engine.connect() as connection:
        found = list((await connection.execute(select(kept.c.moment).order_by(kept.c.id))).scalars())
    assert found == [*MOMENTS, None]
    assert {moment.utcoffset() for moment in found if moment} == {timedelta(0)}


async def test_moments_are_ordered_and_compared_as_time(engine: AsyncEngine) -> None:
    await store(engine, "moment", MOMENTS)
    noon = MOMENTS[0]
    async with engine.connect() as connection:
        found = list((await connection.execute(select(kept.c.moment).order_by(kept.c.moment))).scalars())
        before = list((await connection.execute(select(kept.c.moment).where(kept.c.moment < noon))).scalars())
        same = (await connection.execute(select(kept.c.moment).where(kept.c.moment == noon))).scalar_one()
    assert found == sorted(MOMENTS)
    assert sorted(before) == sorted(moment for moment in MOMENTS if moment < noon)
    assert same == noon


async def test_a_moment_without_a_zone_is_refused(engine: AsyncEngine) -> None:
    with pytest.raises(StatementError, match="time zone"):
        await store(engine, "moment", [datetime(2026, 1, 31)])  # noqa: DTZ001 - that is the mistake


async def test_documents_come_back_as_they_were(engine: AsyncEngine) -> None:
    documents = [EVERY_JSON_VALUE, {}, [], [1, {"two": None}]]
    await store(engine, "document", documents)
    async with engine.connect() as connection:
        found = list((await connection.execute(select(kept.c.document).order_by(kept.c.id))).scalars())
    assert found == documents


async def test_keys_are_ordered_by_their_bytes_whatever_the_locale(engine: AsyncEngine) -> None:
    keys = ["a", "B", "ä", "Z", "_", "10", "9", "a b", "ab", "Ω"]
    await store(engine, "key", keys)
    async with engine.connect() as connection:
        found = list((await connection.execute(select(kept.c.key).order_by(kept.c.key))).scalars())
    assert found == sorted(keys, key=str.encode)
