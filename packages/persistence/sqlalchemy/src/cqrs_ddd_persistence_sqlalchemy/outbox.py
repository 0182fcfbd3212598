"""The outbox on PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import datetime, timedelta
from itertools import batched
from typing import Any, Final, override

from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, longer_than_nothing
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.outbox import IOutboxStorage, OutboxMessage, OutboxStatistics, OutboxStatus
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OutboxError
from cqrs_ddd_core.primitives.id_generator import new_id
from cqrs_ddd_persistence_sqlalchemy.adapter import SQLAlchemyAdapter, as_stored
from cqrs_ddd_persistence_sqlalchemy.availability import Availability
from cqrs_ddd_persistence_sqlalchemy.database import SessionSource
from cqrs_ddd_persistence_sqlalchemy.record_table import storable_text
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables

__all__ = ["SQLAlchemyOutboxStorage"]

_PAGE: Final = 500
"""Ids that one statement asks for: databases limit the number of parameters."""


class SQLAlchemyOutboxStorage(SQLAlchemyAdapter, IOutboxStorage):
    """Messages waiting to leave, in one table.

    Leases run on the clocks of the processes, so the clocks of relays have to agree to well within the hold. A lease
    that has run out can still be settled until somebody else takes the message: then the result is late, and true all
    the same.
    """

    def __init__(
        self,
        session_factory: SessionSource,
        *,
        tables: Tables = TABLES,
        poll_interval: timedelta = timedelta(seconds=1),
    ) -> None:
        """``poll_interval`` is how long a waiting relay at most waits before it looks by itself.

        That is for commits it was not told of: on SQLite those of other processes, on PostgreSQL those of a process
        that died after its commit, and all while the connection that listens is lost.
        """
        super().__init__(session_factory, tables=tables)
        self._table = tables.outbox
        self._availability = Availability(self._database, self._table, poll_interval)

    @override
    async def add(self, messages: Sequence[OutboxMessage]) -> None:
        rows = [_row(message) for message in messages]
        if not rows:
            return
        table = self._table
        # A refused row that is no error leaves the transaction usable.
        insert = self._insert(table).on_conflict_do_nothing(index_elements=[table.c.message_id])
        async with self._database.work() as connection:
            added = (await connection.execute(insert.returning(table.c.sequence, table.c.message_id), rows)).all()
            if len(added) < len(rows):
                for some in batched([row.sequence for row in added], _PAGE):
                    await connection.execute(delete(table).where(table.c.sequence.in_(some)))
                raise _second_use(_refused(rows, {row.message_id for row in added}))
        await self._availability.announce()

    # ------------------------------------------------------------------ relays

    @override
    async def lease(self, limit: int, *, hold: timedelta) -> Sequence[OutboxMessage]:
        at_least(1, limit, "limit")
        longer_than_nothing(hold, "hold")
        table = self._table
        now = utc_now()
        oldest = select(table.c.sequence).where(self._is_free(now)).order_by(table.c.sequence).limit(limit)
        statement = (
            update(table)
            .where(table.c.sequence.in_(oldest))
            .values(lease=new_id(), leased_until=now + hold)
            .returning(table)
        )
        async with self._one_relay_at_a_time() as connection:
            rows = (await connection.execute(statement)).all()
        return [_message(row) for row in sorted(rows, key=lambda row: row.sequence)]

    @override
    async def mark_published(self, messages: Sequence[OutboxMessage]) -> Sequence[str]:
        settled = await self._settle(messages, status=OutboxStatus.PUBLISHED.value, published_at=utc_now())
        return list(dict.fromkeys(message.message_id for message in messages if message.sequence in settled))

    @override
    async def mark_failed(self, message: OutboxMessage, error: str, *, retry_at: datetime | None) -> bool:
        changes: dict[str, Any] = {"attempts": self._table.c.attempts + 1, "last_error": storable_text(error)}
        if retry_at is None:
            changes["status"] = OutboxStatus.DEAD.value
        else:
            changes["available_at"] = as_utc(retry_at, "retry_at")
        return bool(await self._settle([message], **changes))

    @override
    async def release(self, messages: Sequence[OutboxMessage]) -> None:
        await self._settle(messages)

    @override
    async def wait_for_messages(self, timeout: timedelta) -> bool:
        return await self._availability.wait(timeout, self._seconds_until_free)

    # ------------------------------------------------------------------ operators

    @override
    async def dead_letters(
        self, *, limit: int = 100, offset: int = 0, topic: str | None = None, tenant_id: str | None = None
    ) -> Sequence[OutboxMessage]:
        at_least(1, limit, "limit")
        at_least(0, offset, "offset")
        table = self._table
        query = select(table).where(table.c.status == OutboxStatus.DEAD.value)
        if topic is not None:
            query = query.where(table.c.topic == topic)
        if tenant_id is not None:
            query = query.where(table.c.tenant_id == tenant_id)
        async with self._database.work(read_only=True) as connection:
            rows = await connection.execute(query.order_by(table.c.sequence).limit(limit).offset(offset))
            return [_message(row) for row in rows]

    @override
    async def replay(self, message_ids: Sequence[str]) -> int:
        table = self._table
        now = utc_now()
        replayed = 0
        async with self._one_relay_at_a_time() as connection:
            for some in batched(message_ids, _PAGE):
                statement = update(table).where(self._is_dead(some))
                statement = statement.values(status=OutboxStatus.PENDING.value, available_at=now, attempts=0)
                replayed += (await connection.execute(statement)).rowcount
        await self._availability.announce_now()
        return replayed

    @override
    async def discard(self, message_ids: Sequence[str]) -> int:
        discarded = 0
        async with self._database.alone() as connection:
            for some in batched(message_ids, _PAGE):
                discarded += (await connection.execute(delete(self._table).where(self._is_dead(some)))).rowcount
        return discarded

    @override
    async def purge(self, *, published_before: datetime, limit: int = 1000) -> int:
        at_least(1, limit, "limit")
        before = as_utc(published_before, "published_before")
        table = self._table
        oldest = (
            select(table.c.sequence)
            .where(table.c.status == OutboxStatus.PUBLISHED.value, table.c.published_at < before)
            .order_by(table.c.published_at)
            .limit(limit)
        )
        async with self._database.alone() as connection:
            return (await connection.execute(delete(table).where(table.c.sequence.in_(oldest)))).rowcount

    @override
    async def statistics(self) -> OutboxStatistics:
        table = self._table
        leased = and_(table.c.status == OutboxStatus.PENDING.value, table.c.leased_until > utc_now())
        query = select(
            table.c.status, func.count().label("number"), func.count().filter(leased).label("leased"),
            func.min(table.c.created_at).label("oldest"),
        ).group_by(table.c.status)  # fmt: skip
        async with self._database.work(read_only=True) as connection:
            found = {row.status: row for row in await connection.execute(query)}
        pending = found.get(OutboxStatus.PENDING.value)
        dead, published = found.get(OutboxStatus.DEAD.value), found.get(OutboxStatus.PUBLISHED.value)
        return OutboxStatistics(
            pending=0 if pending is None else pending.number,
            leased=0 if pending is None else pending.leased,
            dead=0 if dead is None else dead.number,
            published=0 if published is None else published.number,
            oldest_pending=None if pending is None else pending.oldest,
        )

    # ------------------------------------------------------------------ statements

    @asynccontextmanager
    async def _one_relay_at_a_time(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction in which nobody else leases or settles.

        Otherwise one relay could take the second message of a key while the first one is being put back.
        """
        async with self._database.alone() as connection:
            if self._database.is_postgresql:
                # A statement of its own: those that follow see what was committed until the lock was there.
                lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
                await connection.execute(lock, {"name": f"{self._table.fullname} leases"})
            yield connection

    def _is_free(self, now: datetime) -> ColumnElement[bool]:
        """Whether a message may be leased: it is its time, nobody has it, and nothing older of its key is held up."""
        table = self._table
        older = table.alias("older")
        holds_back = exists().where(
            older.c.tenant_id == table.c.tenant_id,
            older.c.key == table.c.key,
            older.c.status == OutboxStatus.PENDING.value,
            older.c.sequence < table.c.sequence,
            or_(older.c.available_at > now, older.c.leased_until > now),
        )
        return and_(
            table.c.status == OutboxStatus.PENDING.value,
            table.c.available_at <= now,
            or_(table.c.leased_until.is_(None), table.c.leased_until <= now),
            or_(table.c.key.is_(None), ~holds_back),
        )

    def _is_dead(self, message_ids: Sequence[str]) -> ColumnElement[bool]:
        return and_(self._table.c.status == OutboxStatus.DEAD.value, self._table.c.message_id.in_(message_ids))

    async def _seconds_until_free(self) -> float:
        """How long until a message becomes available or a lease ends; 0 when one can be leased now."""
        table = self._table
        now = utc_now()
        pending = table.c.status == OutboxStatus.PENDING.value
        query = select(
            exists().where(self._is_free(now)).label("is_free"),
            select(func.min(table.c.available_at)).where(pending, table.c.available_at > now).scalar_subquery(),
            select(func.min(table.c.leased_until)).where(pending, table.c.leased_until > now).scalar_subquery(),
        )
        async with self._database.work(read_only=True) as connection:
            is_free, *moments = (await connection.execute(query)).one()
        if is_free:
            return 0
        return min(((moment - now).total_seconds() for moment in moments if moment is not None), default=float("inf"))

    async def _settle(self, messages: Sequence[OutboxMessage], **changes: Any) -> set[int]:
        """End leases that nobody else has taken since; the sequences of those messages."""
        held: dict[str, list[int]] = {}
        for message in messages:
            if message.lease is not None and message.sequence is not None:
                held.setdefault(message.lease, []).append(message.sequence)
        if not held:
            return set()
        table = self._table
        settled: set[int] = set()
        async with self._one_relay_at_a_time() as connection:
            for lease, sequences in held.items():
                for some in batched(sequences, _PAGE):
                    statement = update(table).where(
                        table.c.status == OutboxStatus.PENDING.value,
                        table.c.lease == lease,
                        table.c.sequence.in_(some),
                    )
                    statement = statement.values(**{"lease": None, "leased_until": None, **changes})
                    settled.update((await connection.execute(statement.returning(table.c.sequence))).scalars())
        # What stood behind them may go now.
        await self._availability.announce_now()
        return settled


