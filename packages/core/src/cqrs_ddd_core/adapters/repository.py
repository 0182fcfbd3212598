"""The repository that every adapter shares: identity, tracking and versions, above an ``IAggregateStore``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, get_args, override

from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.specification import ISpecification
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.repository import IRepository
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, EntityNotFoundError

__all__ = ["Repository", "aggregate_type_of"]


class Repository[T: AggregateRoot[Any], ID](IRepository[T, ID], ABC):
    """Base of repositories. A subclass says which aggregate it keeps and which unit of work to use."""

    @property
    @abstractmethod
    def aggregate_type(self) -> type[T]:
        """The class of the aggregates."""

    @abstractmethod
    def _joined(self) -> UnitOfWork | None:
        """The unit of work to take part in: the bound one, else the one open in this task for the same database."""

    @abstractmethod
    def _own(self) -> UnitOfWork:
        """A new unit of work, for a call outside of any."""

    @asynccontextmanager
    async def _work(self) -> AsyncGenerator[UnitOfWork]:
        joined = self._joined()
        if joined is not None:
            yield joined
            return
        # Not entered: a stream is an async generator, and what is entered there would be current for its reader too.
        own = self._own()
        try:
            yield own
            await own.commit()
        except BaseException:
            await own.rollback()
            raise

    @override
    async def add(self, entity: T) -> ID:
        aggregate_type = self.aggregate_type
        if not isinstance(entity, aggregate_type):
            raise TypeError(f"This repository keeps {aggregate_type.__name__}, found {type(entity).__name__}.")
        async with self._work() as uow:
            uow.save(aggregate_type, entity)
        return entity.id  # type: ignore[no-any-return]  # the id type of T is ID

    @override
    async def get(self, entity_id: ID) -> T | None:
        aggregate_type = self.aggregate_type
        async with self._work() as uow:
            known = uow.known(aggregate_type, entity_id)
            if known is not None:
                return known  # type: ignore[return-value]  # seen under this class
            if uow.is_removed(aggregate_type, entity_id):
                return None
            entity: T | None = await uow.store(aggregate_type).fetch(entity_id)
            return None if entity is None else uow.see(aggregate_type, entity)

    @override
    async def delete(self, entity_id: ID) -> ID:
        async with self._work() as uow:
            if not await uow.remove(self.aggregate_type, entity_id):
                raise EntityNotFoundError(self.aggregate_type.aggregate_type, entity_id)
        return entity_id

    @override
    async def list_all(self, entity_ids: Iterable[ID] | None = None) -> list[T]:
        if isinstance(entity_ids, str | bytes):
            raise TypeError(f"list_all takes several ids, found {entity_ids!r}: write [{entity_ids!r}], or use get.")
        async with self._work() as uow:
            await uow.flush()
            found: list[T] = await uow.store(self.aggregate_type).fetch_many(entity_ids)
            return [uow.see(self.aggregate_type, entity) for entity in found]

    @override
    async def search(self, criteria: ISpecification[Any] | QueryOptions | None = None) -> SearchResult[T]:
        return _RepositorySearch(self, _options_of(criteria))


def _options_of(criteria: Any) -> QueryOptions:
    if criteria is None:
        return QueryOptions()
    if isinstance(criteria, QueryOptions):
        return criteria
    # A class has the methods of its objects, and passes for one of them.
    if isinstance(criteria, type) or not isinstance(criteria, ISpecification):
        found = f"the class {criteria.__name__}" if isinstance(criteria, type) else criteria.__class__.__name__
        raise TypeError(f"search takes a specification or QueryOptions, found {found}.")
    return QueryOptions(specification=criteria)  # pyright: ignore[reportUnknownArgumentType]  # a rule about anything


def aggregate_type_of(repository: Repository[Any, Any]) -> Any:
    """The aggregate class in the type arguments: of ``SomeRepository[Order, str]()``, or of a base of its class.

    Raises ``ConfigurationError`` when there is none. For adapters whose constructor need not be given the class.
    """
    # typing sets __orig_class__ on an instance after its __init__.
    bases = [base for cls in type(repository).__mro__ for base in cls.__dict__.get("__orig_bases__", ())]
    for generic in (getattr(repository, "__orig_class__", None), *bases):
        for argument in get_args(generic)[:1]:
            if isinstance(argument, type) and issubclass(argument, AggregateRoot):
                return argument  # pyright: ignore[reportUnknownVariableType]
    name = type(repository).__name__
    raise ConfigurationError(
        f"This repository does not know what it keeps: write {name}[Order, str](…), or {name}(Order, …)."
    )


class _RepositorySearch[T: AggregateRoot[Any]](SearchResult[T]):
    """Asks the store in the unit of work of the moment, so that what was changed in it is seen."""

    def __init__(self, repository: Repository[T, Any], options: QueryOptions) -> None:
        self._repository, self._options = repository, options

    @asynccontextmanager
    async def _search(self) -> AsyncGenerator[tuple[UnitOfWork, SearchResult[T]]]:
        async with self._repository._work() as uow:  # pyright: ignore[reportPrivateUsage]  # two halves of one thing
            await uow.flush()
            yield uow, uow.store(self._repository.aggregate_type).search(self._options)

    @override
    async def all(self) -> list[T]:
        async with self._search() as (uow, search):
            items = await search.all()
            if self._options.fields:
                return items
            return [uow.see(self._repository.aggregate_type, item) for item in items]

    @override
    async def stream(self, batch_size: int = 100) -> AsyncIterator[Sequence[T]]:
        if batch_size < 1:
            raise ValueError(f"batch_size is 1 or more, found {batch_size}.")
        async with self._search() as (_, search):
            async for batch in search.stream(batch_size):
                yield batch

    @override
    async def first(self) -> T | None:
        async with self._search() as (uow, search):
            item = await search.first()
            if item is None or self._options.fields:
                return item
            return uow.see(self._repository.aggregate_type, item)

    @override
    async def count(self) -> int:
        async with self._search() as (_, search):
            return await search.count()

    @override
    async def total_count(self) -> int:
        async with self._search() as (_, search):
            return await search.total_count()

    @override
    async def aggregations(self) -> Mapping[str, Any]:
        async with self._search() as (_, search):
            return await search.aggregations()

    @override
    async def groups(self) -> Sequence[Mapping[str, Any]]:
        async with self._search() as (_, search):
            return await search.groups()
