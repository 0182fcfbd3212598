"""A repository with a cache answers as the one behind it, only quicker."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, computed_field

from cqrs_ddd_core.adapters.decorators import CachingRepository
from cqrs_ddd_core.adapters.memory import InMemoryCacheService, InMemoryRepository, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.cqrs import (
    Command,
    CommandHandler,
    CommandResponse,
    HandlerRegistry,
    Mediator,
    Query,
    QueryHandler,
    QueryResponse,
)
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.specification import ISpecification
from cqrs_ddd_core.domain.value_object import ValueObject
from cqrs_ddd_core.ports.cache import ICacheService
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.repository import IRepository
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, EntityNotFoundError, OptimisticConcurrencyError
from cqrs_ddd_core.testing import VirtualClock, run_in_virtual_time


class PriceChanged(DomainEvent):
    price: Decimal


class Size(ValueObject):
    width: int
    height: int


class Article(AggregateRoot[str]):
    name: str = "chair"
    price: Decimal = Decimal("1.00")
    sizes: dict[str, Size] = Field(default_factory=dict[str, Size])
    tags: frozenset[str] = frozenset()

    @computed_field
    @property
    def label(self) -> str:
        return f"{self.name} at {self.price}"

    def change_price(self, price: Decimal) -> None:
        self.price = price
        self.add_event(PriceChanged(price=price))


class NumberedArticle(AggregateRoot[int]):
    name: str


class GlobalArticle(AggregateRoot[UUID]):
    name: str


class CountingRepository(InMemoryRepository[Article, str]):
    """Counts how often it is asked."""

    def __init__(self, store: InMemoryStore) -> None:
        super().__init__(Article, store=store)
        self.asked: list[object] = []

    async def get(self, entity_id: str) -> Article | None:
        self.asked.append(entity_id)
        return await super().get(entity_id)

    async def list_all(self, entity_ids: Iterable[str] | None = None) -> list[Article]:
        ids = None if entity_ids is None else list(entity_ids)
        self.asked.append(ids)
        return await super().list_all(ids)


class BrokenCache(ICacheService):
    """A cache server that is gone."""

    async def get(self, key: str, cls: type[Any] | None = None) -> Any | None:
        raise ConnectionError("no cache")

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        raise ConnectionError("no cache")

    async def delete(self, key: str) -> bool:
        raise ConnectionError("no cache")

    async def get_batch(self, keys: Iterable[str], cls: type[Any] | None = None) -> dict[str, Any]:
        raise ConnectionError("no cache")

    async def set_batch(self, values: Mapping[str, Any], ttl: float | None = None) -> None:
        raise ConnectionError("no cache")

    async def delete_batch(self, keys: Iterable[str]) -> int:
        raise ConnectionError("no cache")

    async def clear_namespace(self, prefix: str) -> int:
        raise ConnectionError("no cache")


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def inner(store: InMemoryStore) -> CountingRepository:
    return CountingRepository(store)


@pytest.fixture
def cache() -> InMemoryCacheService:
    return InMemoryCacheService(InMemoryStore())


@pytest.fixture
def articles(inner: CountingRepository, cache: InMemoryCacheService) -> CachingRepository[Article, str]:
    return CachingRepository(inner, cache)


@pytest.fixture
def past_the_cache(store: InMemoryStore) -> InMemoryRepository[Article, str]:
    return InMemoryRepository(Article, store=store)


type Articles = CachingRepository[Article, str]
type PastTheCache = InMemoryRepository[Article, str]

CHAIR = Article(id="a", name="chair", sizes={"big": Size(width=2, height=3)}, tags=frozenset({"new", "red"}))


def chair(article_id: str = "a") -> Article:
    return CHAIR.model_copy(update={"id": article_id}, deep=True)


async def price_of(articles: IRepository[Article, str], article_id: str = "a") -> Decimal:
    found = await articles.get(article_id)
    assert found is not None
    return found.price


# ---------------------------------------------------------------------- reading


async def test_a_second_read_is_answered_by_the_cache(articles: Articles, inner: CountingRepository) -> None:
    await articles.add(chair())
    first = await articles.get("a")
    second = await articles.get("a")
    assert inner.asked == ["a"]
    assert first is not None
    assert second is not None
    assert second is not first
    assert second == first
    assert second.__dict__ == chair().__dict__
    assert type(second) is Article


async def test_a_cached_aggregate_has_the_version_it_was_stored_with(articles: Articles) -> None:
    article = chair()
    for price in (Decimal(2), Decimal(3)):
        article.change_price(price)
    await articles.add(article)
    read = await articles.get("a")
    cached = await articles.get("a")
    assert read is not None
    assert cached is not None
    assert read.version == cached.version == 2
    cached.change_price(Decimal(4))
    assert cached.version == 3
    await articles.add(cached)
    assert await price_of(articles) == Decimal(4)


async def test_saving_an_outdated_aggregate_from_the_cache_is_refused(
    articles: Articles, past_the_cache: PastTheCache
) -> None:
    await articles.add(chair())
    await articles.get("a")
    current = await past_the_cache.get("a")
    assert current is not None
    current.change_price(Decimal(2))
    await past_the_cache.add(current)
    outdated = await articles.get("a")
    assert outdated is not None
    assert outdated.price == Decimal("1.00"), "it was saved past the cache"
    outdated.change_price(Decimal(3))
    with pytest.raises(OptimisticConcurrencyError):
        await articles.add(outdated)
    assert await price_of(articles) == Decimal(2), "a save that failed has ended what the cache knew"


async def test_a_hit_of_one_tenant_is_none_of_another(articles: Articles) -> None:
    for tenant, price in (("acme", 1), ("other", 2)):
        with with_tenant_context(tenant):
            await articles.add(chair().model_copy(update={"price": Decimal(price)}))
            await articles.get("a")
    await articles.get("a")
    for tenant, price in (("acme", 1), ("other", 2)):
        with with_tenant_context(tenant):
            assert await price_of(articles) == Decimal(price)
            assert [article.price for article in await articles.list_all(["a"])] == [Decimal(price)]
    assert await articles.get("a") is None
    with with_tenant_context("third"):
        assert await articles.get("a") is None


async def test_a_list_of_ids_is_answered_by_both(articles: Articles, inner: CountingRepository) -> None:
    for article_id in "abcd":
        await articles.add(chair(article_id))
    await articles.list_all(["b", "d"])
    inner.asked.clear()
    found = await articles.list_all(iter(["d", "a", "missing", "b", "a", "c"]))
    assert [article.id for article in found] == ["d", "a", "b", "c"]
    assert inner.asked == [["a", "missing", "c"]]
    inner.asked.clear()
    await articles.list_all(["a", "b", "c", "d"])
    assert inner.asked == []
    assert await articles.list_all([]) == []


async def test_all_and_searches_are_answered_by_the_repository(articles: Articles, inner: CountingRepository) -> None:
    for article_id in "ab":
        await articles.add(chair(article_id))
    assert [article.id for article in await articles.list_all()] == ["a", "b"]
    assert [article.id for article in await articles.list_all()] == ["a", "b"]
    assert inner.asked == [None, None]
    result = await articles.search(QueryOptions().with_ordering("-id").with_aggregation("price", "sum"))
    assert [article.id for article in await result] == ["b", "a"]
    first = await result.first()
    assert first is not None
    assert first.id == "b"
    assert [len(batch) async for batch in result.stream(batch_size=1)] == [1, 1]
    assert (await result.count(), await result.total_count()) == (2, 2)
    assert await result.aggregations() == {"price_sum": Decimal("2.00")}
    assert await (await articles.search(QueryOptions().with_fields(["id"]))) == [{"id": "a"}, {"id": "b"}]
    grouped = await articles.search(QueryOptions().with_grouping("name"))
    assert await grouped.groups() == [{"name": "chair", "count": 2}]


async def test_what_is_not_there_is_asked_for_again(articles: Articles, past_the_cache: PastTheCache) -> None:
    assert await articles.get("a") is None
    await past_the_cache.add(chair())
    assert await articles.get("a") is not None


async def test_what_is_cached_cannot_be_changed_from_outside(articles: Articles) -> None:
    await articles.add(chair())
    for _ in range(3):
        found = await articles.get("a")
        assert found is not None
        assert found.sizes == CHAIR.sizes
        found.sizes.clear()


async def test_ids_of_other_kinds_are_kept_apart(store: InMemoryStore, cache: InMemoryCacheService) -> None:
    numbered = CachingRepository(InMemoryRepository[NumberedArticle, int](NumberedArticle, store=store), cache)
    await numbered.add(NumberedArticle(id=1, name="one"))
    text: Any = "1"
    for _ in range(2):
        one = await numbered.get(1)
        assert one is not None
        assert one.name == "one"
        assert await numbered.get(text) is None
    unique = UUID("0190a3f4-5b6c-7d8e-9f00-112233445566")
    everywhere = CachingRepository(InMemoryRepository[GlobalArticle, UUID](GlobalArticle, store=store), cache)
    await everywhere.add(GlobalArticle(id=unique, name="that one"))
    for _ in range(2):
        assert [article.id for article in await everywhere.list_all([unique])] == [unique]


async def test_ids_and_tenants_with_separators_in_them_are_kept_apart(articles: Articles) -> None:
    for tenant, article_id in (("a:b", "c"), ("a", "b:c")):
        with with_tenant_context(tenant):
            await articles.add(chair(article_id))
            await articles.get(article_id)
    with with_tenant_context("a"):
        assert await articles.get("c") is None
    with with_tenant_context("a:b"):
        assert await articles.get("b:c") is None


# ---------------------------------------------------------------------- saving


async def test_a_save_ends_what_the_cache_knew(articles: Articles) -> None:
    await articles.add(chair())
    found = await articles.get("a")
    assert found is not None
    found.change_price(Decimal(2))
    await articles.add(found)
    assert await price_of(articles) == Decimal(2)
    await articles.delete("a")
    assert await articles.get("a") is None
    with pytest.raises(EntityNotFoundError):
        await articles.delete("a")


async def test_a_save_in_a_unit_of_work_counts_after_the_commit(articles: Articles, store: InMemoryStore) -> None:
    await articles.add(chair())
    await articles.get("a")
    async with InMemoryUnitOfWork(store):
        found = await articles.get("a")
        assert found is not None
        found.change_price(Decimal(2))
        await articles.add(found)
        assert await price_of(articles) == Decimal(2), "inside, what was changed is seen"
        assert await asyncio.create_task(price_of(articles)) == Decimal("1.00"), "outside it is not, yet"
    assert await price_of(articles) == Decimal(2)
    assert await price_of(articles) == Decimal(2)


async def test_a_save_is_seen_by_who_reacts_to_the_commit(articles: Articles, store: InMemoryStore) -> None:
    await articles.add(chair())
    await articles.get("a")
    seen: list[Decimal] = []

    async def react() -> None:
        seen.append(await asyncio.create_task(price_of(articles)))

    async with InMemoryUnitOfWork(store) as uow:
        uow.on_commit(react)
        found = await articles.get("a")
        assert found is not None
        found.change_price(Decimal(2))
        await articles.add(found)
    assert seen == [Decimal(2)]


async def test_a_unit_of_work_may_commit_several_times(articles: Articles, store: InMemoryStore) -> None:
    await articles.add(chair())
    async with InMemoryUnitOfWork(store) as uow:
        found = await articles.get("a")
        assert found is not None
        for price in (Decimal(2), Decimal(3), Decimal(4)):
            found.change_price(price)
            await articles.add(found)
            await uow.commit()
            for _ in range(2):
                assert await asyncio.create_task(price_of(articles)) == price


async def test_a_rollback_lets_the_aggregate_into_the_cache_again(
    articles: Articles, store: InMemoryStore, inner: CountingRepository
) -> None:
    await articles.add(chair())
    with pytest.raises(RuntimeError, match="boom"):
        await _fail_after_a_save(articles, store)
    for _ in range(3):
        assert await price_of(articles) == Decimal("1.00")
    assert inner.asked == ["a", "a"], "once in the unit of work, once to fill the cache"


async def _fail_after_a_save(articles: Articles, store: InMemoryStore) -> None:
    async with InMemoryUnitOfWork(store):
        found = await articles.get("a")
        assert found is not None
        found.change_price(Decimal(2))
        await articles.add(found)
        raise RuntimeError("boom")


async def test_what_is_saved_although_nobody_called_add_is_noticed(articles: Articles, store: InMemoryStore) -> None:
    """The unit of work saves whatever it has read and has emitted events."""

    async def by_id() -> Article | None:
        return await articles.get("a")

    async def by_list() -> Article | None:
        return (await articles.list_all())[0]

    async def by_search() -> Article | None:
        return (await (await articles.search()))[0]

    async def by_first() -> Article | None:
        return await (await articles.search()).first()

    await articles.add(chair())
    for number, find in enumerate((by_id, by_list, by_search, by_first), start=2):
        await articles.get("a")
        async with InMemoryUnitOfWork(store):
            found = await find()
            assert found is not None
            found.change_price(Decimal(number))
        assert await price_of(articles) == Decimal(number)


async def test_what_is_only_read_in_a_unit_of_work_stays_in_the_cache(
    articles: Articles, store: InMemoryStore, inner: CountingRepository
) -> None:
    await articles.add(chair())
    await articles.get("a")
    async with InMemoryUnitOfWork(store):
        await articles.get("a")
    inner.asked.clear()
    await articles.get("a")
    assert inner.asked == []


async def test_a_delete_in_a_unit_of_work_counts_after_the_commit(articles: Articles, store: InMemoryStore) -> None:
    await articles.add(chair())
    await articles.get("a")
    async with InMemoryUnitOfWork(store):
        await articles.delete("a")
        assert await articles.get("a") is None
        assert await asyncio.create_task(articles.get("a")) is not None
    assert await articles.get("a") is None


async def test_a_repository_that_belongs_to_a_unit_of_work_does_not_fill_the_cache_with_what_is_not_committed(
    articles: Articles, store: InMemoryStore, cache: InMemoryCacheService
) -> None:
    await articles.add(chair())
    uow = InMemoryUnitOfWork(store)
    bound = CachingRepository[Article, str](uow.repository(Article), cache)
    found = await bound.get("a")
    assert found is not None
    found.change_price(Decimal(2))
    await bound.add(found)
    assert await price_of(bound) == Decimal(2)
    assert await price_of(articles) == Decimal("1.00")
    await uow.rollback()
    assert await price_of(articles) == Decimal("1.00")


async def test_a_unit_of_work_on_another_database_does_not_matter(
    articles: Articles, inner: CountingRepository
) -> None:
    async with InMemoryUnitOfWork(InMemoryStore()):
        await articles.add(chair())
        for _ in range(3):
            assert await price_of(articles) == Decimal("1.00")
    assert inner.asked == ["a"]


# ---------------------------------------------------------------------- readers and writers at once


class Gate:
    """Stops who passes until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def pass_through(self) -> None:
        self.reached.set()
        await self.opened.wait()


