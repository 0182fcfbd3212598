"""The in-memory outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, longer_than_nothing
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, InMemoryTransaction, resolve_store
from cqrs_ddd_core.adapters.stored_json import from_json, to_json
from cqrs_ddd_core.ports.outbox import IOutboxStorage, OutboxMessage, OutboxStatistics, OutboxStatus
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OutboxError
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["InMemoryOutboxStorage"]

# One table for each state, by sequence: what relays look at stays small, however much has been published.
_PENDING = "outbox.pending"
_PUBLISHED = "outbox.published"
_DEAD = "outbox.dead"
_IDS = "outbox.message_ids"

_SHORTEST_WAIT = timedelta(milliseconds=10)
"""A waiting relay does not ask more often, whatever the clock of the process says."""


@dataclass(frozen=True, slots=True)
class _Row:
    message: OutboxMessage
    """Without payload and headers, which are kept as text: nobody can change them from outside."""
    payload: str
    headers: str

    @property
    def key(self) -> tuple[str | None, str] | None:
        """What its order is kept within. Aggregates of two tenants may have the same id."""
        return None if self.message.key is None else (self.message.tenant_id, self.message.key)

    def is_leased(self, now: datetime) -> bool:
        return self.message.leased_until is not None and self.message.leased_until > now

    def read(self) -> OutboxMessage:
        envelope = replace(self.message.envelope, payload=from_json(self.payload), headers=from_json(self.headers))
        return replace(self.message, envelope=envelope)

    def changed(
        self,
        *,
        status: OutboxStatus = OutboxStatus.PENDING,
        available_at: datetime | None = None,
        attempts: int | None = None,
        error: str | None = None,
        published_at: datetime | None = None,
        lease: str | None = None,
        leased_until: datetime | None = None,
    ) -> _Row:
        """With another state. Time, attempts and error stay as they are where they are not given."""
        message = self.message
        return replace(
            self,
            message=replace(
                message,
                status=status,
                available_at=message.available_at if available_at is None else available_at,
                attempts=message.attempts if attempts is None else attempts,
                last_error=message.last_error if error is None else error,
                published_at=published_at,
                lease=lease,
                leased_until=leased_until,
            ),
        )


class InMemoryOutboxStorage(IOutboxStorage):
    """Messages waiting to leave, in memory. Their order is the order of the commits that brought them.

    Leases run on the clock of the process. One that has run out can still be settled until somebody else takes the
    message: then the result is late, and true all the same.
    """

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    async def add(self, messages: Sequence[OutboxMessage]) -> None:
        with resolve_store(self._store).work() as transaction:
            ids: set[str] = set()
            for message in messages:
                if message.message_id in ids or transaction.get(_IDS, message.message_id) is not None:
                    raise _second_use(message.message_id)
                ids.add(message.message_id)
            rows = [_row(message) for message in messages]
            for message_id in ids:
                transaction.put(_IDS, message_id, message_id, conflict=partial(_second_use, message_id))
            if rows:
                transaction.at_commit(lambda store: _give_sequence(store, rows))
                transaction.announce(_PENDING)

    async def lease(self, limit: int, *, hold: timedelta) -> Sequence[OutboxMessage]:
        at_least(1, limit, "limit")
        longer_than_nothing(hold, "hold")
        now = utc_now()
        lease, leased_until = new_id(), now + hold
        leased: list[OutboxMessage] = []
        with resolve_store(self._store).alone() as transaction:
            for sequence, row in _free(_rows(transaction, _PENDING), now):
                row = row.changed(lease=lease, leased_until=leased_until)
                transaction.put(_PENDING, sequence, row)
                leased.append(row.read())
                if len(leased) == limit:
                    break
        return leased

    async def mark_published(self, messages: Sequence[OutboxMessage]) -> Sequence[str]:
        now = utc_now()
        settled: list[str] = []
        with resolve_store(self._store).alone() as transaction:
            for sequence, row in _held(transaction, messages):
                transaction.delete(_PENDING, sequence)
                row = row.changed(status=OutboxStatus.PUBLISHED, published_at=now)
                transaction.put(_PUBLISHED, sequence, row)
                settled.append(row.message.message_id)
        return settled

    async def mark_failed(self, message: OutboxMessage, error: str, *, retry_at: datetime | None) -> bool:
        if retry_at is not None:
            retry_at = as_utc(retry_at, "retry_at")
        with resolve_store(self._store).alone() as transaction:
            for sequence, row in _held(transaction, [message]):
                attempts = row.message.attempts + 1
                if retry_at is not None:
                    row = row.changed(available_at=retry_at, attempts=attempts, error=error)
                    transaction.put(_PENDING, sequence, row)
                else:
                    transaction.delete(_PENDING, sequence)
                    row = row.changed(status=OutboxStatus.DEAD, attempts=attempts, error=error)
                    transaction.put(_DEAD, sequence, row)
                return True
        return False

    async def release(self, messages: Sequence[OutboxMessage]) -> None:
        with resolve_store(self._store).alone() as transaction:
            for sequence, row in _held(transaction, messages):
                transaction.put(_PENDING, sequence, row.changed())

    async def wait_for_messages(self, timeout: timedelta) -> bool:
        store = resolve_store(self._store)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout.total_seconds()
        while True:
            now = utc_now()
            rows: dict[Any, _Row] = store.tables.get(_PENDING, {})
            if next(_free(rows, now), None) is not None:
                return True
            left = timedelta(seconds=deadline - loop.time())
            if left <= timedelta(0):
                return False
            await store.wait_for_change(_PENDING, min(left, _until_next(rows.values(), now, left)))

    async def dead_letters(
        self, *, limit: int = 100, offset: int = 0, topic: str | None = None, tenant_id: str | None = None
    ) -> Sequence[OutboxMessage]:
        at_least(1, limit, "limit")
        at_least(0, offset, "offset")
        with resolve_store(self._store).alone() as transaction:
            rows = _rows(transaction, _DEAD)
        wanted = [
            row
            for _, row in sorted(rows.items())
            if (topic is None or row.message.topic == topic)
            and (tenant_id is None or row.message.tenant_id == tenant_id)
        ]
        return [row.read() for row in wanted[offset : offset + limit]]

    async def replay(self, message_ids: Sequence[str]) -> int:
        now = utc_now()
        with resolve_store(self._store).alone() as transaction:
            rows = _dead(transaction, message_ids)
            for sequence, row in rows.items():
                transaction.delete(_DEAD, sequence)
                transaction.put(_PENDING, sequence, row.changed(available_at=now, attempts=0))
        return len(rows)

    async def discard(self, message_ids: Sequence[str]) -> int:
        with resolve_store(self._store).alone() as transaction:
            rows = _dead(transaction, message_ids)
            _remove(transaction, _DEAD, rows)
        return len(rows)

    async def purge(self, *, published_before: datetime, limit: int = 1000) -> int:
        at_least(1, limit, "limit")
        before = as_utc(published_before, "published_before")
        with resolve_store(self._store).alone() as transaction:
            rows = {
                sequence: row
                for sequence, row in sorted(_rows(transaction, _PUBLISHED).items())
                if row.message.published_at is not None and row.message.published_at < before
            }
            rows = dict(list(rows.items())[:limit])
            _remove(transaction, _PUBLISHED, rows)
        return len(rows)

    async def statistics(self) -> OutboxStatistics:
        now = utc_now()
        with resolve_store(self._store).alone() as transaction:
            pending = _rows(transaction, _PENDING).values()
            return OutboxStatistics(
                pending=len(pending),
                leased=sum(row.is_leased(now) for row in pending),
                dead=len(_rows(transaction, _DEAD)),
                published=len(_rows(transaction, _PUBLISHED)),
                oldest_pending=min((row.message.created_at for row in pending), default=None),
            )


def _row(message: OutboxMessage) -> _Row:
    if message.status is not OutboxStatus.PENDING or message.lease is not None:
        state = "leased" if message.lease is not None else message.status
        raise OutboxError(
            f"Message {message.message_id} is {state}: only messages that nobody has tried to publish are added. "
            "To publish one again, give it a new id, or replay it if it is dead."
        )
    envelope = message.envelope
    name = envelope.message_type
    headers: Mapping[str, Any] = envelope.headers
    not_text = [header for header, value in headers.items() if not isinstance(value, str)]
    if not_text:
        raise OutboxError(f"Headers are text; those of message {message.message_id} that are not: {not_text}.")
    return _Row(
        message=replace(
            message,
            envelope=replace(envelope, payload={}, headers={}, occurred_at=as_utc(envelope.occurred_at, "occurred_at")),
            created_at=as_utc(message.created_at, "created_at"),
            available_at=as_utc(message.available_at, "available_at"),
        ),
        payload=to_json(envelope.payload, kind="message", name=name),
        headers=to_json(headers, kind="message", name=name, field="headers"),
    )


def _give_sequence(store: InMemoryStore, rows: Iterable[_Row]) -> None:
    pending = store.tables.setdefault(_PENDING, {})
    for row in rows:
        sequence = store.next_number(_PENDING)
        pending[sequence] = replace(row, message=replace(row.message, sequence=sequence))


def _rows(transaction: InMemoryTransaction, table: str) -> dict[int, _Row]:
    return dict(transaction.items(table))


def _free(rows: Mapping[int, _Row], now: datetime) -> Iterator[tuple[int, _Row]]:
    """What may be published now, oldest first."""
    held_back: set[tuple[str | None, str]] = set()
    # Sorted: messages that were dead come back to their old places.
    for sequence, row in sorted(rows.items(), key=_by_sequence):
        key = row.key
        if key is not None and key in held_back:
            continue
        if row.message.available_at > now or row.is_leased(now):
            if key is not None:
                held_back.add(key)
            continue
        yield sequence, row


def _by_sequence(item: tuple[int, _Row]) -> int:
    return item[0]


def _held(transaction: InMemoryTransaction, messages: Iterable[OutboxMessage]) -> Iterator[tuple[int, _Row]]:
    """Of these messages, those whose lease nobody else has taken since, in the order given."""
    for message in messages:
        row: _Row | None = None if message.sequence is None else transaction.get(_PENDING, message.sequence)
        if row is not None and message.lease is not None and row.message.lease == message.lease:
            assert message.sequence is not None
            yield message.sequence, row


def _dead(transaction: InMemoryTransaction, message_ids: Iterable[str]) -> dict[int, _Row]:
    wanted = set(message_ids)
    return {sequence: row for sequence, row in _rows(transaction, _DEAD).items() if row.message.message_id in wanted}


def _remove(transaction: InMemoryTransaction, table: str, rows: Mapping[int, _Row]) -> None:
    for sequence, row in rows.items():
        transaction.delete(table, sequence)
        transaction.delete(_IDS, row.message.message_id)


def _until_next(rows: Iterable[_Row], now: datetime, at_most: timedelta) -> timedelta:
    """How long until a message becomes available or a lease ends."""
    moments = [
        moment
        for row in rows
        for moment in (row.message.available_at, row.message.leased_until)
        if moment is not None and moment > now
    ]
    return max(_SHORTEST_WAIT, min((moment - now for moment in moments), default=at_most))


def _second_use(message_id: str) -> OutboxError:
    return OutboxError(
        f"A message with the id {message_id} is in the outbox already. A message is added once; a new one has a new id."
    )
