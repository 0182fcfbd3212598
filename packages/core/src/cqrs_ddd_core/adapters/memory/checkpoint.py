"""The in-memory checkpoint store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cqrs_ddd_core.adapters.arguments import at_least
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, InMemoryTransaction, resolve_store
from cqrs_ddd_core.ports.checkpoint import Checkpoint, ICheckpointStore
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import LeaseLostError, OptimisticConcurrencyError

__all__ = ["InMemoryCheckpointStore"]

_CHECKPOINTS = "checkpoints"


class InMemoryCheckpointStore(ICheckpointStore):
    """Checkpoints in memory."""

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    async def get(self, name: str) -> Checkpoint | None:
        with resolve_store(self._store).work() as transaction:
            return transaction.get(_CHECKPOINTS, name)

    async def take_over(self, name: str) -> Checkpoint:
        # Alone: the worker before must be shut out now, not when an open unit of work gets round to it.
        with resolve_store(self._store).alone() as transaction:
            found: Checkpoint | None = transaction.get(_CHECKPOINTS, name)
            return _put(transaction, name, 0 if found is None else found.position)

    async def advance(self, checkpoint: Checkpoint, position: int) -> Checkpoint:
        with resolve_store(self._store).work() as transaction:
            found: Checkpoint | None = transaction.get(_CHECKPOINTS, checkpoint.name)
            if found is None or found.epoch != checkpoint.epoch:
                raise LeaseLostError("checkpoint", checkpoint.name)
            if position <= found.position:
                raise ValueError(
                    f"Checkpoint {checkpoint.name!r} is at {found.position} and moves forward only, found {position}. "
                    "To go back, use reset."
                )
            moved = replace(found, position=position, updated_at=utc_now())
            transaction.put(_CHECKPOINTS, checkpoint.name, moved, conflict=_lost_race(transaction.store, found))
            return moved

    async def reset(self, name: str, position: int = 0) -> Checkpoint:
        at_least(0, position, "position")
        with resolve_store(self._store).work() as transaction:
            return _put(transaction, name, position)

    async def list_all(self) -> list[Checkpoint]:
        with resolve_store(self._store).work() as transaction:
            return [checkpoint for _, checkpoint in sorted(transaction.items(_CHECKPOINTS))]


def _put(transaction: InMemoryTransaction, name: str, position: int) -> Checkpoint:
    """The checkpoint in its next epoch."""
    found: Checkpoint | None = transaction.get(_CHECKPOINTS, name)
    epoch = 1 if found is None else found.epoch + 1
    checkpoint = Checkpoint(name=name, position=position, epoch=epoch, updated_at=utc_now())
    transaction.put(_CHECKPOINTS, name, checkpoint)
    return checkpoint


def _lost_race(store: InMemoryStore, before: Checkpoint) -> Callable[[], Exception]:
    def error() -> Exception:
        found: Checkpoint | None = store.tables.get(_CHECKPOINTS, {}).get(before.name)
        if found is not None and found.epoch == before.epoch:
            # The same worker, twice at once: nobody has taken over.
            return OptimisticConcurrencyError("checkpoint", before.name, before.position, found.position)
        return LeaseLostError("checkpoint", before.name)

    return error
