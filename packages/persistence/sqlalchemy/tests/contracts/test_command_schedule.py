"""The command schedule keeps what the port promises, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.testing.contracts.command_schedule import CommandScheduleContract
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyCommandSchedule, SQLAlchemyUnitOfWork


class TestSQLAlchemyCommandSchedule(CommandScheduleContract):
    @pytest.fixture
    def schedule(self, engine: AsyncEngine) -> SQLAlchemyCommandSchedule:
        return SQLAlchemyCommandSchedule(engine)

    @pytest.fixture
    def uow_factory(self, engine: AsyncEngine) -> Callable[[], UnitOfWork]:
        return lambda: SQLAlchemyUnitOfWork(engine)
