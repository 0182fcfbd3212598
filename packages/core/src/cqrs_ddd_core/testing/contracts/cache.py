"""What every cache promises."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field

from cqrs_ddd_core.ports.cache import ICacheService
from cqrs_ddd_core.primitives.exceptions import SerializationError
from cqrs_ddd_core.testing.adapter_contract import AdapterContract
from cqrs_ddd_core.testing.stored_values import EVERY_JSON_VALUE, NO_JSON_VALUES

__all__ = ["CacheContract"]

_LONG: Final = 300.0
"""Seconds. Longer than any test."""


class _Price(BaseModel):
    model_config = ConfigDict(frozen=True)

    amount: Decimal
    currency: str = "EUR"


class _Article(BaseModel):
    """Something of everything that pydantic turns into JSON and back."""

    id: UUID
    name: str
    prices: dict[str, _Price]
    seen_at: datetime
    tags: set[str] = Field(default_factory=set[str])


class _StricterArticle(BaseModel):
    """What a later release made of it: old values do not fit any more."""

    id: UUID
    weight: int


_ARTICLE: Final = _Article(
    id=UUID(int=7),
    name="Žluťoučký kůň",
    prices={"net": _Price(amount=Decimal("12.30"))},
    seen_at=datetime(2025, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC),
    tags={"new", "red"},
)


class CacheContract(AdapterContract):
    """What was put in comes out as it was, for a time, or not at all.

    Give ``cache``, without any data. A cache may forget at any moment; it must not while these tests run.
    """

    @pytest.fixture
    @abstractmethod
    def cache(self) -> ICacheService:
        raise NotImplementedError("give the fixture cache")

    async def _let_values_run_out(self) -> None:
        await self.pass_time(self.short_hold + self.instant)

    # ------------------------------------------------------------------ values

    @pytest.mark.parametrize("value", [*EVERY_JSON_VALUE.values(), EVERY_JSON_VALUE, [1, "two", {"three": [3.5]}]])
    async def test_a_json_value_comes_back_as_it_was(self, cache: ICacheService, value: Any) -> None:
        await cache.set("key", value, ttl=_LONG)
        found = await cache.get("key")
        assert found == value
        assert type(found) is type(value)

    async def test_a_model_comes_back_as_an_object(self, cache: ICacheService) -> None:
        await cache.set("key", _ARTICLE, ttl=_LONG)
        assert await cache.get("key", _Article) == _ARTICLE

    async def test_a_model_comes_back_as_json_when_no_class_is_named(self, cache: ICacheService) -> None:
        await cache.set("key", _ARTICLE, ttl=_LONG)
        found: Any = await cache.get("key")
        assert found == {**_ARTICLE.model_dump(mode="json"), "tags": found["tags"]}
        assert sorted(found["tags"]) == ["new", "red"]

    async def test_json_that_fits_comes_back_as_an_object(self, cache: ICacheService) -> None:
        await cache.set("key", _ARTICLE.model_dump(mode="json"), ttl=_LONG)
        assert await cache.get("key", _Article) == _ARTICLE

    async def test_other_classes_than_models_are_validated_too(self, cache: ICacheService) -> None:
        await cache.set("number", 7, ttl=_LONG)
        await cache.set("text", "seven", ttl=_LONG)
        assert await cache.get("number", int) == 7
        assert await cache.get("text", int) is None
        assert await cache.get("text", str) == "seven"

    async def test_what_does_not_fit_any_more_counts_as_none(self, cache: ICacheService) -> None:
        await cache.set("key", _ARTICLE, ttl=_LONG)
        assert await cache.get("key", _StricterArticle) is None
        assert await cache.get_batch(["key"], _StricterArticle) == {}

    async def test_there_is_nothing_under_an_unknown_key(self, cache: ICacheService) -> None:
        await cache.set("key", 1, ttl=_LONG)
        assert await cache.get("other") is None
        assert await cache.get("other", _Article) is None
        assert await cache.get("ke") is None

    @pytest.mark.parametrize(
        "key", ["with space", "a:b:c", "slash/and?query=1", "žluťoučký-日本語-🦄", "x" * 500, "*[a]?"]
    )
    async def test_a_key_is_any_text(self, cache: ICacheService, key: str) -> None:
        await cache.set(key, 1, ttl=_LONG)
        await cache.set(f"{key}!", 2, ttl=_LONG)
        assert await cache.get(key) == 1
        assert await cache.get_batch([key]) == {key: 1}
        assert await cache.delete(key) is True
        assert await cache.get(f"{key}!") == 2

    async def test_a_value_is_replaced(self, cache: ICacheService) -> None:
        await cache.set("key", {"a": 1}, ttl=_LONG)
        await cache.set("key", [2], ttl=_LONG)
        assert await cache.get("key") == [2]

    async def test_what_is_kept_cannot_be_changed_from_outside(self, cache: ICacheService) -> None:
        value: dict[str, Any] = {"items": [1]}
        await cache.set("key", value, ttl=_LONG)
        await cache.set("model", _ARTICLE.model_copy(deep=True), ttl=_LONG)
        value["items"].append("changed")
        read: Any = await cache.get("key")
        read["items"].append("changed")
        found = await cache.get("model", _Article)
        assert found is not None
        found.tags.add("changed")
        assert await cache.get("key") == {"items": [1]}
        assert await cache.get("model", _Article) == _ARTICLE

    @pytest.mark.parametrize("value", NO_JSON_VALUES)
    async def test_what_json_does_not_have_is_refused(self, cache: ICacheService, value: Any) -> None:
        with pytest.raises(SerializationError, match="key"):
            await cache.set("key", value, ttl=_LONG)
        with pytest.raises(SerializationError, match="key"):
            await cache.set_batch({"good": 1, "key": {"inner": [value]}}, ttl=_LONG)
        assert await cache.get_batch(["good", "key"]) == {}

    # ------------------------------------------------------------------ time

    async def test_a_value_lives_for_its_time(self, cache: ICacheService) -> None:
        ttl = self.short_hold.total_seconds()
        await cache.set("short", 1, ttl=ttl)
        await cache.set("long", 2, ttl=_LONG)
        await cache.set("unlimited", 3)
        assert await cache.get("short") == 1
        await self._let_values_run_out()
        assert await cache.get("short") is None
        assert await cache.get_batch(["short", "long", "unlimited"]) == {"long": 2, "unlimited": 3}
        assert await cache.delete("short") is False

    async def test_values_of_a_batch_live_for_their_time(self, cache: ICacheService) -> None:
        await cache.set_batch({"a": 1, "b": 2}, ttl=self.short_hold.total_seconds())
        await cache.set_batch({"c": 3})
        assert await cache.get_batch(["a", "b", "c"]) == {"a": 1, "b": 2, "c": 3}
        await self._let_values_run_out()
        assert await cache.get_batch(["a", "b", "c"]) == {"c": 3}

    async def test_a_new_value_has_a_new_time(self, cache: ICacheService) -> None:
        await cache.set("longer", 1, ttl=self.short_hold.total_seconds())
        await cache.set("longer", 2, ttl=_LONG)
        await cache.set("unlimited", 1, ttl=self.short_hold.total_seconds())
        await cache.set("unlimited", 2)
        await cache.set("shorter", 1, ttl=_LONG)
        await cache.set("shorter", 2, ttl=self.short_hold.total_seconds())
        await self._let_values_run_out()
        assert await cache.get_batch(["longer", "unlimited", "shorter"]) == {"longer": 2, "unlimited": 2}

    async def test_reading_a_value_does_not_prolong_it(self, cache: ICacheService) -> None:
        await cache.set("key", 1, ttl=2 * self.short_hold.total_seconds())
        await self.pass_time(self.short_hold)
        assert await cache.get("key") == 1
        await self._let_values_run_out()
        assert await cache.get("key") is None

    async def test_a_time_below_a_second_counts(self, cache: ICacheService) -> None:
        await cache.set("key", 1, ttl=self.short_hold.total_seconds() + 0.25)
        assert await cache.get("key") == 1

    @pytest.mark.parametrize("ttl", [0.0, -1.0, float("nan"), float("inf")])
    async def test_no_time_is_refused(self, cache: ICacheService, ttl: float) -> None:
        with pytest.raises(ValueError, match="ttl"):
            await cache.set("key", 1, ttl=ttl)
        with pytest.raises(ValueError, match="ttl"):
            await cache.set_batch({"key": 1}, ttl=ttl)
        assert await cache.get("key") is None

    # ------------------------------------------------------------------ several at once, and away

    async def test_a_batch_gives_what_is_there(self, cache: ICacheService) -> None:
        await cache.set_batch({"a": 1, "b": _ARTICLE}, ttl=_LONG)
        assert await cache.get("a") == 1
        assert await cache.get("b", _Article) == _ARTICLE
        found = await cache.get_batch(["b", "missing"], _Article)
        assert found == {"b": _ARTICLE}
        assert await cache.get_batch([]) == {}
        assert await cache.get_batch(key for key in ("a", "a", "missing")) == {"a": 1}
        await cache.set_batch({}, ttl=_LONG)

    async def test_deleting_says_whether_there_was_something(self, cache: ICacheService) -> None:
        await cache.set("key", 1, ttl=_LONG)
        assert await cache.delete("key") is True
        assert await cache.get("key") is None
        assert await cache.delete("key") is False

    async def test_deleting_several_says_how_many_there_were(self, cache: ICacheService) -> None:
        await cache.set_batch({"a": 1, "b": 2, "c": 3}, ttl=_LONG)
        assert await cache.delete_batch(["a", "b", "missing"]) == 2
        assert await cache.get_batch(["a", "b", "c"]) == {"c": 3}
        assert await cache.delete_batch([]) == 0

    @pytest.mark.parametrize("prefix", ["orders:", "orders*", "or[d]ers:", "ord?rs\\:", "%_"])
    async def test_a_namespace_is_everything_that_begins_with_it(self, cache: ICacheService, prefix: str) -> None:
        inside = {f"{prefix}{number}": number for number in range(25)}
        outside = {"orders:x": "x", "orderz:1": 1, "o": 2, f"a{prefix}1": 3}
        outside = {key: value for key, value in outside.items() if not key.startswith(prefix)}
        await cache.set_batch({**inside, **outside}, ttl=_LONG)
        assert await cache.clear_namespace(prefix) == 25
        assert await cache.get_batch([*inside, *outside]) == outside
        assert await cache.clear_namespace(prefix) == 0

    async def test_values_that_ran_out_do_not_count_in_a_namespace(self, cache: ICacheService) -> None:
        await cache.set("orders:short", 1, ttl=self.short_hold.total_seconds())
        await cache.set("orders:long", 2, ttl=_LONG)
        await self._let_values_run_out()
        assert await cache.clear_namespace("orders:") == 1

    async def test_many_can_use_it_at_once(self, cache: ICacheService) -> None:
        async def use(number: int) -> None:
            key = f"key-{number}"
            await cache.set(key, number, ttl=_LONG)
            assert await cache.get(key) == number
            assert await cache.delete(key) is True

        await asyncio.gather(*(use(number) for number in range(50)))
