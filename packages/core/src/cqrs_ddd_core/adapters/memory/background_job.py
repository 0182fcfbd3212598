"""Background jobs in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, longer_than_nothing
from cqrs_ddd_core.adapters.memory._record_table import RecordTable, all_or_nothing
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, InMemoryTransaction, resolve_store
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.ports.background_job import BackgroundJobRecord, BackgroundJobStatus, IBackgroundJobRepository
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError

__all__ = ["InMemoryBackgroundJobRepository"]

_JOBS = RecordTable[BackgroundJobRecord](
    "background_jobs", kind="background job", id_field="job_id", json_fields=("payload", "result", "metadata")
)
_BY_UNIQUE_KEY = "background_jobs.by_unique_key"
"""Job ids by tenant and unique key, of jobs that are not terminal."""
_LOOK_AGAIN = timedelta(seconds=0.1)
"""A clock that is moved by hand tells nobody, so those who wait for a job to become due look at it."""


class InMemoryBackgroundJobRepository(IBackgroundJobRepository):
    """Jobs in memory."""

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    async def add(self, jobs: Sequence[BackgroundJobRecord]) -> Sequence[BackgroundJobRecord]:
        with resolve_store(self._store).work() as transaction, all_or_nothing(transaction):
            return [self._add(transaction, job) for job in jobs]

    async def get(self, job_id: str) -> BackgroundJobRecord | None:
        with resolve_store(self._store).work() as transaction:
            return _JOBS.find(transaction, job_id)

    async def save(self, job: BackgroundJobRecord) -> BackgroundJobRecord:
        with resolve_store(self._store).work() as transaction, all_or_nothing(transaction):
            before = _JOBS.stored(transaction, replace(job, tenant_id=get_current_tenant_or_none()))
            saved = _JOBS.update(transaction, replace(job, updated_at=utc_now()))
            _note_unique_key(transaction, before, saved)
            return saved

    async def claim(
        self, limit: int, *, worker_id: str, hold: timedelta, job_types: Collection[str] | None = None
    ) -> Sequence[BackgroundJobRecord]:
        at_least(1, limit, "limit")
        longer_than_nothing(hold, "hold")
        with resolve_store(self._store).alone() as transaction:
            now = utc_now()
            due = _JOBS.select(
                transaction,
                lambda job: (
                    job.status is BackgroundJobStatus.PENDING
                    and job.available_at <= now
                    and (job_types is None or job.job_type in job_types)
                ),
            )
            due.sort(key=lambda job: (-job.priority, job.available_at))
            return [
                _JOBS.overwrite(
                    transaction,
                    job,
                    replace(
                        job,
                        status=BackgroundJobStatus.RUNNING,
                        attempts=job.attempts + 1,
                        fence=job.fence + 1,
                        worker_id=worker_id,
                        leased_until=now + hold,
                        started_at=now,
                        updated_at=now,
                    ),
                )
                for job in due[:limit]
            ]

    async def heartbeat(self, jobs: Sequence[BackgroundJobRecord], *, hold: timedelta) -> Sequence[BackgroundJobRecord]:
        longer_than_nothing(hold, "hold")
        with resolve_store(self._store).alone() as transaction:
            now = utc_now()
            return [
                _JOBS.overwrite(transaction, stored, replace(stored, leased_until=now + hold, updated_at=now))
                for job in jobs
                if (stored := _still_held(transaction, job)) is not None
            ]

    async def settle(self, job: BackgroundJobRecord) -> bool:
        with resolve_store(self._store).work() as transaction, all_or_nothing(transaction):
            stored = _still_held(transaction, job)
            if stored is None:
                return False
            # Somebody may have asked to cancel since the worker last looked.
            cancel_requested = stored.cancel_requested or job.cancel_requested
            settled = _JOBS.overwrite(
                transaction, stored, replace(job, cancel_requested=cancel_requested, updated_at=utc_now())
            )
            _note_unique_key(transaction, stored, settled)
            return True

    async def expired(self, limit: int) -> Sequence[BackgroundJobRecord]:
        with resolve_store(self._store).work() as transaction:
            now = utc_now()
            found = _JOBS.select(
                transaction,
                lambda job: (
                    job.status is BackgroundJobStatus.RUNNING
                    and job.leased_until is not None
                    and job.leased_until <= now
                ),
            )
            found.sort(key=lambda job: job.leased_until or now)
            return _JOBS.page(found, limit=limit)

    async def list_jobs(
        self,
        *,
        statuses: Collection[BackgroundJobStatus] | None = None,
        job_type: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Sequence[BackgroundJobRecord]:
        with resolve_store(self._store).work() as transaction:
            found = _JOBS.select_own(
                transaction,
                lambda job: (
                    (statuses is None or job.status in statuses) and (job_type is None or job.job_type == job_type)
                ),
            )
            found.sort(key=lambda job: job.created_at)
            return _JOBS.page(found[::-1], limit=limit, offset=offset)

    async def count_by_status(self) -> Mapping[BackgroundJobStatus, int]:
        with resolve_store(self._store).work() as transaction:
            counts = Counter(job.status for job in _JOBS.select_own(transaction, lambda _: True))
            return {status: counts[status] for status in BackgroundJobStatus}

    async def purge(self, *, finished_before: datetime, limit: int = 1000) -> int:
        before = as_utc(finished_before, "finished_before")
        with resolve_store(self._store).work() as transaction:
            finished = {BackgroundJobStatus.COMPLETED, BackgroundJobStatus.CANCELLED}
            gone = _JOBS.purge(
                transaction,
                lambda job, _: job.status in finished and job.finished_at is not None and job.finished_at < before,
                limit,
            )
            return len(gone)

    async def wait_for_jobs(self, timeout: timedelta) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout.total_seconds()
        store = resolve_store(self._store)
        while True:
            with store.alone() as transaction:
                pending = _JOBS.select(transaction, lambda job: job.status is BackgroundJobStatus.PENDING)
            now = utc_now()
            next_due = min((job.available_at for job in pending), default=None)
            if next_due is not None and next_due <= now:
                return True
            patience = timedelta(seconds=deadline - loop.time())
            if patience <= timedelta(0):
                return False
            if next_due is not None:
                patience = min(patience, max(next_due - now, timedelta(milliseconds=1)), _LOOK_AGAIN)
            await store.wait_for_change(_JOBS.name, patience)

    def _add(self, transaction: InMemoryTransaction, job: BackgroundJobRecord) -> BackgroundJobRecord:
        if job.unique_key is not None and not job.status.is_terminal:
            holder_id = transaction.get(_BY_UNIQUE_KEY, (get_current_tenant_or_none(), job.unique_key))
            holder = None if holder_id is None else _JOBS.find(transaction, holder_id)
            if holder is not None:
                return holder
        added = _JOBS.insert(transaction, job)
        _note_unique_key(transaction, None, added)
        return added


def _still_held(transaction: InMemoryTransaction, job: BackgroundJobRecord) -> BackgroundJobRecord | None:
    """What is stored of a claimed job, if this claim is still the last one and the job not settled."""
    stored = _JOBS.stored(transaction, job)
    if stored is None or stored.status is not BackgroundJobStatus.RUNNING or stored.fence != job.fence:
        return None
    return stored


def _held_key(job: BackgroundJobRecord | None) -> str | None:
    return None if job is None or job.status.is_terminal else job.unique_key


def _note_unique_key(
    transaction: InMemoryTransaction, before: BackgroundJobRecord | None, after: BackgroundJobRecord
) -> None:
    """Keep the index of unique keys in step. Raises ``OptimisticConcurrencyError`` for a key that is taken."""
    former, wanted = _held_key(before), _held_key(after)
    if former == wanted:
        return
    if former is not None:
        transaction.delete(_BY_UNIQUE_KEY, (after.tenant_id, former))
    if wanted is not None:
        if transaction.get(_BY_UNIQUE_KEY, (after.tenant_id, wanted)) is not None:
            raise _key_is_taken(wanted)
        transaction.put(_BY_UNIQUE_KEY, (after.tenant_id, wanted), after.job_id, conflict=lambda: _key_is_taken(wanted))


def _key_is_taken(unique_key: str) -> OptimisticConcurrencyError:
    return OptimisticConcurrencyError("background job with the unique key", unique_key, 0)
