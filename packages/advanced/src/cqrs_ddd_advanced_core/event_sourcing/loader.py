"""Loading event-sourced aggregates: the newest snapshot that fits, and the events after it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from cqrs_ddd_advanced_core.event_sourcing.applying import event_handlers_of
from cqrs_ddd_advanced_core.event_sourcing.blank import blank
from cqrs_ddd_advanced_core.event_sourcing.facts import ByIdentity
from cqrs_ddd_advanced_core.event_sourcing.replay import Replay, hydrate
from cqrs_ddd_advanced_core.snapshots.serializer import ISnapshotSerializer, JSONSnapshotSerializer
from cqrs_ddd_advanced_core.snapshots.snapshotter import ISnapshotSource, LoadFacts, RebuiltAggregate
from cqrs_ddd_core.adapters.arguments import as_utc
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.event_registry import EventTypeRegistry
from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.ports.event_store import IEventStore, StoredEvent
from cqrs_ddd_core.ports.snapshot import ISnapshotStore, Snapshot
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.exceptions import EventStoreError, SerializationError

__all__ = ["EventSourcedLoader"]

logger = logging.getLogger(__name__)


class EventSourcedLoader[T: AggregateRoot[Any]](ISnapshotSource[T]):
    """Loads the aggregates of one class, each as a new object, in the current tenant."""

    def __init__(
        self,
        aggregate_cls: type[T],
        event_store: IEventStore,
        snapshot_store: ISnapshotStore | None = None,
        *,
        snapshot_serializer: ISnapshotSerializer | None = None,
        event_registry: EventTypeRegistry | None = None,
        upcaster_registry: IUpcasterRegistry | None = None,
        validate: bool = True,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``upcaster_registry`` is for event stores that were not given one. ``timer`` gives seconds.

        ``validate=False`` skips comparing the fields with their types after loading; fields that are missing are
        found all the same.
        """
        self._cls = aggregate_cls
        self._event_store = event_store
        self._snapshot_store = snapshot_store
        self._snapshots = JSONSnapshotSerializer() if snapshot_serializer is None else snapshot_serializer
        self._serializer = EventSerializer(event_registry)
        self._upcasters = upcaster_registry
        self._validate = validate
        self._timer = timer
        self._checked = False
        self.facts = ByIdentity[LoadFacts]()
        """What loading took, for the objects that are still in use."""

    @property
    def aggregate_cls(self) -> type[T]:
        return self._cls

    def check_class(self) -> None:
        """Raise ``EventHandlerError`` when the class cannot be event-sourced. Every use asks; it is looked at once."""
        if not self._checked:
            event_handlers_of(self._cls).check()
            self._checked = True

    async def load(
        self, aggregate_id: Any, *, from_version: int | None = None, at: int | datetime | None = None
    ) -> T | None:
        """The aggregate; None when it has no events.

        ``from_version`` takes no snapshot that is newer: 0 replays everything. ``at`` gives the state of the past,
        after the event with that version or after the events up to that time; None when there was nothing yet.

        Raises ``SerializationError`` for events that cannot be read or applied, ``EventStoreError`` for a version
        that the aggregate does not have.
        """
        rebuilt = await self.rebuild(aggregate_id, from_version=from_version, at=at)
        return None if rebuilt is None else rebuilt.aggregate

    async def rebuild(
        self, aggregate_id: Any, /, *, from_version: int | None = None, at: int | datetime | None = None
    ) -> RebuiltAggregate[T] | None:
        """The same, with what it took."""
        hooks = get_hook_registry()
        if not hooks:
            return await self._rebuild(aggregate_id, from_version, at)
        aggregate_type = self._cls.aggregate_type
        return await hooks.execute_all(
            f"event_sourcing.load.{aggregate_type}",
            {"aggregate.type": aggregate_type, "aggregate.id": str(aggregate_id)},
            lambda: self._rebuild(aggregate_id, from_version, at),
        )

    async def _rebuild(
        self, aggregate_id: Any, from_version: int | None, at: int | datetime | None
    ) -> RebuiltAggregate[T] | None:
        self.check_class()
        moment = as_utc(at, "at") if isinstance(at, datetime) else None
        version = None if isinstance(at, datetime) else at
        for name, number in (("from_version", from_version), ("at", version)):
            if number is not None and number < 0:
                raise ValueError(f"{name} is a version from 0, found {number}.")
        if version == 0:
            return None
        started = self._timer()
        limits = [limit for limit in (from_version, version) if limit is not None]
        # When a snapshot was taken says nothing about when the events in it happened.
        newest = 0 if moment is not None else min(limits, default=None)
        rebuilt = await self._from_snapshot(aggregate_id, newest, version, started)
        if rebuilt is None:
            rebuilt = await self._from_the_beginning(aggregate_id, version, moment, started)
        if version is not None and (rebuilt is None or rebuilt.aggregate.version != version):
            await self._refuse_version(aggregate_id, version)
        return rebuilt

    async def history(
        self, aggregate_id: Any, *, after_version: int = 0, up_to_version: int | None = None
    ) -> list[DomainEvent]:
        """The events of the aggregate, oldest first; empty when there are none. Errors as for ``load``."""
        return hydrate(await self._read(aggregate_id, after_version, up_to_version), self._serializer)

    async def _from_snapshot(
        self, aggregate_id: Any, newest: int | None, version: int | None, started: float
    ) -> RebuiltAggregate[T] | None:
        if self._snapshot_store is None or newest == 0:
            return None
        snapshot = await self._snapshot_store.latest(
            self._cls.aggregate_type,
            str(aggregate_id),
            up_to_version=newest,
            fingerprint=self._snapshots.fingerprint(self._cls),
        )
        aggregate = None if snapshot is None else self._read_snapshot(snapshot)
        if snapshot is None or aggregate is None:
            return None
        # The event that led to the snapshot is read too: without it, the snapshot is not from this stream.
        stored = await self._read(aggregate_id, snapshot.version - 1, version)
        if not stored or stored[0].version != snapshot.version:
            logger.warning(
                "%s %r has a snapshot of version %d and no such event: the snapshot is ignored",
                self._cls.aggregate_type,
                str(aggregate_id),
                snapshot.version,
            )
            return None
        later = [event for event in stored if event.version > snapshot.version]
        return await self._replayed(Replay(aggregate), later, snapshot.version, snapshot.taken_at, started)

    def _read_snapshot(self, snapshot: Snapshot) -> T | None:
        try:
            return self._snapshots.load(self._cls, snapshot.state, snapshot.version)
        except SerializationError:
            # It only saves work: the events say the same.
            logger.warning(
                "The snapshot of %s %r at version %d cannot be read and is ignored",
                snapshot.aggregate_type,
                snapshot.aggregate_id,
                snapshot.version,
                exc_info=True,
            )
            return None

    async def _from_the_beginning(
        self, aggregate_id: Any, version: int | None, moment: datetime | None, started: float
    ) -> RebuiltAggregate[T] | None:
        stored = await self._read(aggregate_id, 0, version)
        if moment is not None:
            # A state of the past is the one before the first later event, also where clocks disagreed.
            later = next((number for number, event in enumerate(stored) if event.occurred_at > moment), len(stored))
            stored = stored[:later]
        if not stored:
            return None
        aggregate = blank(self._cls, aggregate_id)
        return await self._replayed(Replay(aggregate), stored, 0, stored[0].occurred_at, started)

    async def _replayed(
        self, replay: Replay[T], stored: Sequence[StoredEvent], snapshot_version: int, since: datetime, started: float
    ) -> RebuiltAggregate[T]:
        replayed = await replay.apply(stored, self._serializer)
        aggregate = await replay.finish(validate=self._validate)
        facts = LoadFacts(
            snapshot_version=snapshot_version,
            since=since,
            replayed=replayed,
            replay_seconds=self._timer() - started,
        )
        self.facts.set(aggregate, facts)
        return RebuiltAggregate(aggregate=aggregate, facts=facts)

    async def _refuse_version(self, aggregate_id: Any, version: int) -> None:
        name = self._cls.aggregate_type
        last = await self._event_store.stream_version(name, str(aggregate_id))
        if last:
            raise EventStoreError(
                f"{name} {str(aggregate_id)!r} has no version {version}: its last event led to version {last}."
            )

    async def _read(self, aggregate_id: Any, after_version: int, up_to_version: int | None) -> Sequence[StoredEvent]:
        stored = await self._event_store.read_stream(
            self._cls.aggregate_type, str(aggregate_id), after_version=after_version, up_to_version=up_to_version
        )
        if self._upcasters is None:
            return stored
        return [upcast for event in stored for upcast in self._upcasters.upcast(event)]
