"""The repository of background jobs keeps what the port promises, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.background_job import BackgroundJobContract
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyBackgroundJobRepository, SQLAlchemyUnitOfWork


class TestSQLAlchemyBackgroundJobRepository(BackgroundJobContract):
    @pytest.fixture
    def jobs(self, engine: AsyncEngine) -> SQLAlchemyBackgroundJobRepository:
        return SQLAlchemyBackgroundJobRepository(engine)

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)