class SlowRepository(CountingRepository):
    """Reads, and takes its time to say what it read."""

    gate: Gate | None = None

    async def get(self, entity_id: str) -> Article | None:
        found = await super().get(entity_id)
        gate, self.gate = self.gate, None
        if gate is not None:
            await gate.pass_through()
        return found


async def test_a_reader_that_was_slow_does_not_put_back_what_it_read_before_a_save(
    store: InMemoryStore, cache: InMemoryCacheService
) -> None:
    inner = SlowRepository(store)
    articles = CachingRepository(inner, cache)
    await articles.add(chair())
    inner.gate = gate = Gate()
    reading = asyncio.create_task(articles.get("a"))
    await gate.reached.wait()
    current = await articles.get("a")
    assert current is not None
    current.change_price(Decimal(2))
    await articles.add(current)
    gate.opened.set()
    late = await reading
    assert late is not None
    assert late.price == Decimal("1.00")
    assert await price_of(articles) == Decimal(2)
    assert await price_of(articles) == Decimal(2)


async def test_a_reader_between_a_save_and_its_commit_leaves_nothing_in_the_cache(
    store: InMemoryStore, cache: InMemoryCacheService
) -> None:
    """Its process may die before it can tell the cache; then nothing outdated must be there."""
    inner = CountingRepository(store)
    articles = CachingRepository(inner, cache)
    await articles.add(chair())
    uow = InMemoryUnitOfWork(store)
    writer = CachingRepository[Article, str](uow.repository(Article), cache)
    found = await writer.get("a")
    assert found is not None
    found.change_price(Decimal(2))
    await writer.add(found)
    assert await price_of(articles) == Decimal("1.00")
    await uow.complete()  # and here the process dies: no callback runs
    assert await price_of(articles) == Decimal(2)


