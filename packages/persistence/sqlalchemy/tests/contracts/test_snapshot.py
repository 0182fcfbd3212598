"""The snapshot store keeps what the port promises, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.snapshot import SnapshotContract
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemySnapshotStore, SQLAlchemyUnitOfWork


class TestSQLAlchemySnapshotStore(SnapshotContract):
    @pytest.fixture
    def snapshot_store(self, engine: AsyncEngine) -> SQLAlchemySnapshotStore:
        return SQLAlchemySnapshotStore(engine)

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)
