"""A repository with a cache in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, override

from cqrs_ddd_core.adapters.decorators._aggregate_cache import AggregateCache, Lookup
from cqrs_ddd_core.adapters.repository import Repository
from cqrs_ddd_core.domain.aggregate import AggregateRoot, persisted_version
from cqrs_ddd_core.domain.specification import ISpecification
from cqrs_ddd_core.ports.cache import ICacheService
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.repository import IRepository
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, current_uow_or_none
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["CachingRepository"]


class CachingRepository[T: AggregateRoot[Any], ID](IRepository[T, ID]):
    """Answers ``get`` and ``list_all`` of ids from a cache where that is right, and asks ``inner`` otherwise.

    **When.** Outside a unit of work, and in one that is read-only and has not touched the database yet: the first
    reads of a query handler. A command reads from the database, always, and so does ``search``.

    **What comes back** has the version that it was stored with, so that saving it is checked as ever, and belongs to
    the current tenant. An aggregate that would not come back from JSON as it was is not cached; a warning says so.

    **How old it may be.** Once a save through this class is committed and its unit of work closed, nothing older is
    given out, not even by a reader that was slow. From ``add`` until then the aggregate is kept out of the cache,
    but for no longer than ``guard``: so long may a transaction take before its readers are a little behind. What is
    saved past this class, or while the cache cannot be reached, shows after ``ttl`` at the latest.

    A cache that fails is left out, with a warning: the inner repository answers.
    """

    def __init__(
        self,
        inner: IRepository[T, ID],
        cache: ICacheService,
        aggregate_type: type[T] | None = None,
        *,
        ttl: float = 300.0,
        guard: float = 60.0,
    ) -> None:
        """``aggregate_type`` is needed only for an ``inner`` that does not know it. Times are in seconds."""
        if not ttl > 0 or not guard > 0:
            raise ValueError(f"ttl and guard are more than 0 seconds, found {ttl!r} and {guard!r}.")
        self._inner = inner
        self._aggregate_type = aggregate_type
        self._cache = AggregateCache[T](cache, ttl=ttl, guard=guard)

    @property
    def aggregate_type(self) -> type[T]:
        """The class of the aggregates."""
        if self._aggregate_type is None:
            found: type[T] | None = getattr(self._inner, "aggregate_type", None)
            if found is None:
                raise ConfigurationError(
                    f"{type(self._inner).__name__} does not say what it keeps: "
                    "write CachingRepository(inner, cache, Order)."
                )
            self._aggregate_type = found
        return self._aggregate_type

    @override
    async def get(self, entity_id: ID) -> T | None:
        uow = self._unit_of_work()
        if not _may_use_cache(uow):
            entity = await self._inner.get(entity_id)
            self._watch([] if entity is None else [entity])
            return entity
        lookup = await self._look_up(uow, [entity_id])
        if entity_id in lookup.found:
            return lookup.found[entity_id]
        entity = await self._inner.get(entity_id)
        if entity is not None:
            await self._cache.fill(self.aggregate_type, [entity], lookup)
        return entity

    @override
    async def list_all(self, entity_ids: Iterable[ID] | None = None) -> list[T]:
        uow = self._unit_of_work()
        if entity_ids is None or not _may_use_cache(uow):
            entities = await self._inner.list_all(entity_ids)
            self._watch(entities)
            return entities
        ids = list(dict.fromkeys(entity_ids))
        lookup = await self._look_up(uow, ids)
        missing = [entity_id for entity_id in ids if entity_id not in lookup.found]
        entities = await self._inner.list_all(missing) if missing else []
        await self._cache.fill(self.aggregate_type, entities, lookup)
        by_id = {**lookup.found, **{entity.id: entity for entity in entities}}
        if not by_id.keys() <= set(ids):
            # The inner one takes ids in other forms too, such as the text of a UUID: only it knows the order.
            return await self._inner.list_all(ids)
        return [by_id[entity_id] for entity_id in ids if entity_id in by_id]

    @override
    async def search(self, criteria: ISpecification[Any] | QueryOptions | None = None) -> SearchResult[T]:
        return _WatchedSearch(await self._inner.search(criteria), self._watch)

    @override
    async def add(self, entity: T) -> ID:
        key = self._cache.key(self.aggregate_type, entity.id)
        uow = self._unit_of_work()
        if uow is not None:
            _Watch(self._cache, {key: (entity, None)}).until_the_end_of(uow)
            entity_id = await self._inner.add(entity)
            await self._cache.close(key)
            return entity_id
        await self._cache.close(key)
        try:
            return await self._inner.add(entity)
        finally:
            await self._cache.forget([key])  # also after a failure: it may have been saved all the same

    @override
    async def delete(self, entity_id: ID) -> ID:
        key = self._cache.key(self.aggregate_type, entity_id)
        uow = self._unit_of_work()
        if uow is not None:
            _Watch(self._cache, {key: (None, None)}).until_the_end_of(uow)
            await self._inner.delete(entity_id)
            await self._cache.close(key)
            return entity_id
        await self._cache.close(key)
        try:
            return await self._inner.delete(entity_id)
        finally:
            await self._cache.forget([key])

    def _unit_of_work(self) -> UnitOfWork | None:
        """The unit of work that the inner repository takes part in."""
        if isinstance(self._inner, Repository):
            return self._inner._joined()  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportUnknownVariableType]  # only it knows
        return current_uow_or_none()

    async def _look_up(self, uow: UnitOfWork | None, ids: Sequence[ID]) -> Lookup[T]:
        lookup = await self._cache.look_up(self.aggregate_type, ids)
        if uow is not None:
            # One object for one id, also in a unit of work that only reads.
            lookup.found = {
                entity_id: uow.see(self.aggregate_type, entity) for entity_id, entity in lookup.found.items()
            }
        return lookup

    def _watch(self, entities: Iterable[Any]) -> None:
        """Notice when these are saved although nobody calls ``add``: what has emitted events is saved anyhow."""
        uow = self._unit_of_work()
        if uow is None or uow.read_only:
            return
        aggregate_type = self.aggregate_type
        watched = {
            self._cache.key(aggregate_type, entity.id): (entity, persisted_version(entity))
            for entity in entities
            if isinstance(entity, aggregate_type)  # a search may give dicts
        }
        if watched:
            _Watch(self._cache, watched).until_the_end_of(uow)


def _may_use_cache(uow: UnitOfWork | None) -> bool:
    # One that has begun may have written something, or have a snapshot that is older than what we would put in.
    return uow is None or (uow.read_only and not uow.begun)


class _Watch[T: AggregateRoot[Any]]:
    """Makes the cache forget what a unit of work saves, as soon as that is over."""

    def __init__(self, cache: AggregateCache[T], watched: Mapping[str, tuple[T | None, int | None]]) -> None:
        """``watched`` has, by key, the object and the version it was read with; None for what is forgotten anyhow."""
        self._cache = cache
        self._watched = dict(watched)

    def until_the_end_of(self, uow: UnitOfWork) -> None:
        # After the end, before anybody who reacts to it. And after the commit: there may be several before the end.
        uow.on_close(self.forget_what_changed)
        uow.on_commit(self.forget_what_changed)

    async def forget_what_changed(self) -> None:
        changed: list[str] = []
        for key, (entity, version) in self._watched.items():
            now = 0 if entity is None else persisted_version(entity)
            if now != version:
                changed.append(key)
                self._watched[key] = (entity, now)
        if changed:
            await self._cache.forget(changed)


class _WatchedSearch[T: AggregateRoot[Any]](SearchResult[T]):
    """The search of the inner repository. What it gives out may be changed and saved."""

    def __init__(self, inner: SearchResult[T], watch: Callable[[Iterable[Any]], None]) -> None:
        self._inner, self._watch = inner, watch

    @override
    async def all(self) -> list[T]:
        items = await self._inner.all()
        self._watch(items)
        return items

    @override
    async def first(self) -> T | None:
        item = await self._inner.first()
        self._watch([item])
        return item

    @override
    def stream(self, batch_size: int = 100) -> AsyncIterator[Sequence[T]]:
        return self._inner.stream(batch_size)  # not followed by the unit of work, so not saved by it

    @override
    async def count(self) -> int:
        return await self._inner.count()

    @override
    async def total_count(self) -> int:
        return await self._inner.total_count()

    @override
    async def aggregations(self) -> Mapping[str, Any]:
        return await self._inner.aggregations()

    @override
    async def groups(self) -> Sequence[Mapping[str, Any]]:
        return await self._inner.groups()