async def test_a_save_that_is_never_ended_keeps_the_aggregate_out_of_the_cache_for_a_while_only(
    store: InMemoryStore, cache: InMemoryCacheService
) -> None:
    inner = CountingRepository(store)
    articles = CachingRepository(inner, cache, guard=60.0)
    with VirtualClock() as clock:
        await articles.add(chair())
        uow = InMemoryUnitOfWork(store)
        await CachingRepository[Article, str](uow.repository(Article), cache, guard=60.0).add(chair("b"))
        await uow.complete()  # and here the process dies
        for _ in range(3):
            await articles.get("b")
        assert inner.asked == ["b"] * 3
        clock.advance(timedelta(seconds=61))
        for _ in range(3):
            await articles.get("b")
        assert inner.asked == ["b"] * 4


async def test_what_the_cache_knows_ends_with_its_time(
    store: InMemoryStore, cache: InMemoryCacheService, past_the_cache: PastTheCache
) -> None:
    articles = CachingRepository(CountingRepository(store), cache, ttl=300.0)
    with VirtualClock() as clock:
        await articles.add(chair())
        await articles.get("a")
        current = await past_the_cache.get("a")
        assert current is not None
        current.change_price(Decimal(2))
        await past_the_cache.add(current)
        clock.advance(timedelta(seconds=299))
        assert await price_of(articles) == Decimal("1.00")
        clock.advance(timedelta(seconds=2))
        assert await price_of(articles) == Decimal(2)


