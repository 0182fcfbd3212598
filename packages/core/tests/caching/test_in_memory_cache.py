"""What the in-memory cache promises beyond the port."""

import asyncio

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryCacheService, InMemoryStore


async def test_all_caches_of_an_event_loop_are_one() -> None:
    await InMemoryCacheService().set("key", 1)
    assert await InMemoryCacheService().get("key") == 1
    assert await InMemoryCacheService(InMemoryStore()).get("key") is None


def test_every_event_loop_begins_with_an_empty_cache() -> None:
    cache = InMemoryCacheService()
    for _ in range(2):
        asyncio.run(_use(cache))


async def _use(cache: InMemoryCacheService) -> None:
    assert await cache.get("key") is None
    await cache.set("key", 1)
    assert await cache.get("key") == 1


async def test_when_there_are_too_many_the_least_recently_used_go() -> None:
    cache = InMemoryCacheService(max_entries=3)
    for key in "abc":
        await cache.set(key, key)
    await cache.get("a")
    await cache.set("b", "new")
    await cache.set("d", "d")
    assert await cache.get_batch(["a", "b", "c", "d"]) == {"a": "a", "b": "new", "d": "d"}
    await cache.set_batch({str(number): number for number in range(10)})
    assert await cache.clear_namespace("") == 3


async def test_a_cache_has_room_for_something() -> None:
    with pytest.raises(ValueError, match="max_entries"):
        InMemoryCacheService(max_entries=0)
