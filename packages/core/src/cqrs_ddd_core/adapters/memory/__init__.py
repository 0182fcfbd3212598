"""In-memory adapters of every port: for tests, prototypes, and as the oracle of the durable ones."""

from cqrs_ddd_core.adapters.memory.repository import InMemoryRepository
from cqrs_ddd_core.adapters.memory.store import InMemoryStore
from cqrs_ddd_core.adapters.memory.unit_of_work import InMemoryUnitOfWork

__all__ = ["InMemoryRepository", "InMemoryStore", "InMemoryUnitOfWork"]