class HesitantCache(ICacheService):
    """A cache in another room: everything takes a time that nobody knows, and some of it is forgotten."""

    def __init__(self, chance: random.Random) -> None:
        self._inner = InMemoryCacheService()
        self._chance = chance

    async def _hesitate(self) -> None:
        await asyncio.sleep(self._chance.random())

    async def get(self, key: str, cls: type[Any] | None = None) -> Any | None:
        raise NotImplementedError

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        await self._hesitate()
        await self._inner.set(key, value, ttl)
        await self._hesitate()

    async def delete(self, key: str) -> bool:
        raise NotImplementedError

    async def get_batch(self, keys: Iterable[str], cls: type[Any] | None = None) -> dict[str, Any]:
        await self._hesitate()
        found: dict[str, Any] = {}
        for key in keys:  # not at once: a cache promises nothing about several keys
            found.update(await self._inner.get_batch([key]))
            await self._hesitate()
        return {key: value for key, value in found.items() if self._chance.random() > 0.05}

    async def set_batch(self, values: Mapping[str, Any], ttl: float | None = None) -> None:
        for key, value in values.items():
            await self.set(key, value, ttl)

    async def delete_batch(self, keys: Iterable[str]) -> int:
        await self._hesitate()
        for key in keys:
            await self._inner.delete(key)
            await self._hesitate()
        return 0

    async def clear_namespace(self, prefix: str) -> int:
        raise NotImplementedError


