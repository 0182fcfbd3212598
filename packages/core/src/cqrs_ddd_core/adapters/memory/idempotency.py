"""The in-memory idempotency store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, tenant_of_record
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, resolve_store
from cqrs_ddd_core.adapters.stored_json import from_json, to_json
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.ports.idempotency import IdempotencyRecord, IIdempotencyStore
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import IdempotencyConflictError

__all__ = ["InMemoryIdempotencyStore"]

_ANSWERS = "idempotency.answers"


@dataclass(frozen=True, slots=True)
class _Answer:
    record: IdempotencyRecord
    """Without result, response, payloads and metadata, which are kept as text: nobody can change them from outside."""
    result: str
    response: str
    payloads: str
    """Payload and metadata of each event."""

    def read(self) -> IdempotencyRecord:
        events = tuple(
            replace(event, payload=payload, metadata=metadata)
            for event, (payload, metadata) in zip(self.record.events, from_json(self.payloads), strict=True)
        )
        return replace(self.record, result=from_json(self.result), response=from_json(self.response), events=events)


class InMemoryIdempotencyStore(IIdempotencyStore):
    """Answers by key, in memory."""

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    async def find(self, key: str) -> IdempotencyRecord | None:
        with resolve_store(self._store).work() as transaction:
            answer: _Answer | None = transaction.get(_ANSWERS, (get_current_tenant_or_none(), key))
        return None if answer is None else answer.read()

    async def save(self, record: IdempotencyRecord) -> None:
        tenant_id = tenant_of_record(record.tenant_id, f"The answer to {record.message_type} {record.key!r}")
        answer = _answer(replace(record, tenant_id=tenant_id))
        address = (tenant_id, record.key)
        with resolve_store(self._store).work() as transaction:
            if transaction.get(_ANSWERS, address) is not None:
                raise _second_answer(record.key)
            transaction.put(_ANSWERS, address, answer, conflict=partial(_second_answer, record.key))

    async def purge(self, *, created_before: datetime, limit: int = 1000) -> int:
        at_least(1, limit, "limit")
        before = as_utc(created_before, "created_before")
        with resolve_store(self._store).work() as transaction:
            answers: list[tuple[object, _Answer]] = [
                (address, answer)
                for address, answer in transaction.items(_ANSWERS)
                if answer.record.created_at < before
            ]
            oldest = sorted(answers, key=lambda item: item[1].record.created_at)[:limit]
            for address, _ in oldest:
                transaction.delete(_ANSWERS, address)
        return len(oldest)


def _answer(record: IdempotencyRecord) -> _Answer:
    events = tuple(
        replace(event, payload={}, metadata={}, occurred_at=as_utc(event.occurred_at, "occurred_at"))
        for event in record.events
    )
    return _Answer(
        record=replace(
            record, result=None, response={}, events=events, created_at=as_utc(record.created_at, "created_at")
        ),
        result=to_json(record.result, kind="answer", name=record.message_type, field="result"),
        response=to_json(record.response, kind="answer", name=record.message_type, field="response"),
        payloads=to_json(
            [(event.payload, event.metadata) for event in record.events],
            kind="answer",
            name=record.message_type,
            field="events",
        ),
    )


def _second_answer(key: str) -> IdempotencyConflictError:
    return IdempotencyConflictError(key, "it has an answer already; find it, and give that one.")
