"""What keeps event-sourced aggregates inside a unit of work: their streams of events."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from cqrs_ddd_advanced_core.event_sourcing.replay import check_state
from cqrs_ddd_advanced_core.snapshots.strategy import SnapshotSituation
from cqrs_ddd_core.context import current_context
from cqrs_ddd_core.domain.aggregate import AggregateRoot, unsaved_events
from cqrs_ddd_core.domain.event import DomainEvent, enrich_event_metadata
from cqrs_ddd_core.ports.aggregate_store import IAggregateStore
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, ensure_joined
from cqrs_ddd_core.primitives.exceptions import EventStoreError, InvariantViolationError, UnrecordedChangeError

if TYPE_CHECKING:
    from cqrs_ddd_advanced_core.event_sourcing.sourcing import EventSourcing

__all__ = ["EventSourcedAggregateStore"]


class EventSourcedAggregateStore[T: AggregateRoot[Any], ID](IAggregateStore[T, ID]):
    """The aggregates of one class, as the transaction of one unit of work sees them. Made by ``EventSourcing``."""

    keeps_events = True

    def __init__(self, uow: UnitOfWork, sourcing: EventSourcing, aggregate_cls: type[T]) -> None:
        """Raises ``PipelineError`` when the event store would not take part in the unit of work."""
        ensure_joined(sourcing.event_store, uow, "the events of aggregates are committed with everything else")
        self._uow = uow
        self._sourcing = sourcing
        self._cls = aggregate_cls
        self._name = aggregate_cls.aggregate_type
        self._loader = sourcing.loader(aggregate_cls)
        self._loader.check_class()

    async def fetch(self, entity_id: ID, /) -> T | None:
        with self._uow.ambient():
            return await self._loader.load(entity_id)

    async def fetch_many(self, entity_ids: Iterable[ID] | None, /) -> list[T]:
        if entity_ids is None:
            self._refuse_search()
        found = [await self.fetch(entity_id) for entity_id in dict.fromkeys(entity_ids)]
        return [entity for entity in found if entity is not None]

    async def write(self, entity: T, /, *, expected_version: int, version: int) -> None:
        """Append the events behind ``expected_version``.

        Raises ``InvariantViolationError`` for an aggregate that its events have not made complete,
        ``UnrecordedChangeError`` (where the checks are on) when a replay would give another state.
        """
        events = self._new_events(entity, expected_version, version)
        problems = await check_state(entity, validate=expected_version == 0)
        if problems:
            raise InvariantViolationError(f"{self._name} {entity.id!r} cannot be saved: {problems}")
        stored = [self._sourcing.serializer.to_stored(event) for event in events]
        with self._uow.ambient():
            await self._sourcing.event_store.append(stored, expected_version=expected_version)
            if self._sourcing.verify:
                await self._verify(entity)
        self._consider_snapshot(entity, events, version)

    async def remove(self, entity_id: ID, /, *, expected_version: int | None) -> bool:
        raise EventStoreError(
            f"{self._name} {entity_id!r} is event-sourced and cannot be deleted: what has happened has happened. "
            "Record an event that ends it."
        )

    def search(self, options: QueryOptions, /) -> SearchResult[Any]:
        self._refuse_search()

    def _refuse_search(self) -> NoReturn:
        raise EventStoreError(
            f"Event-sourced aggregates such as {self._name} are found by their ids and by nothing else. "
            "Search in a projection of their events."
        )

    def _new_events(self, entity: T, expected_version: int, version: int) -> list[DomainEvent]:
        if entity.__class__ is not self._cls:
            raise EventStoreError(
                f"{self._cls.__qualname__} are kept here, found a {entity.__class__.__qualname__}: its events would be "
                f"loaded as {self._cls.__qualname__}. Use the repository of its own class."
            )
        context = current_context()
        events = [
            enrich_event_metadata(event, correlation_id=context.correlation_id, causation_id=context.causation_id)
            for event in unsaved_events(entity)
            if (event.aggregate_version or 0) > expected_version
        ]
        if [event.aggregate_version for event in events] != list(range(expected_version + 1, version + 1)):
            raise EventStoreError(
                f"{self._name} {entity.id!r} has gone from version {expected_version} to {version}, but not by events: "
                f"it has {len(events)} new ones. Only add_event raises the version of an event-sourced aggregate."
            )
        for event in events:
            if (event.aggregate_type, event.aggregate_id) != (self._name, str(entity.id)):
                raise EventStoreError(
                    f"{event.event_type} was recorded by {self._name} {str(entity.id)!r} and says that it belongs to "
                    f"{event.aggregate_type} {event.aggregate_id!r}. Leave out aggregate_id and aggregate_type."
                )
        return events

    async def _verify(self, entity: T) -> None:
        replayed = await self._loader.load(entity.id, from_version=0)
        for name, value in entity.__dict__.items():
            found = None if replayed is None else replayed.__dict__.get(name)
            if found != value:
                raise UnrecordedChangeError(
                    self._name,
                    entity.id,
                    f"{name} is {value!r}, but a replay of its events gives {found!r}. Change it only where events are "
                    "applied, and by what the event says.",
                )

    def _consider_snapshot(self, entity: T, events: list[DomainEvent], version: int) -> None:
        snapshotter = self._sourcing.snapshotter
        if snapshotter is None:
            return
        facts = self._loader.facts.get(entity)
        situation = SnapshotSituation(
            aggregate_type=self._name,
            aggregate_id=str(entity.id),
            version=version,
            snapshot_version=0 if facts is None else facts.snapshot_version,
            since=events[0].occurred_at if facts is None else facts.since,
            events=tuple(events),
            replayed=0 if facts is None else facts.replayed,
            replay_seconds=0.0 if facts is None else facts.replay_seconds,
        )
        self._uow.on_commit(partial(self._sourcing.after_commit, self._cls, entity, situation))
