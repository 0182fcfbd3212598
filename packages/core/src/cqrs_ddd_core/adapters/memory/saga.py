"""Sagas in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, longer_than_nothing
from cqrs_ddd_core.adapters.memory._record_table import RecordTable
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, resolve_store
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.ports.saga import ISagaRepository, SagaRecord, SagaStatus
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["InMemorySagaRepository"]

_SAGAS = RecordTable[SagaRecord]("sagas", kind="saga", id_field="saga_id", json_fields=("body",))
_BY_KEY = "sagas.by_key"


class InMemorySagaRepository(ISagaRepository):
    """Saga instances in memory."""

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    async def get(self, saga_id: str) -> SagaRecord | None:
        with resolve_store(self._store).work() as transaction:
            return _SAGAS.find(transaction, saga_id)

    async def find(self, saga_type: str, key: str) -> SagaRecord | None:
        with resolve_store(self._store).work() as transaction:
            saga_id = transaction.get(_BY_KEY, (get_current_tenant_or_none(), saga_type, key))
            return None if saga_id is None else _SAGAS.find(transaction, saga_id)

    async def add(self, record: SagaRecord) -> SagaRecord:
        with resolve_store(self._store).work() as transaction:
            address = (get_current_tenant_or_none(), record.saga_type, record.key)
            if transaction.get(_BY_KEY, address) is not None:
                raise _key_is_taken(record)
            added = _SAGAS.insert(transaction, record)
            # Two first events at once: both see no instance, and the second commit fails on this entry.
            transaction.put(_BY_KEY, address, record.saga_id, conflict=lambda: _key_is_taken(record))
            return added

    async def save(self, record: SagaRecord) -> SagaRecord:
        with resolve_store(self._store).work() as transaction:
            return _SAGAS.update(transaction, replace(record, updated_at=utc_now()))

    async def claim_due(self, limit: int, *, hold: timedelta) -> Sequence[SagaRecord]:
        at_least(1, limit, "limit")
        longer_than_nothing(hold, "hold")
        with resolve_store(self._store).alone() as transaction:
            now = utc_now()
            due = _SAGAS.select(
                transaction,
                lambda record: (
                    record.wake_at is not None
                    and record.wake_at <= now
                    and (record.leased_until is None or record.leased_until <= now)
                ),
            )
            due.sort(key=lambda record: record.wake_at or now)
            return [
                _SAGAS.overwrite(transaction, record, replace(record, lease=new_id(), leased_until=now + hold))
                for record in due[:limit]
            ]

    async def list_sagas(
        self,
        *,
        statuses: Collection[SagaStatus] | None = None,
        saga_type: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[SagaRecord]:
        with resolve_store(self._store).work() as transaction:
            found = _SAGAS.select_own(
                transaction,
                lambda record: (
                    (statuses is None or record.status in statuses)
                    and (saga_type is None or record.saga_type == saga_type)
                ),
            )
            found.sort(key=lambda record: record.updated_at)
            return _SAGAS.page(found[::-1], limit=limit, offset=offset)

    async def purge(self, *, finished_before: datetime, limit: int = 1000) -> int:
        before = as_utc(finished_before, "finished_before")
        with resolve_store(self._store).work() as transaction:
            gone = _SAGAS.purge(
                transaction,
                lambda record, _: record.status.is_terminal and record.wake_at is None and record.updated_at < before,
                limit,
            )
            for record in gone:
                transaction.delete(_BY_KEY, (record.tenant_id, record.saga_type, record.key))
            return len(gone)


def _key_is_taken(record: SagaRecord) -> OptimisticConcurrencyError:
    return OptimisticConcurrencyError(f"saga {record.saga_type}", record.key, 0)
