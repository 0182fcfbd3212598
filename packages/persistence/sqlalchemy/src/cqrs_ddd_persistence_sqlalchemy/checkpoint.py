"""The checkpoint store on PostgreSQL and SQLite."""

from __future__ import annotations

from typing import Any, override

from sqlalchemy import Row, select, update

from cqrs_ddd_core.adapters.arguments import at_least
from cqrs_ddd_core.ports.checkpoint import Checkpoint, ICheckpointStore
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import LeaseLostError, OptimisticConcurrencyError
from cqrs_ddd_persistence_sqlalchemy.adapter import SQLAlchemyAdapter

__all__ = ["SQLAlchemyCheckpointStore"]


class SQLAlchemyCheckpointStore(SQLAlchemyAdapter, ICheckpointStore):
    """Checkpoints in one table."""

    @override
    async def get(self, name: str) -> Checkpoint | None:
        table = self._tables.checkpoints
        async with self._database.work(read_only=True) as connection:
            row = (await connection.execute(select(table).where(table.c.name == name))).first()
        return None if row is None else _checkpoint(row)

    @override
    async def take_over(self, name: str) -> Checkpoint:
        table = self._tables.checkpoints
        insert = self._insert(table).values(name=name, position=0, epoch=1, updated_at=utc_now())
        statement = insert.on_conflict_do_update(
            index_elements=[table.c.name], set_={"epoch": table.c.epoch + 1, "updated_at": insert.excluded.updated_at}
        )
        async with self._database.work() as connection:
            return _checkpoint((await connection.execute(statement.returning(table))).one())

    @override
    async def advance(self, checkpoint: Checkpoint, position: int) -> Checkpoint:
        table = self._tables.checkpoints
        async with self._database.work() as connection:
            query = select(table).where(table.c.name == checkpoint.name)
            row = (await connection.execute(query)).first()
            if row is None or row.epoch != checkpoint.epoch:
                raise LeaseLostError("checkpoint", checkpoint.name)
            if position <= row.position:
                raise ValueError(
                    f"Checkpoint {checkpoint.name!r} is at {row.position} and moves forward only, found {position}. "
                    "To go back, use reset."
                )
            moved = (
                await connection.execute(
                    update(table)
                    .where(
                        table.c.name == checkpoint.name,
                        table.c.epoch == checkpoint.epoch,
                        table.c.position == row.position,
                    )
                    .values(position=position, updated_at=utc_now())
                    .returning(table)
                )
            ).first()
            if moved is not None:
                return _checkpoint(moved)
            now = (await connection.execute(query)).first()
            if now is not None and now.epoch == checkpoint.epoch:
                # The same worker, twice at once: nobody has taken over.
                raise OptimisticConcurrencyError("checkpoint", checkpoint.name, row.position, now.position)
            raise LeaseLostError("checkpoint", checkpoint.name)

    @override
    async def reset(self, name: str, position: int = 0) -> Checkpoint:
        at_least(0, position, "position")
        table = self._tables.checkpoints
        insert = self._insert(table).values(name=name, position=position, epoch=1, updated_at=utc_now())
        changes = {
            "epoch": table.c.epoch + 1,
            "position": insert.excluded.position,
            "updated_at": insert.excluded.updated_at,
        }
        statement = insert.on_conflict_do_update(index_elements=[table.c.name], set_=changes)
        async with self._database.work() as connection:
            return _checkpoint((await connection.execute(statement.returning(table))).one())

    @override
    async def list_all(self) -> list[Checkpoint]:
        table = self._tables.checkpoints
        async with self._database.work(read_only=True) as connection:
            return [_checkpoint(row) for row in await connection.execute(select(table).order_by(table.c.name))]


def _checkpoint(row: Row[Any]) -> Checkpoint:
    return Checkpoint(**row._mapping)  # pyright: ignore[reportPrivateUsage]  # SQLAlchemy's public way
