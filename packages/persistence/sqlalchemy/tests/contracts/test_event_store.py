"""The event store keeps what the port promises, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.ports.event_store import IEventStore
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.testing.contracts.event_store import EventStoreContract
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyEventStore, SQLAlchemyUnitOfWork


class TestSQLAlchemyEventStore(EventStoreContract):
    @pytest.fixture
    def open_event_store(self, engine: AsyncEngine) -> Callable[[IUpcasterRegistry | None], IEventStore]:
        return lambda upcasters: SQLAlchemyEventStore(engine, upcasters)

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)
