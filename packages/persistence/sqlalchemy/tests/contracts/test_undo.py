"""The repository of undo tokens keeps what the port promises, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.undo import UndoTokenContract
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyUndoTokenRepository, SQLAlchemyUnitOfWork


class TestSQLAlchemyUndoTokenRepository(UndoTokenContract):
    @pytest.fixture
    def undo_tokens(self, engine: AsyncEngine) -> SQLAlchemyUndoTokenRepository:
        return SQLAlchemyUndoTokenRepository(engine)

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)
