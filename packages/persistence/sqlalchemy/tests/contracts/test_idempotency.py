"""The idempotency store keeps what the port promises, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.idempotency import IdempotencyContract
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyIdempotencyStore, SQLAlchemyUnitOfWork


class TestSQLAlchemyIdempotencyStore(IdempotencyContract):
    @pytest.fixture
    def idempotency_store(self, engine: AsyncEngine) -> SQLAlchemyIdempotencyStore:
        return SQLAlchemyIdempotencyStore(engine)

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)
