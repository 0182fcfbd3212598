"""The outbox keeps what the port promises, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.outbox import OutboxContract
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyOutboxStorage, SQLAlchemyUnitOfWork


class TestSQLAlchemyOutboxStorage(OutboxContract):
    @pytest.fixture
    def outbox(self, engine: AsyncEngine) -> SQLAlchemyOutboxStorage:
        return SQLAlchemyOutboxStorage(engine)

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)