class HesitantRepository(CountingRepository):
    def __init__(self, store: InMemoryStore, chance: random.Random) -> None:
        super().__init__(store)
        self._chance = chance

    async def get(self, entity_id: str) -> Article | None:
        await asyncio.sleep(self._chance.random())
        found = await super().get(entity_id)
        await asyncio.sleep(self._chance.random())
        return found


@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_nobody_reads_anything_older_than_what_was_saved_before(seed: int) -> None:
    chance = random.Random(seed)

    async def main() -> None:
        store = InMemoryStore()
        articles = CachingRepository(HesitantRepository(store, chance), HesitantCache(chance))
        direct = InMemoryRepository(Article, store=store)
        await articles.add(chair())
        saved = 0

        async def write() -> None:
            nonlocal saved
            for _ in range(6):
                await asyncio.sleep(chance.random() * 10)
                current = await direct.get("a")
                assert current is not None
                current.change_price(current.price + 1)
                try:
                    if chance.random() < 0.5:
                        await articles.add(current)
                    else:
                        async with InMemoryUnitOfWork(store):
                            await articles.add(current)
                            await asyncio.sleep(chance.random() * 2)
                except OptimisticConcurrencyError:
                    continue
                saved = max(saved, current.version)

        async def read() -> None:
            for _ in range(40):
                await asyncio.sleep(chance.random())
                at_least = saved
                found = await articles.get("a")
                assert found is not None
                assert found.version >= at_least
                assert found.price == Decimal("1.00") + max(found.version - 1, 0)

        await asyncio.gather(write(), write(), read(), read(), read())

    run_in_virtual_time(main())


