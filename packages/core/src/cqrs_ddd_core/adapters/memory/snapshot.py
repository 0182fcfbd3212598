"""The in-memory snapshot store."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, tenant_of_record
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, InMemoryTransaction, resolve_store
from cqrs_ddd_core.adapters.stored_json import from_json, to_json
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.ports.snapshot import ISnapshotStore, Snapshot
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork

__all__ = ["InMemorySnapshotStore"]


@dataclass(frozen=True, slots=True)
class _Kept:
    snapshot: Snapshot
    """Without its state, which is kept as text: nobody can change it from outside."""
    state: str

    def read(self) -> Snapshot:
        return replace(self.snapshot, state=from_json(self.state))


class InMemorySnapshotStore(ISnapshotStore):
    """Snapshots in memory."""

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    async def save(self, snapshot: Snapshot) -> None:
        at_least(1, snapshot.version, "version")
        name = f"{snapshot.aggregate_type} {snapshot.aggregate_id!r}"
        tenant_id = tenant_of_record(snapshot.tenant_id, f"The snapshot of {name}")
        taken_at = as_utc(snapshot.taken_at, "taken_at")
        kept = _Kept(
            snapshot=replace(snapshot, state={}, taken_at=taken_at, tenant_id=tenant_id),
            state=to_json(snapshot.state, kind="snapshot", name=name, field="state"),
        )
        with resolve_store(self._store).work() as transaction:
            transaction.put(_table(snapshot.aggregate_type, snapshot.aggregate_id), snapshot.version, kept)

    async def latest(
        self,
        aggregate_type: str,
        aggregate_id: str,
        *,
        up_to_version: int | None = None,
        fingerprint: str | None = None,
    ) -> Snapshot | None:
        with resolve_store(self._store).work() as transaction:
            for kept in _newest_first(transaction, _table(aggregate_type, aggregate_id)):
                snapshot = kept.snapshot
                if up_to_version is not None and snapshot.version > up_to_version:
                    continue
                if fingerprint is not None and snapshot.fingerprint != fingerprint:
                    continue
                return kept.read()
        return None

    async def delete(self, aggregate_type: str, aggregate_id: str, *, keep_latest: int = 0) -> int:
        at_least(0, keep_latest, "keep_latest")
        table = _table(aggregate_type, aggregate_id)
        with resolve_store(self._store).work() as transaction:
            superfluous = _newest_first(transaction, table)[keep_latest:]
            for kept in superfluous:
                transaction.delete(table, kept.snapshot.version)
        return len(superfluous)


def _table(aggregate_type: str, aggregate_id: str) -> str:
    # One table for each aggregate: finding its newest snapshot does not look at those of all others.
    return f"snapshots.{(get_current_tenant_or_none(), aggregate_type, aggregate_id)!r}"


def _newest_first(transaction: InMemoryTransaction, table: str) -> list[_Kept]:
    return [kept for _, kept in sorted(transaction.items(table), key=lambda item: -item[0])]
