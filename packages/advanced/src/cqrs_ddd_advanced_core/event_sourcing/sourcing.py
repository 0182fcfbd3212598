"""How aggregates are kept as events: one object that says it for all parts."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, override

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from cqrs_ddd_advanced_core.event_sourcing.aggregate import EventSourcedAggregate
from cqrs_ddd_advanced_core.event_sourcing.loader import EventSourcedLoader
from cqrs_ddd_advanced_core.event_sourcing.store import EventSourcedAggregateStore
from cqrs_ddd_advanced_core.snapshots.serializer import ISnapshotSerializer, JSONSnapshotSerializer
from cqrs_ddd_advanced_core.snapshots.snapshotter import LoadFacts, Snapshotter
from cqrs_ddd_advanced_core.snapshots.strategy import ISnapshotStrategy, SnapshotSituation
from cqrs_ddd_advanced_core.snapshots.worker import SnapshotWorker
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.domain.aggregate import AggregateRoot, known_collections
from cqrs_ddd_core.domain.event_registry import EventTypeRegistry
from cqrs_ddd_core.ports.aggregate_store import AggregateStoreFactory, IAggregateStore
from cqrs_ddd_core.ports.event_store import IEventStore
from cqrs_ddd_core.ports.snapshot import ISnapshotStore
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import (
    AmbiguousAggregateError,
    ConfigurationError,
    EntityNotFoundError,
    EventSourcedAggregateRequiredError,
    EventSourcingConfigurationError,
)

__all__ = ["EventSourcing", "id_of"]

# Which classes a repository was made for, by event store: a mediator on the same event store knows them too.
_kept: weakref.WeakKeyDictionary[Any, list[type[AggregateRoot[Any]]]] = weakref.WeakKeyDictionary()


class EventSourcing(Mapping[type[AggregateRoot[Any]], AggregateStoreFactory]):
    """Which aggregates are kept as events, where, and with which snapshots.

    A unit of work takes it as its ``aggregate_stores``, so that ``uow.accounts`` is a repository of event-sourced
    accounts: ``InMemoryUnitOfWork(aggregate_stores=sourcing)``. ``EventSourcedMediator`` and
    ``EventSourcedRepository`` make one by themselves.

    Event-sourced are the subclasses of ``EventSourcedAggregate``, and the classes in ``aggregates``, which may be any
    aggregates with methods that apply their events.
    """

    def __init__(
        self,
        event_store: IEventStore,
        snapshot_store: ISnapshotStore | None = None,
        *,
        aggregates: Iterable[type[AggregateRoot[Any]]] = (),
        snapshot_strategy: ISnapshotStrategy | None = None,
        snapshot_serializer: ISnapshotSerializer | None = None,
        snapshot_worker: SnapshotWorker | None = None,
        keep_snapshots: int = 2,
        event_registry: EventTypeRegistry | None = None,
        upcaster_registry: IUpcasterRegistry | None = None,
        validate: bool = True,
        verify: bool = False,
    ) -> None:
        """Say how aggregates are kept.

        Without ``snapshot_strategy`` snapshots are used but none are taken. With ``snapshot_worker`` they are taken
        there, else directly after the commit. ``keep_snapshots`` is how many of each aggregate are kept.
        ``upcaster_registry`` is for event stores that were not given one.

        ``validate`` compares the fields of what is loaded with their types. ``verify`` replays an aggregate whenever
        it is saved and refuses a state that does not come from its events: expensive, and good in tests.
        """
        self.event_store = event_store
        self.snapshot_store = snapshot_store
        self.serializer = EventSerializer(event_registry)
        self.verify = verify
        self._event_registry = event_registry
        self._upcasters = upcaster_registry
        self._snapshot_serializer = JSONSnapshotSerializer() if snapshot_serializer is None else snapshot_serializer
        self._worker = snapshot_worker
        self._validate = validate
        self._registered: dict[type[AggregateRoot[Any]], None] = {}
        self._loaders: dict[type[AggregateRoot[Any]], EventSourcedLoader[Any]] = {}
        self.snapshotter: Snapshotter | None = None
        """None when no snapshots are taken."""
        if snapshot_strategy is not None:
            if snapshot_store is None:
                raise EventSourcingConfigurationError(
                    "A snapshot_strategy was given, and no snapshot_store to keep the snapshots in: give both, or none."
                )
            self.snapshotter = Snapshotter(
                snapshot_store, snapshot_strategy, self._snapshot_serializer, keep_latest=keep_snapshots
            )
        elif snapshot_worker is not None:
            raise EventSourcingConfigurationError(
                "A snapshot_worker was given, and no snapshot_strategy that would give it work."
            )
        self.register(*aggregates)

    # ------------------------------------------------------------------ which aggregates

    def register(self, *aggregates: type[AggregateRoot[Any]]) -> None:
        """Keep these aggregates as events. Raises ``ConfigurationError`` for two classes of one name."""
        for aggregate_cls in aggregates:
            for known in self._registered:
                if known.aggregate_type == aggregate_cls.aggregate_type and known is not aggregate_cls:
                    raise ConfigurationError(
                        f"{known.__module__}.{known.__qualname__} and {aggregate_cls.__module__}."
                        f"{aggregate_cls.__qualname__} share the aggregate_type {known.aggregate_type!r}, and so their "
                        "streams: give one of them another aggregate_type."
                    )
            self._registered[aggregate_cls] = None

    def announce(self) -> None:
        """Let others on the same event store know of the aggregates that were registered here."""
        try:
            known = _kept.setdefault(self.event_store, [])
        except TypeError:  # an event store that cannot be referred to weakly: then everybody has to be told
            return
        known.extend(each for each in self._registered if each not in known)

    def _announced(self) -> Sequence[type[AggregateRoot[Any]]]:
        try:
            return _kept.get(self.event_store, ())
        except TypeError:
            return ()

    def keeps(self, aggregate_cls: type[AggregateRoot[Any]]) -> bool:
        """Whether aggregates of this class are kept as events here."""
        return (
            aggregate_cls in self._registered
            or issubclass(aggregate_cls, EventSourcedAggregate)
            or aggregate_cls in self._announced()
        )

    def aggregates(self) -> tuple[type[AggregateRoot[Any]], ...]:
        """Every class that is kept as events here: what was registered, then what else is known in the process.

        Of what was not registered, a class is left out when a registered one has its name.
        """
        known = dict.fromkeys([*self._registered, *self._announced()])
        names = {each.aggregate_type for each in known}
        for aggregate_cls in known_collections:
            if issubclass(aggregate_cls, EventSourcedAggregate) and aggregate_cls.aggregate_type not in names:
                known[aggregate_cls] = None
        known.pop(EventSourcedAggregate, None)
        return tuple(known)

    def is_event_sourced(self, aggregate_type: str) -> bool:
        """Whether aggregates of this stable name are kept as events here."""
        return any(each.aggregate_type == aggregate_type for each in self.aggregates())

    def require(self, aggregate_cls: type[AggregateRoot[Any]]) -> None:
        """Raise ``EventSourcedAggregateRequiredError`` for a class that is not kept as events here."""
        if not self.keeps(aggregate_cls):
            raise EventSourcedAggregateRequiredError(aggregate_cls.aggregate_type)

    async def find_class(self, aggregate_id: Any) -> tuple[type[AggregateRoot[Any]], Any]:
        """The class of the aggregate that has this id, and the id as the class declares it.

        Raises ``EntityNotFoundError`` when there is none, ``AmbiguousAggregateError`` when there are several.
        """
        found: list[tuple[type[AggregateRoot[Any]], Any]] = []
        candidates = self.aggregates()
        for aggregate_cls in candidates:
            try:
                typed_id = id_of(aggregate_cls, aggregate_id)
            except ValueError:
                continue
            if await self.event_store.stream_version(aggregate_cls.aggregate_type, str(typed_id)):
                found.append((aggregate_cls, typed_id))
        if not found:
            names = " or ".join(sorted({each.aggregate_type for each in candidates}))
            raise EntityNotFoundError(names or "An event-sourced aggregate", aggregate_id)
        if len(found) > 1:
            raise AmbiguousAggregateError(
                aggregate_id, [f"{cls.aggregate_type} ({cls.__module__}.{cls.__qualname__})" for cls, _ in found]
            )
        return found[0]

    # ------------------------------------------------------------------ parts

    def loader[T: AggregateRoot[Any]](self, aggregate_cls: type[T]) -> EventSourcedLoader[T]:
        """What loads the aggregates of this class."""
        found = self._loaders.get(aggregate_cls)
        if found is None:
            found = self._loaders[aggregate_cls] = EventSourcedLoader(
                aggregate_cls,
                self.event_store,
                self.snapshot_store,
                snapshot_serializer=self._snapshot_serializer,
                event_registry=self._event_registry,
                upcaster_registry=self._upcasters,
                validate=self._validate,
            )
        return found

    def store(self, uow: UnitOfWork, aggregate_cls: type[AggregateRoot[Any]]) -> IAggregateStore[Any, Any]:
        """What keeps the aggregates of this class in a unit of work."""
        return EventSourcedAggregateStore(uow, self, aggregate_cls)

    async def after_commit[T: AggregateRoot[Any]](
        self, aggregate_cls: type[T], aggregate: T, situation: SnapshotSituation
    ) -> None:
        """Take a snapshot if it is due, here or in the worker."""
        snapshotter, loader = self.snapshotter, self.loader(aggregate_cls)
        if snapshotter is None:
            return
        snapshot_version, since = situation.snapshot_version, situation.since
        if snapshotter.is_due(situation):
            if self._worker is not None:
                self._worker.request(snapshotter, loader, aggregate.id)
            else:
                await snapshotter.take(loader, aggregate.id)
            snapshot_version, since = situation.version, utc_now()
        # The same object may be changed and saved again.
        facts = LoadFacts(
            snapshot_version=snapshot_version,
            since=since,
            replayed=situation.replayed,
            replay_seconds=situation.replay_seconds,
        )
        loader.facts.set(aggregate, facts)

    # ------------------------------------------------------------------ the mapping that units of work ask

    @override
    def __getitem__(self, aggregate_cls: type[AggregateRoot[Any]], /) -> AggregateStoreFactory:
        if not self.keeps(aggregate_cls):
            raise KeyError(aggregate_cls)
        return lambda uow: self.store(uow, aggregate_cls)

    @override
    def __iter__(self) -> Iterator[type[AggregateRoot[Any]]]:
        return iter(self.aggregates())

    @override
    def __len__(self) -> int:
        return len(self.aggregates())

    # Two of them are two ways to keep things, whatever they keep.
    @override
    def __eq__(self, other: object) -> bool:
        return self is other

    @override
    def __hash__(self) -> int:
        return id(self)


def id_of(aggregate_cls: type[AggregateRoot[Any]], aggregate_id: Any) -> Any:
    """The id as the class declares it: a UUID for its text. Raises ``ValueError`` for what can be no id of it."""
    declared: Any = aggregate_cls.__pydantic_fields__["id"].annotation
    try:
        return TypeAdapter[Any](declared).validate_python(aggregate_id)
    except PydanticError as error:
        wanted = getattr(declared, "__name__", declared)
        raise ValueError(f"{aggregate_id!r} is no id of {aggregate_cls.aggregate_type}, it wants {wanted}.") from error
