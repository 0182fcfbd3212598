"""The snapshot store on PostgreSQL and SQLite."""

from __future__ import annotations

from typing import override

from sqlalchemy import ColumnElement, delete, select

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, tenant_of_record
from cqrs_ddd_core.ports.snapshot import ISnapshotStore, Snapshot
from cqrs_ddd_persistence_sqlalchemy.adapter import SQLAlchemyAdapter, as_stored, tenant_column, tenant_of_column

__all__ = ["SQLAlchemySnapshotStore"]


class SQLAlchemySnapshotStore(SQLAlchemyAdapter, ISnapshotStore):
    """Snapshots in one table."""

    @override
    async def save(self, snapshot: Snapshot) -> None:
        at_least(1, snapshot.version, "version")
        name = f"{snapshot.aggregate_type} {snapshot.aggregate_id!r}"
        row = {
            "tenant_id": tenant_of_record(snapshot.tenant_id, f"The snapshot of {name}") or "",
            "aggregate_type": snapshot.aggregate_type,
            "aggregate_id": snapshot.aggregate_id,
            "version": snapshot.version,
            "fingerprint": snapshot.fingerprint,
            "state": as_stored(snapshot.state, kind="snapshot", name=name, field="state"),
            "taken_at": as_utc(snapshot.taken_at, "taken_at"),
        }
        table = self._tables.snapshots
        insert = self._insert(table)
        replaced = {column: insert.excluded[column] for column in ("fingerprint", "state", "taken_at")}
        async with self._database.work() as connection:
            await connection.execute(
                insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=replaced), row
            )

    @override
    async def latest(
        self,
        aggregate_type: str,
        aggregate_id: str,
        *,
        up_to_version: int | None = None,
        fingerprint: str | None = None,
    ) -> Snapshot | None:
        table = self._tables.snapshots
        query = select(table).where(self._of(aggregate_type, aggregate_id))
        if up_to_version is not None:
            query = query.where(table.c.version <= up_to_version)
        if fingerprint is not None:
            query = query.where(table.c.fingerprint == fingerprint)
        async with self._database.work(read_only=True) as connection:
            row = (await connection.execute(query.order_by(table.c.version.desc()).limit(1))).first()
        if row is None:
            return None
        return Snapshot(
            aggregate_type=row.aggregate_type,
            aggregate_id=row.aggregate_id,
            version=row.version,
            state=row.state,
            fingerprint=row.fingerprint,
            taken_at=row.taken_at,
            tenant_id=tenant_of_column(row.tenant_id),
        )

    @override
    async def delete(self, aggregate_type: str, aggregate_id: str, *, keep_latest: int = 0) -> int:
        at_least(0, keep_latest, "keep_latest")
        table = self._tables.snapshots
        own = self._of(aggregate_type, aggregate_id)
        kept = select(table.c.version).where(own).order_by(table.c.version.desc()).limit(keep_latest)
        async with self._database.work() as connection:
            return (await connection.execute(delete(table).where(own, table.c.version.not_in(kept)))).rowcount

    def _of(self, aggregate_type: str, aggregate_id: str) -> ColumnElement[bool]:
        table = self._tables.snapshots
        return (
            (table.c.tenant_id == tenant_column())
            & (table.c.aggregate_type == aggregate_type)
            & (table.c.aggregate_id == aggregate_id)
        )
