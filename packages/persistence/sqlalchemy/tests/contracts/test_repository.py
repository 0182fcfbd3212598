"""The repository keeps what the port promises, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.domain import AggregateRoot
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.repository import OpenRepository, RepositoryContract
from cqrs_ddd_core.testing.contracts.search_result import SearchResultContract
from cqrs_ddd_core.testing.contracts.unit_of_work import UnitOfWorkContract
from cqrs_ddd_core.testing.repository_sample import FerryBooking, FerryCabin, FerryCompany
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyRepository, SQLAlchemyUnitOfWork, create_schema


class _OnADatabase:
    @pytest.fixture(autouse=True)
    async def documents(self, engine: AsyncEngine) -> None:
        await create_schema(engine, aggregates=[FerryBooking, FerryCabin, FerryCompany])

    @pytest.fixture
    def open_repository(self, engine: AsyncEngine) -> OpenRepository:
        def open_repository(aggregate_type: type[AggregateRoot[Any]]) -> SQLAlchemyRepository[Any, Any]:
            return SQLAlchemyRepository(aggregate_type, session_factory=engine)

        return open_repository

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)


class TestSQLAlchemyRepository(_OnADatabase, RepositoryContract): ...


class TestSQLAlchemySearch(_OnADatabase, SearchResultContract): ...


class TestSQLAlchemyUnitOfWork(_OnADatabase, UnitOfWorkContract): ...