# ---------------------------------------------------------------------- queries and commands


class GetPrices(Query[list[Decimal]]):
    article_ids: list[str]


class RaisePrice(Command[list[Decimal]]):
    article_id: str


class GetPricesHandler(QueryHandler[list[Decimal]]):
    def __init__(self, articles: Articles) -> None:
        self._articles = articles

    async def handle(self, query: GetPrices) -> QueryResponse[list[Decimal]]:
        prices: list[Decimal] = []
        for article_id in query.article_ids:
            article = await self._articles.get(article_id)
            assert article is await self._articles.get(article_id), "one object for one id"
            assert article is not None
            prices.append(article.price)
        return QueryResponse(result=prices)


class RaisePriceHandler(CommandHandler[list[Decimal]]):
    """Raises the price and asks, inside the command, what it is."""

    def __init__(self, articles: Articles) -> None:
        self._articles = articles
        self.send: Callable[[GetPrices], Awaitable[QueryResponse[list[Decimal]]]]

    async def handle(self, command: RaisePrice) -> CommandResponse[list[Decimal]]:
        article = await self._articles.get(command.article_id)
        assert article is not None
        article.change_price(article.price + 1)
        asked = await self.send(GetPrices(article_ids=[command.article_id]))
        return CommandResponse(result=asked.result)


@pytest.fixture
def mediator(articles: Articles, store: InMemoryStore) -> Mediator:
    registry = HandlerRegistry()
    handler = RaisePriceHandler(articles)
    registry.register_query_handler(GetPrices, GetPricesHandler(articles))
    registry.register_command_handler(RaisePrice, handler)
    mediator = Mediator(registry=registry, uow_factory=lambda: InMemoryUnitOfWork(store))
    handler.send = mediator.send
    return mediator


async def test_the_first_reads_of_a_query_are_answered_by_the_cache(
    mediator: Mediator, articles: Articles, inner: CountingRepository
) -> None:
    for article_id in "ab":
        await articles.add(chair(article_id))
        await articles.get(article_id)
    inner.asked.clear()
    response = await mediator.send(GetPrices(article_ids=["a", "b"]))
    assert response.result == [Decimal("1.00")] * 2
    assert inner.asked == []


async def test_queries_fill_the_cache(mediator: Mediator, articles: Articles, inner: CountingRepository) -> None:
    for article_id in "ab":
        await articles.add(chair(article_id))
    for _ in range(3):
        await mediator.send(GetPrices(article_ids=["a", "b"]))
    inner.asked.clear()
    await mediator.send(GetPrices(article_ids=["a", "b"]))
    assert inner.asked == []


async def test_a_command_reads_from_the_database(
    mediator: Mediator, articles: Articles, past_the_cache: PastTheCache
) -> None:
    await articles.add(chair())
    await articles.get("a")
    current = await past_the_cache.get("a")
    assert current is not None
    current.change_price(Decimal(10))
    await past_the_cache.add(current)
    assert await price_of(articles) == Decimal("1.00")
    response = await mediator.send(RaisePrice(article_id="a"))
    assert response.result == [Decimal(11)], "and what it asks in between sees what it has changed"
    assert await price_of(articles) == Decimal(11)


# ---------------------------------------------------------------------- what can go wrong


async def test_a_cache_that_fails_is_left_out(inner: CountingRepository, caplog: pytest.LogCaptureFixture) -> None:
    articles = CachingRepository(inner, BrokenCache())
    with caplog.at_level(logging.WARNING):
        await articles.add(chair())
        for _ in range(2):
            assert await price_of(articles) == Decimal("1.00")
        assert len(await articles.list_all(["a", "b"])) == 1
        async with InMemoryUnitOfWork(inner._store):
            found = await articles.get("a")
            assert found is not None
            found.change_price(Decimal(2))
            await articles.add(found)
        assert await price_of(articles) == Decimal(2)
        await articles.delete("a")
    assert inner.asked == ["a", "a", ["a", "b"], "a", "a"]
    assert {record.getMessage() for record in caplog.records} == {"The cache failed and is left out"}
    assert "no cache" in caplog.text


