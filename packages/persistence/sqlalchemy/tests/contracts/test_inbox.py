"""The inbox keeps what the port promises, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.inbox import InboxContract
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyInbox, SQLAlchemyUnitOfWork


class TestSQLAlchemyInbox(InboxContract):
    @pytest.fixture
    def inbox(self, engine: AsyncEngine) -> SQLAlchemyInbox:
        return SQLAlchemyInbox(engine)

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)
