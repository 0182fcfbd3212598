"""The store of read models keeps what the ports promise, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.projection import ProjectionContract
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyProjectionStore, SQLAlchemyUnitOfWork


class TestSQLAlchemyProjectionStore(ProjectionContract):
    @pytest.fixture
    def projection_writer(self, engine: AsyncEngine) -> SQLAlchemyProjectionStore:
        return SQLAlchemyProjectionStore(engine)

    @pytest.fixture
    def projection_reader(self, projection_writer: SQLAlchemyProjectionStore) -> SQLAlchemyProjectionStore:
        return projection_writer

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)