async def test_who_is_cancelled_while_the_cache_answers_is_cancelled(inner: CountingRepository) -> None:
    class HangingCache(BrokenCache):
        async def get_batch(self, keys: Iterable[str], cls: type[Any] | None = None) -> dict[str, Any]:
            await asyncio.sleep(20.0)
            return {}

    reading = asyncio.create_task(CachingRepository(inner, HangingCache()).get("a"))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait({reading})
    assert reading.cancelled()
    assert inner.asked == []


@pytest.mark.parametrize(
    "state", [None, "text", 7, [], {}, {"state": "{}"}, {"version": "x", "state": "{}"}, {"version": 1, "state": "no"}]
)
async def test_what_somebody_else_put_into_the_cache_is_ignored(
    articles: Articles, inner: CountingRepository, cache: InMemoryCacheService, state: Any
) -> None:
    await articles.add(chair())
    await articles.get("a")
    (entry,) = [key for key in cache._entries() if key.endswith(":state")]
    generation = await cache.get(entry.replace(":state", ":generation"))
    await cache.set(entry, {**state, "generation": generation} if isinstance(state, dict) else state)
    assert await price_of(articles) == Decimal("1.00")
    assert len(inner.asked) == 2
    await cache.set(entry.replace(":state", ":generation"), {"not": "text"})
    assert await price_of(articles) == Decimal("1.00")


async def test_what_does_not_come_back_from_json_as_it_was_is_not_cached(
    store: InMemoryStore, cache: InMemoryCacheService, caplog: pytest.LogCaptureFixture
) -> None:
    class Measurement(AggregateRoot[str]):
        value: float = 0.0
        note: str = Field(default="", exclude=True)

    repository = InMemoryRepository[Measurement, str](Measurement, store=store)
    measurements = CachingRepository(repository, cache)
    await measurements.add(Measurement(id="not a number", value=math.nan))
    await measurements.add(Measurement(id="hidden", note="not in the JSON"))
    await measurements.add(Measurement(id="good", value=1.5))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            for article_id, value, note in (("hidden", 0.0, "not in the JSON"), ("good", 1.5, "")):
                found = await measurements.get(article_id)
                assert found is not None
                assert (found.value, found.note) == (value, note)
            unknown = await measurements.get("not a number")
            assert unknown is not None
            assert math.isnan(unknown.value)
    assert len([key for key in cache._entries() if key.endswith(":state")]) == 1
    assert [record.getMessage() for record in caplog.records if "cannot be cached" in record.getMessage()] == [
        "Measurement cannot be cached, it comes back from JSON as something else"
    ]


async def test_the_class_may_have_to_be_named(store: InMemoryStore, cache: InMemoryCacheService) -> None:
    class OwnRepository(IRepository[Article, str]):
        """A repository that somebody wrote by hand."""

        def __init__(self) -> None:
            self.inner = InMemoryRepository(Article, store=store)

        async def add(self, entity: Article) -> str:
            return await self.inner.add(entity)

        async def get(self, entity_id: str) -> Article | None:
            return await self.inner.get(entity_id)

        async def delete(self, entity_id: str) -> str:
            return await self.inner.delete(entity_id)

        async def list_all(self, entity_ids: Iterable[str] | None = None) -> list[Article]:
            return await self.inner.list_all(entity_ids)

        async def search(self, criteria: ISpecification[Any] | QueryOptions | None = None) -> SearchResult[Article]:
            return await self.inner.search(criteria)

    with pytest.raises(ConfigurationError, match=r"CachingRepository\(inner, cache, Order\)"):
        await CachingRepository(OwnRepository(), cache).get("a")
    articles = CachingRepository(OwnRepository(), cache, Article)
    await articles.add(chair())
    await articles.get("a")
    assert await price_of(articles) == Decimal("1.00")
    async with InMemoryUnitOfWork(store):
        found = await articles.get("a")
        assert found is not None
        found.change_price(Decimal(2))
    assert await price_of(articles) == Decimal(2)


@pytest.mark.parametrize("times", [{"ttl": 0}, {"ttl": -1.0}, {"guard": 0}])
async def test_times_that_mean_nothing_are_refused(
    inner: CountingRepository, cache: InMemoryCacheService, times: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match="ttl and guard"):
        CachingRepository(inner, cache, Article, **times)
