"""The in-memory locks keep what the port promises."""

from typing import override

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryLockStrategy, InMemoryStore
from cqrs_ddd_core.ports.lock import LockLease
from cqrs_ddd_core.primitives.exceptions import LockAcquisitionError
from cqrs_ddd_core.primitives.locking import ResourceIdentifier
from cqrs_ddd_core.testing.contracts.lock import LockContract, UnreachableLockContract
from cqrs_ddd_core.testing.in_memory_database import InMemoryDatabase


class TestInMemoryLockStrategy(InMemoryDatabase, LockContract):
    @pytest.fixture
    def lock_strategy(self, store: InMemoryStore) -> InMemoryLockStrategy:
        return InMemoryLockStrategy(store)

    @pytest.fixture
    def other_lock_strategy(self, store: InMemoryStore) -> InMemoryLockStrategy:
        return InMemoryLockStrategy(store)


class LocksOfAServerThatIsGone(InMemoryLockStrategy):
    """In memory nothing can be gone; this shows what the suite for servers asks."""

    @override
    async def acquire(
        self, resource: ResourceIdentifier, *, timeout: float = 10.0, ttl: float = 30.0, session_id: str | None = None
    ) -> LockLease:
        raise LockAcquisitionError(resource, timeout, "the server is gone")

    @override
    async def health_check(self) -> bool:
        return False


class TestLocksOfAServerThatIsGone(UnreachableLockContract):
    @pytest.fixture
    def lock_strategy(self) -> LocksOfAServerThatIsGone:
        return LocksOfAServerThatIsGone()
