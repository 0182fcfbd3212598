"""Undo tokens in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from cqrs_ddd_core.adapters.arguments import as_utc
from cqrs_ddd_core.adapters.memory._record_table import RecordTable
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, resolve_store
from cqrs_ddd_core.ports.undo import IUndoTokenRepository, UndoToken
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now

__all__ = ["InMemoryUndoTokenRepository"]

_TOKENS = RecordTable[UndoToken]("undo_tokens", kind="undo token", id_field="token_id", json_fields=("metadata",))


class InMemoryUndoTokenRepository(IUndoTokenRepository):
    """Undo tokens in memory."""

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    def joins(self, uow: UnitOfWork, /) -> bool:
        return resolve_store(self._store).belongs_to(uow)

    async def add(self, token: UndoToken) -> UndoToken:
        with resolve_store(self._store).work() as transaction:
            return _TOKENS.insert(transaction, token)

    async def get(self, token_id: str) -> UndoToken | None:
        with resolve_store(self._store).work() as transaction:
            return _TOKENS.find(transaction, token_id)

    async def save(self, token: UndoToken) -> UndoToken:
        with resolve_store(self._store).work() as transaction:
            return _TOKENS.update(transaction, replace(token, updated_at=utc_now()))

    async def for_aggregate(self, aggregate_type: str, aggregate_id: str) -> Sequence[UndoToken]:
        with resolve_store(self._store).work() as transaction:
            found = _TOKENS.select_own(
                transaction,
                lambda token: token.aggregate_type == aggregate_type and token.aggregate_id == aggregate_id,
            )
            found.sort(key=lambda token: token.created_at)
            return [_TOKENS.copy(token) for token in found[::-1]]

    async def for_command(self, command_id: str) -> Sequence[UndoToken]:
        with resolve_store(self._store).work() as transaction:
            found = _TOKENS.select_own(transaction, lambda token: token.command_id == command_id)
            found.sort(key=lambda token: token.created_at)
            return [_TOKENS.copy(token) for token in found]

    async def purge(self, *, expired_before: datetime, limit: int = 1000) -> int:
        before = as_utc(expired_before, "expired_before")
        with resolve_store(self._store).work() as transaction:
            gone = _TOKENS.purge(
                transaction, lambda token, _: token.expires_at is not None and token.expires_at < before, limit
            )
            return len(gone)
