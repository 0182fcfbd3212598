"""The saga repository keeps what the port promises, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.saga import SagaContract
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemySagaRepository, SQLAlchemyUnitOfWork


class TestSQLAlchemySagaRepository(SagaContract):
    @pytest.fixture
    def sagas(self, engine: AsyncEngine) -> SQLAlchemySagaRepository:
        return SQLAlchemySagaRepository(engine)

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)
