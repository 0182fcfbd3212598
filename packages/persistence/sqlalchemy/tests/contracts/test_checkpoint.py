"""The checkpoint store keeps what the port promises, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.checkpoint import CheckpointContract
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyCheckpointStore, SQLAlchemyUnitOfWork


class TestSQLAlchemyCheckpointStore(CheckpointContract):
    @pytest.fixture
    def checkpoint_store(self, engine: AsyncEngine) -> SQLAlchemyCheckpointStore:
        return SQLAlchemyCheckpointStore(engine)

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)
