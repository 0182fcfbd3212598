"""The in-memory event store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, tenant_of_record
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, InMemoryTransaction, resolve_store
from cqrs_ddd_core.adapters.memory.unit_of_work import InMemoryUnitOfWork
from cqrs_ddd_core.adapters.stored_json import from_json, to_json
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.ports.event_store import ANY_VERSION, IEventStore, StoredEvent, StreamAppend
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.exceptions import EventStoreError, OptimisticConcurrencyError

__all__ = ["InMemoryEventStore"]

_STREAMS = "event_store.streams"
"""The newest entry of each stream."""
_IDS = "event_store.event_ids"
_LOG = "event_store.log"
"""Entries by position. Written at commits only."""

# Waiting for the next commit is not polling; the limit is there because the store's waiting has one.
_A_LONG_TIME = timedelta(hours=1)


class _Stream(NamedTuple):
    tenant_id: str | None
    aggregate_type: str
    aggregate_id: str


@dataclass(slots=True)
class _Entry:
    """One stored event. Does not change any more once the commit has given it its position."""

    event: StoredEvent
    """Without payload and metadata, which are kept as text: nobody can change them from outside."""
    payload: str
    metadata: str
    previous: _Entry | None
    """The one before it in its stream."""

    def read(self) -> StoredEvent:
        return replace(self.event, payload=from_json(self.payload), metadata=from_json(self.metadata))


class InMemoryEventStore(IEventStore):
    """Events in memory. Positions are given at the commit, so that their order is the order of the commits."""

    def __init__(
        self, store: InMemoryStore | None = None, *, upcaster_registry: IUpcasterRegistry | None = None
    ) -> None:
        self._store = store
        self._upcasters = upcaster_registry

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    def open_unit_of_work(self) -> UnitOfWork:
        return InMemoryUnitOfWork(resolve_store(self._store))

    async def append(self, events: Sequence[StoredEvent], *, expected_version: int) -> Sequence[StoredEvent]:
        return await self.append_batch([StreamAppend(events=events, expected_version=expected_version)])

    async def append_batch(self, appends: Sequence[StreamAppend]) -> Sequence[StoredEvent]:
        hooks = get_hook_registry()
        if not hooks:
            return self._append(appends)
        types = {event.aggregate_type for append in appends for event in append.events}
        aggregate_type = next(iter(types)) if len(types) == 1 else "several"
        attributes = {
            "aggregate.type": aggregate_type,
            "event_count": sum(len(append.events) for append in appends),
        }

        async def append() -> Sequence[StoredEvent]:
            return self._append(appends)

        return await hooks.execute_all(f"event_store.append.{aggregate_type}", attributes, append)

    async def read_stream(
        self,
        aggregate_type: str,
        aggregate_id: str,
        *,
        after_version: int = 0,
        up_to_version: int | None = None,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        if limit is not None:
            at_least(1, limit, "limit")
        entries: list[_Entry] = []
        entry = self._newest(aggregate_type, aggregate_id)
        while entry is not None and entry.event.version > after_version:
            if up_to_version is None or entry.event.version <= up_to_version:
                entries.append(entry)
            entry = entry.previous
        found: list[StoredEvent] = []
        for entry in reversed(entries):
            events = self._as_of_today(entry)
            if limit is not None and found and len(found) + len(events) > limit:
                break
            found += events
            if limit is not None and len(found) >= limit:
                break
        return found

    async def stream_version(self, aggregate_type: str, aggregate_id: str) -> int:
        return _version(self._newest(aggregate_type, aggregate_id))

    async def read_all(
        self,
        after_position: int = 0,
        *,
        limit: int = 1000,
        event_types: Iterable[str] | None = None,
        tenant_id: str | None = None,
    ) -> Sequence[StoredEvent]:
        at_least(1, limit, "limit")
        wanted = _wanted(event_types)
        return self._scan(resolve_store(self._store), after_position, limit, wanted, tenant_id)[0]

    async def subscribe(
        self, after_position: int = 0, *, batch_size: int = 1000, event_types: Iterable[str] | None = None
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        at_least(1, batch_size, "batch_size")
        wanted = _wanted(event_types)
        store = resolve_store(self._store)
        position = after_position
        while True:
            batch, position = self._scan(store, position, batch_size, wanted, None)
            if batch:
                yield batch
            else:
                # Nothing is missed in between: until it waits, this does not let another task run.
                await store.wait_for_change(_LOG, _A_LONG_TIME)

    async def latest_position(self) -> int:
        return _last_position(resolve_store(self._store))

    # ------------------------------------------------------------------ writing

    def _append(self, appends: Sequence[StreamAppend]) -> Sequence[StoredEvent]:
        with resolve_store(self._store).work() as transaction:
            entries, newest = _prepare(transaction, appends)
            # Nothing is put in before everything is accepted: the caller may catch the error and commit the rest.
            for stream, entry in newest.items():
                transaction.put(_STREAMS, stream, entry, conflict=_lost_race(transaction, stream))
            for entry in entries:
                event_id = entry.event.event_id
                transaction.put(_IDS, event_id, entry.event.version, conflict=partial(_second_use, event_id))
            transaction.at_commit(lambda store: _give_positions(store, entries))
            transaction.announce(_LOG)
        return [entry.read() for entry in entries]

    # ------------------------------------------------------------------ reading

    def _newest(self, aggregate_type: str, aggregate_id: str) -> _Entry | None:
        stream = _Stream(get_current_tenant_or_none(), aggregate_type, aggregate_id)
        with resolve_store(self._store).work() as transaction:
            return transaction.get(_STREAMS, stream)

    def _scan(
        self,
        store: InMemoryStore,
        after_position: int,
        limit: int,
        event_types: frozenset[str] | None,
        tenant_id: str | None,
    ) -> tuple[list[StoredEvent], int]:
        """Events behind a position, and the position up to which everything has been looked at.

        Goes on until there are enough, however many are left out: no answer means that the log is at its end.
        """
        log = store.tables.get(_LOG, {})
        last = _last_position(store)
        found: list[StoredEvent] = []
        for position in range(after_position + 1, last + 1):
            entry: _Entry = log[position]
            if tenant_id is not None and entry.event.tenant_id != tenant_id:
                continue
            events = self._as_of_today(entry, event_types)
            if found and len(found) + len(events) > limit:
                # What one stored event became is not torn apart: a reader goes on behind its position.
                return found, position - 1
            found += events
            if len(found) >= limit:
                return found, position
        return found, max(after_position, last)

    def _as_of_today(self, entry: _Entry, event_types: frozenset[str] | None = None) -> list[StoredEvent]:
        """What the event has become since it was stored, as far as it is wanted."""
        if self._upcasters is None:
            # Asked before the payload is read: most readers want few of many types.
            return [entry.read()] if event_types is None or entry.event.event_type in event_types else []
        events = self._upcasters.upcast(entry.read())
        return [event for event in events if event_types is None or event.event_type in event_types]


def _prepare(
    transaction: InMemoryTransaction, appends: Sequence[StreamAppend]
) -> tuple[list[_Entry], dict[_Stream, _Entry]]:
    """The new entries in order, and the newest one of each stream; raises for what cannot be appended."""
    entries: list[_Entry] = []
    newest: dict[_Stream, _Entry] = {}
    ids: set[str] = set()
    for append in appends:
        stream = _stream_of(append)
        entry: _Entry | None = newest.get(stream) or transaction.get(_STREAMS, stream)
        _check_expected(stream, append.expected_version, _version(entry))
        for event in append.events:
            if event.event_id in ids or transaction.get(_IDS, event.event_id) is not None:
                raise _second_use(event.event_id)
            ids.add(event.event_id)
            entry = _entry(event, stream, entry)
            entries.append(entry)
            newest[stream] = entry
    return entries, newest


def _stream_of(append: StreamAppend) -> _Stream:
    if not append.events:
        raise EventStoreError("There are no events to append. Call append only when something has happened.")
    first = append.events[0]
    for event in append.events:
        if (event.aggregate_type, event.aggregate_id) != (first.aggregate_type, first.aggregate_id):
            raise EventStoreError(
                f"An append is for one stream: found {first.aggregate_type} {first.aggregate_id!r} and "
                f"{event.aggregate_type} {event.aggregate_id!r}. Use append_batch with one StreamAppend for each."
            )
    tenants = {tenant_of_record(event.tenant_id, f"Event {event.event_id}") for event in append.events}
    return _Stream(tenants.pop(), first.aggregate_type, first.aggregate_id)


def _check_expected(stream: _Stream, expected: int, actual: int) -> None:
    if expected < ANY_VERSION:
        raise EventStoreError(f"An expected version is a number from 0 (NO_STREAM), or ANY_VERSION; found {expected}.")
    if expected not in {ANY_VERSION, actual}:
        raise OptimisticConcurrencyError(stream.aggregate_type, stream.aggregate_id, expected, actual)


def _entry(event: StoredEvent, stream: _Stream, previous: _Entry | None) -> _Entry:
    last = _version(previous)
    version = event.version or last + 1
    if version < 0:
        raise EventStoreError(f"A version is a number from 1, or 0 for the next one; found {event.version}.")
    if version <= last:
        raise OptimisticConcurrencyError(stream.aggregate_type, stream.aggregate_id, version - 1, last)
    return _Entry(
        event=replace(
            event,
            payload={},
            metadata={},
            version=version,
            occurred_at=as_utc(event.occurred_at, "occurred_at"),
            tenant_id=stream.tenant_id,
            position=None,
        ),
        payload=to_json(event.payload, kind="event", name=event.event_type),
        metadata=to_json(event.metadata, kind="event", name=event.event_type, field="metadata"),
        previous=previous,
    )


def _give_positions(store: InMemoryStore, entries: Sequence[_Entry]) -> None:
    log = store.tables.setdefault(_LOG, {})
    for entry in entries:
        position = store.next_number(_LOG)
        entry.event = replace(entry.event, position=position)
        log[position] = entry


def _lost_race(transaction: InMemoryTransaction, stream: _Stream) -> Callable[[], Exception] | None:
    before: _Entry | None = transaction.get(_STREAMS, stream)
    if before is not None and before.event.position is None:
        return None  # this transaction's own: what its first append to the stream relied on is known already

    def error() -> Exception:
        actual = _version(transaction.store.tables.get(_STREAMS, {}).get(stream))
        return OptimisticConcurrencyError(stream.aggregate_type, stream.aggregate_id, _version(before), actual)

    return error


def _second_use(event_id: str) -> EventStoreError:
    return EventStoreError(
        f"An event with the id {event_id} is stored already. An event is appended once; a new one has a new id."
    )


def _version(entry: _Entry | None) -> int:
    return 0 if entry is None else entry.event.version


def _last_position(store: InMemoryStore) -> int:
    log: dict[Any, _Entry] = store.tables.get(_LOG, {})
    return next(reversed(log), 0)


def _wanted(event_types: Iterable[str] | None) -> frozenset[str] | None:
    if isinstance(event_types, str):
        raise TypeError(
            f"event_types is a collection of names, found the text {event_types!r}. Write [{event_types!r}]."
        )
    return None if event_types is None else frozenset(event_types)
