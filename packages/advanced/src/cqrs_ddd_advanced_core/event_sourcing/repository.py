"""The repository of event-sourced aggregates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, override

from cqrs_ddd_advanced_core.event_sourcing.sourcing import EventSourcing
from cqrs_ddd_advanced_core.snapshots.serializer import ISnapshotSerializer
from cqrs_ddd_advanced_core.snapshots.strategy import ISnapshotStrategy
from cqrs_ddd_advanced_core.snapshots.worker import SnapshotWorker
from cqrs_ddd_core.adapters.repository import Repository
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.event_registry import EventTypeRegistry
from cqrs_ddd_core.ports.aggregate_store import keeps_events
from cqrs_ddd_core.ports.event_store import IEventStore
from cqrs_ddd_core.ports.snapshot import ISnapshotStore
from cqrs_ddd_core.ports.unit_of_work import ITransactional, IUnitOfWorkSource, UnitOfWork, current_uow_or_none
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.exceptions import EventSourcingConfigurationError, UnitOfWorkError

__all__ = ["EventSourcedRepository", "unit_of_work_factory"]


class EventSourcedRepository[T: AggregateRoot[Any], ID](Repository[T, ID]):
    """Event-sourced aggregates of one class, by id.

    It takes part in the unit of work that is open in this task on the database of the event store; otherwise every
    call is a transaction of its own. Inside of handlers ``uow.accounts`` is the same.

    Aggregates cannot be deleted, searched or listed (``EventStoreError``): ask a projection. ``list_all(ids)`` works.
    """

    def __init__(
        self,
        event_store: IEventStore,
        snapshot_store: ISnapshotStore | None = None,
        aggregate_cls: type[T] | None = None,
        *,
        snapshot_strategy: ISnapshotStrategy | None = None,
        snapshot_serializer: ISnapshotSerializer | None = None,
        snapshot_worker: SnapshotWorker | None = None,
        event_registry: EventTypeRegistry | None = None,
        upcaster_registry: IUpcasterRegistry | None = None,
        uow_factory: Callable[[], UnitOfWork] | None = None,
        validate: bool = True,
        verify: bool = False,
    ) -> None:
        """``uow_factory`` is needed only with an event store that cannot open units of work itself.

        For the other arguments see ``EventSourcing``.
        """
        if aggregate_cls is None:
            raise EventSourcingConfigurationError(
                "A repository needs to know what it keeps: EventSourcedRepository(…, aggregate_cls=Order)."
            )
        self._cls = aggregate_cls
        self._sourcing = EventSourcing(
            event_store,
            snapshot_store,
            aggregates=[aggregate_cls],
            snapshot_strategy=snapshot_strategy,
            snapshot_serializer=snapshot_serializer,
            snapshot_worker=snapshot_worker,
            event_registry=event_registry,
            upcaster_registry=upcaster_registry,
            validate=validate,
            verify=verify,
        )
        self._sourcing.announce()
        self._uow_factory = uow_factory

    @property
    @override
    def aggregate_type(self) -> type[T]:
        return self._cls

    async def load(
        self, aggregate_id: ID, *, from_version: int | None = None, at: int | datetime | None = None
    ) -> T | None:
        """The aggregate; None when there is none. Without further arguments it is the same as ``get``.

        ``from_version`` takes no snapshot that is newer, so that 0 replays the whole history. ``at`` gives a state of
        the past: after the event with that version, or at that time. With either of them the object is a new one, of
        which the unit of work knows nothing; saving a state of the past is a lost race.
        """
        if from_version is None and at is None:
            return await self.get(aggregate_id)
        return await self._sourcing.loader(self._cls).load(aggregate_id, from_version=from_version, at=at)

    async def history(self, aggregate_id: ID, *, after_version: int = 0) -> list[DomainEvent]:
        """The committed events of the aggregate and those that are flushed, oldest first; empty when it has none."""
        return await self._sourcing.loader(self._cls).history(aggregate_id, after_version=after_version)

    @override
    def _joined(self) -> UnitOfWork | None:
        uow = current_uow_or_none()
        event_store = self._sourcing.event_store
        if uow is None or not (isinstance(event_store, ITransactional) and event_store.joins(uow)):
            return None
        store = uow.provide_store(self._cls, self._sourcing[self._cls])
        if not keeps_events(store):
            raise UnitOfWorkError(
                f"This unit of work keeps {self._cls.aggregate_type} as its state, and "
                "this repository keeps them as events. Use an EventSourcedMediator, or give the unit of work the "
                "event-sourced classes: aggregate_stores=EventSourcing(event_store, aggregates=[…])."
            )
        return uow

    @override
    def _own(self) -> UnitOfWork:
        factory = self._uow_factory or unit_of_work_factory(self._sourcing.event_store, "an EventSourcedRepository")
        uow = factory()
        uow.provide_store(self._cls, self._sourcing[self._cls])
        return uow


def unit_of_work_factory(event_store: IEventStore, who: str) -> Callable[[], UnitOfWork]:
    """What opens units of work on the database of an event store.

    Raises ``EventSourcingConfigurationError`` for an event store that cannot.
    """
    if not isinstance(event_store, IUnitOfWorkSource):
        raise EventSourcingConfigurationError(
            f"{type(event_store).__name__} cannot open units of work: give {who} one with uow_factory=…, on the same "
            "database as the event store."
        )
    return event_store.open_unit_of_work
