"""Scheduled commands in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, longer_than_nothing
from cqrs_ddd_core.adapters.memory._record_table import RecordTable
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, resolve_store
from cqrs_ddd_core.ports.command_schedule import ICommandSchedule, ScheduledCommand, ScheduleStatus
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["InMemoryCommandSchedule"]

_ENTRIES = RecordTable[ScheduledCommand](
    "command_schedule", kind="scheduled command", id_field="schedule_id", json_fields=("payload", "metadata")
)


class InMemoryCommandSchedule(ICommandSchedule):
    """Scheduled commands in memory."""

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    async def add(self, entry: ScheduledCommand) -> ScheduledCommand:
        with resolve_store(self._store).work() as transaction:
            return _ENTRIES.insert(transaction, entry)

    async def get(self, schedule_id: str) -> ScheduledCommand | None:
        with resolve_store(self._store).work() as transaction:
            return _ENTRIES.find(transaction, schedule_id)

    async def save(self, entry: ScheduledCommand) -> ScheduledCommand:
        with resolve_store(self._store).work() as transaction:
            return _ENTRIES.update(transaction, entry)

    async def claim_due(self, limit: int, *, hold: timedelta) -> Sequence[ScheduledCommand]:
        at_least(1, limit, "limit")
        longer_than_nothing(hold, "hold")
        with resolve_store(self._store).alone() as transaction:
            now = utc_now()
            due = _ENTRIES.select(
                transaction, lambda entry: entry.status is ScheduleStatus.SCHEDULED and _free_at(entry) <= now
            )
            due.sort(key=lambda entry: entry.due_at)
            return [
                _ENTRIES.overwrite(transaction, entry, replace(entry, lease=new_id(), leased_until=now + hold))
                for entry in due[:limit]
            ]

    async def list_entries(
        self, *, statuses: Collection[ScheduleStatus] | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[ScheduledCommand]:
        with resolve_store(self._store).work() as transaction:
            found = _ENTRIES.select_own(transaction, lambda entry: statuses is None or entry.status in statuses)
            found.sort(key=lambda entry: entry.due_at)
            return _ENTRIES.page(found, limit=limit, offset=offset)

    async def next_due(self) -> datetime | None:
        with resolve_store(self._store).work() as transaction:
            scheduled = _ENTRIES.select(transaction, lambda entry: entry.status is ScheduleStatus.SCHEDULED)
            return min(map(_free_at, scheduled), default=None)

    async def purge(self, *, finished_before: datetime, limit: int = 1000) -> int:
        before = as_utc(finished_before, "finished_before")
        with resolve_store(self._store).work() as transaction:
            finished = {ScheduleStatus.DONE, ScheduleStatus.CANCELLED}
            gone = _ENTRIES.purge(
                transaction, lambda entry, changed_at: entry.status in finished and changed_at < before, limit
            )
            return len(gone)


def _free_at(entry: ScheduledCommand) -> datetime:
    """When it can be claimed: due, and not leased any more."""
    return entry.due_at if entry.leased_until is None else max(entry.due_at, entry.leased_until)
