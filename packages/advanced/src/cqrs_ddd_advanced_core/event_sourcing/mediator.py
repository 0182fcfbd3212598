"""The mediator of applications whose aggregates are event-sourced."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, cast, overload, override

from pydantic import SkipValidation

from cqrs_ddd_advanced_core.event_sourcing.guard import EventSourcingGuard
from cqrs_ddd_advanced_core.event_sourcing.repository import unit_of_work_factory
from cqrs_ddd_advanced_core.event_sourcing.sourcing import EventSourcing, id_of
from cqrs_ddd_advanced_core.snapshots.serializer import ISnapshotSerializer
from cqrs_ddd_advanced_core.snapshots.strategy import ISnapshotStrategy
from cqrs_ddd_advanced_core.snapshots.worker import SnapshotWorker
from cqrs_ddd_core.cqrs.event_dispatcher import EventDispatcher, HandlerFactory
from cqrs_ddd_core.cqrs.handler import CommandHandler
from cqrs_ddd_core.cqrs.mediator import Mediator, UnitOfWorkFactory
from cqrs_ddd_core.cqrs.message import Command
from cqrs_ddd_core.cqrs.registry import HandlerRegistry
from cqrs_ddd_core.cqrs.response import CommandResponse
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.event_registry import EventTypeRegistry
from cqrs_ddd_core.middleware.registry import MiddlewareDefinition, MiddlewareRegistry
from cqrs_ddd_core.ports.event_store import IEventStore
from cqrs_ddd_core.ports.snapshot import ISnapshotStore
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, current_uow_or_none, get_current_uow
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.exceptions import EntityNotFoundError

__all__ = ["EventSourcedMediator", "SaveAggregate"]


class SaveAggregate(Command[int]):
    """Save an aggregate that was changed outside of a command handler. The result is its version."""

    aggregate: SkipValidation[Any]


class _SaveHandler(CommandHandler[int]):
    async def handle(self, command: SaveAggregate) -> CommandResponse[int]:
        aggregate: AggregateRoot[Any] = command.aggregate
        await get_current_uow().repository(type(aggregate)).add(aggregate)
        return CommandResponse(result=aggregate.version, events=aggregate.clear_events())


class EventSourcedMediator(Mediator):
    """A mediator whose units of work keep event-sourced aggregates as their events.

    Handlers are written as always: ``uow.accounts.get(id)`` loads from the newest snapshot and the events after it,
    and what the aggregates record is appended with the commit. ``load`` and ``save`` do the same outside of handlers.

    Event-sourced are the subclasses of ``EventSourcedAggregate``, the classes in ``aggregates``, and those that an
    ``EventSourcedRepository`` on the same event store was made for. All others are kept as their state, in the same
    unit of work.
    """

    def __init__(
        self,
        registry: HandlerRegistry,
        event_store: IEventStore,
        snapshot_store: ISnapshotStore | None = None,
        snapshot_strategy: ISnapshotStrategy | None = None,
        snapshot_serializer: ISnapshotSerializer | None = None,
        *,
        uow_factory: UnitOfWorkFactory | None = None,
        aggregates: Iterable[type[AggregateRoot[Any]]] = (),
        snapshot_worker: SnapshotWorker | None = None,
        event_registry: EventTypeRegistry | None = None,
        upcaster_registry: IUpcasterRegistry | None = None,
        enforce_registration: bool = False,
        state_stored: Collection[type[AggregateRoot[Any]]] = (),
        validate: bool = True,
        verify: bool = False,
        middleware_registry: MiddlewareRegistry | None = None,
        event_dispatcher: EventDispatcher | None = None,
        handler_factory: HandlerFactory | None = None,
    ) -> None:
        """Put the parts together.

        Without ``uow_factory`` the event store opens the units of work. With ``enforce_registration`` a command fails
        whose events belong to aggregates that are neither event-sourced nor in ``state_stored``. For snapshots,
        upcasters and checks see ``EventSourcing``; for the rest, ``Mediator``.

        Raises ``EventSourcingConfigurationError`` when the event store cannot open units of work.
        """
        self.sourcing = EventSourcing(
            event_store,
            snapshot_store,
            aggregates=aggregates,
            snapshot_strategy=snapshot_strategy,
            snapshot_serializer=snapshot_serializer,
            snapshot_worker=snapshot_worker,
            event_registry=event_registry,
            upcaster_registry=upcaster_registry,
            validate=validate,
            verify=verify,
        )
        """How the aggregates are kept."""
        self._open = uow_factory or unit_of_work_factory(event_store, "the EventSourcedMediator")
        guard = EventSourcingGuard(
            self.sourcing,
            enforce_registration=enforce_registration,
            state_stored=[each.aggregate_type for each in state_stored],
        )
        self._guard = MiddlewareDefinition(middleware=guard, stage=guard.stage, priority=guard.priority)
        super().__init__(
            registry,
            self._open_equipped,
            middleware_registry=middleware_registry,
            event_dispatcher=event_dispatcher,
            handler_factory=handler_factory,
        )

    def register_aggregate(self, *aggregates: type[AggregateRoot[Any]]) -> None:
        """Keep these aggregates as events, too."""
        self.sourcing.register(*aggregates)

    @overload
    async def load[T: AggregateRoot[Any]](
        self,
        aggregate_id: Any,
        *,
        aggregate_cls: type[T],
        from_version: int | None = None,
        at: int | datetime | None = None,
    ) -> T: ...
    @overload
    async def load(
        self, aggregate_id: Any, *, from_version: int | None = None, at: int | datetime | None = None
    ) -> Any: ...
    async def load(
        self,
        aggregate_id: Any,
        *,
        aggregate_cls: type[AggregateRoot[Any]] | None = None,
        from_version: int | None = None,
        at: int | datetime | None = None,
    ) -> Any:
        """Load an aggregate from its newest snapshot and the events after it.

        Without ``aggregate_cls`` the id is looked for among all event-sourced classes. ``from_version`` takes no
        snapshot that is newer: 0 replays the whole history. ``at`` gives a state of the past: after the event with
        that version, or at that time.

        Inside of a handler it gives the object of the handler's unit of work, except for ``from_version`` and ``at``.

        Raises ``EntityNotFoundError`` when there is none (or was none then), ``AmbiguousAggregateError`` when
        aggregates of several classes have the id, ``SerializationError`` for events that cannot be read or applied.
        """
        if aggregate_cls is None:
            aggregate_cls, aggregate_id = await self.sourcing.find_class(aggregate_id)
        else:
            self.sourcing.require(aggregate_cls)
            aggregate_id = id_of(aggregate_cls, aggregate_id)
        if from_version is not None or at is not None:
            found = await self.sourcing.loader(aggregate_cls).load(aggregate_id, from_version=from_version, at=at)
        elif (uow := current_uow_or_none()) is not None and aggregate_cls in (uow.aggregate_stores or ()):
            found = await uow.repository(aggregate_cls).get(aggregate_id)
        else:
            found = await self.sourcing.loader(aggregate_cls).load(aggregate_id)
        if found is None:
            raise EntityNotFoundError(aggregate_cls.aggregate_type, aggregate_id)
        return found

    async def save(self, aggregate: AggregateRoot[Any]) -> CommandResponse[int]:
        """Save what has happened to an aggregate since it was loaded or made; the result is its version.

        It goes the way of a command: middlewares, event sinks and event handlers see the events. Without new events
        nothing is written. Raises ``OptimisticConcurrencyError`` when another writer was first, and
        ``EventSourcedAggregateRequiredError`` for an aggregate that is not event-sourced.
        """
        self.sourcing.require(type(aggregate))
        return await self.send(SaveAggregate(aggregate=aggregate))

    def _open_equipped(self) -> UnitOfWork:
        uow = self._open()
        given = uow.aggregate_stores
        # What the unit of work was given for a class counts more than what holds for all.
        uow.aggregate_stores = self.sourcing if given is None else cast("Any", ChainMap)(given, self.sourcing)
        return uow

    @override
    def _handler_of(self, message_type: type[Any]) -> Any:
        if message_type is SaveAggregate:
            return _SaveHandler()
        return super()._handler_of(message_type)

    @override
    def _definitions(self, message_type: type[Any]) -> Sequence[MiddlewareDefinition]:
        definitions = super()._definitions(message_type)
        if not issubclass(message_type, Command):
            return definitions
        return sorted([*definitions, self._guard], key=lambda known: (known.stage, known.priority))
