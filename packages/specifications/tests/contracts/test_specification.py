"""Specifications evaluated in memory pass the contract that databases are held to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cqrs_ddd_core import InMemoryStore, InMemoryUnitOfWork, UnitOfWork
from cqrs_ddd_core.testing.contracts.specification import SpecificationContract
from cqrs_ddd_specifications import AttributeSpecification, Condition, ISpecification


class TestSpecificationsInMemory(SpecificationContract):
    runs_python_rules = True

    @pytest.fixture
    def uow_factory(self) -> Callable[[], UnitOfWork]:
        store = InMemoryStore()
        return lambda: InMemoryUnitOfWork(store)

    @pytest.fixture
    def specification_of(self) -> Callable[[Condition], ISpecification[Any]]:
        return lambda condition: AttributeSpecification(condition.field, condition.operator, condition.value)