def _row(message: OutboxMessage) -> dict[str, Any]:
    envelope = message.envelope
    if message.status is not OutboxStatus.PENDING or message.lease is not None:
        state = "leased" if message.lease is not None else message.status
        raise OutboxError(
            f"Message {message.message_id} is {state}: only messages that nobody has tried to publish are added. "
            "To publish one again, give it a new id, or replay it if it is dead."
        )
    headers: dict[str, Any] = dict(envelope.headers)
    not_text = [header for header, value in headers.items() if not isinstance(value, str)]
    if not_text:
        raise OutboxError(f"Headers are text; those of message {message.message_id} that are not: {not_text}.")
    document: dict[str, Any] = {field.name: getattr(envelope, field.name) for field in fields(envelope)}
    document["occurred_at"] = as_utc(envelope.occurred_at, "occurred_at").isoformat()
    return {
        "message_id": message.message_id,
        "topic": message.topic,
        "tenant_id": message.tenant_id or "",
        "key": message.key,
        "status": message.status.value,
        "created_at": as_utc(message.created_at, "created_at"),
        "available_at": as_utc(message.available_at, "available_at"),
        "attempts": message.attempts,
        "last_error": message.last_error,
        "envelope": as_stored(document, kind="message", name=envelope.message_type, field="envelope"),
    }


def _message(row: Row[Any]) -> OutboxMessage:
    document: dict[str, Any] = dict(row.envelope)
    occurred_at = datetime.fromisoformat(document.pop("occurred_at"))
    return OutboxMessage(
        topic=row.topic,
        envelope=MessageEnvelope(occurred_at=occurred_at, **document),
        status=OutboxStatus(row.status),
        created_at=row.created_at,
        available_at=row.available_at,
        attempts=row.attempts,
        last_error=row.last_error,
        published_at=row.published_at,
        leased_until=row.leased_until,
        lease=row.lease,
        sequence=row.sequence,
    )


def _refused(rows: Sequence[dict[str, Any]], added: set[str]) -> str:
    """The first message id that could not be added: one that is there already, or the second of two."""
    seen: set[str] = set()
    for row in rows:
        message_id: str = row["message_id"]
        if message_id not in added or message_id in seen:
            return message_id
        seen.add(message_id)
    raise AssertionError("every message was added")


def _second_use(message_id: str) -> OutboxError:
    return OutboxError(
        f"A message with the id {message_id} is in the outbox already. A message is added once; a new one has a new id."
    )
