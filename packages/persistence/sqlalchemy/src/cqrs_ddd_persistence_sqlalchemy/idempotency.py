"""The idempotency store on PostgreSQL and SQLite."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any, Final, override

from sqlalchemy import delete, select, tuple_

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, tenant_of_record
from cqrs_ddd_core.ports.event_store import StoredEvent
from cqrs_ddd_core.ports.idempotency import IdempotencyRecord, IIdempotencyStore
from cqrs_ddd_core.primitives.exceptions import IdempotencyConflictError
from cqrs_ddd_persistence_sqlalchemy.adapter import SQLAlchemyAdapter, as_stored, tenant_column, tenant_of_column

__all__ = ["SQLAlchemyIdempotencyStore"]

_IN_COLUMNS: Final = ("key", "tenant_id", "created_at")
_EVENT_FIELDS: Final = tuple(field.name for field in fields(StoredEvent))


class SQLAlchemyIdempotencyStore(SQLAlchemyAdapter, IIdempotencyStore):
    """Answers by key in one table. Whoever has the key of a command that is being carried out waits for its answer."""

    @override
    async def find(self, key: str) -> IdempotencyRecord | None:
        table = self._tables.idempotency
        query = select(table).where(table.c.tenant_id == tenant_column(), table.c.key == key)
        async with self._database.work(read_only=True) as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        record: dict[str, Any] = dict(row.record)
        record["events"] = tuple(_event(event) for event in record["events"])
        return IdempotencyRecord(
            key=row.key, tenant_id=tenant_of_column(row.tenant_id), created_at=row.created_at, **record
        )

    @override
    async def save(self, record: IdempotencyRecord) -> None:
        tenant_id = tenant_of_record(record.tenant_id, f"The answer to {record.message_type} {record.key!r}")
        events = [
            {**asdict(event), "occurred_at": as_utc(event.occurred_at, "occurred_at").isoformat()}
            for event in record.events
        ]
        document = {
            name: value for name, value in _shallow(replace(record, events=())).items() if name not in _IN_COLUMNS
        }
        document["events"] = events
        row = {
            "tenant_id": tenant_id or "",
            "key": record.key,
            "created_at": as_utc(record.created_at, "created_at"),
            "record": as_stored(document, kind="answer", name=record.message_type, field="answer"),
        }
        async with self._database.work() as connection:
            result = await connection.execute(self._insert(self._tables.idempotency).on_conflict_do_nothing(), row)
        if not result.rowcount:
            raise IdempotencyConflictError(record.key, "it has an answer already; find it, and give that one.")

    @override
    async def purge(self, *, created_before: datetime, limit: int = 1000) -> int:
        at_least(1, limit, "limit")
        before = as_utc(created_before, "created_before")
        table = self._tables.idempotency
        oldest = (
            select(table.c.tenant_id, table.c.key)
            .where(table.c.created_at < before)
            .order_by(table.c.created_at)
            .limit(limit)
        )
        async with self._database.work() as connection:
            deletion = delete(table).where(tuple_(table.c.tenant_id, table.c.key).in_(oldest))
            return (await connection.execute(deletion)).rowcount


def _shallow(record: IdempotencyRecord) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _event(data: dict[str, Any]) -> StoredEvent:
    values = {name: data[name] for name in _EVENT_FIELDS}
    values["occurred_at"] = datetime.fromisoformat(values["occurred_at"])
    return StoredEvent(**values)
