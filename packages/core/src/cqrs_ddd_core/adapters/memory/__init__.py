"""In-memory adapters of every port: for tests, prototypes, and as the oracle of the durable ones."""

from cqrs_ddd_core.adapters.memory.aggregate_store import InMemoryAggregateStore
from cqrs_ddd_core.adapters.memory.background_job import InMemoryBackgroundJobRepository
from cqrs_ddd_core.adapters.memory.blob import InMemoryBlobStorage
from cqrs_ddd_core.adapters.memory.cache import InMemoryCacheService
from cqrs_ddd_core.adapters.memory.checkpoint import InMemoryCheckpointStore
from cqrs_ddd_core.adapters.memory.command_schedule import InMemoryCommandSchedule
from cqrs_ddd_core.adapters.memory.event_store import InMemoryEventStore
from cqrs_ddd_core.adapters.memory.idempotency import InMemoryIdempotencyStore
from cqrs_ddd_core.adapters.memory.inbox import InMemoryInbox
from cqrs_ddd_core.adapters.memory.lock import InMemoryLockStrategy
from cqrs_ddd_core.adapters.memory.message_bus import DeadLetter, InMemoryMessageBus
from cqrs_ddd_core.adapters.memory.message_consumer import InMemoryMessageConsumer
from cqrs_ddd_core.adapters.memory.message_publisher import InMemoryMessagePublisher
from cqrs_ddd_core.adapters.memory.outbox import InMemoryOutboxStorage
from cqrs_ddd_core.adapters.memory.projection import InMemoryProjectionReader, InMemoryProjectionWriter
from cqrs_ddd_core.adapters.memory.repository import InMemoryRepository
from cqrs_ddd_core.adapters.memory.saga import InMemorySagaRepository
from cqrs_ddd_core.adapters.memory.snapshot import InMemorySnapshotStore
from cqrs_ddd_core.adapters.memory.store import InMemoryStore
from cqrs_ddd_core.adapters.memory.undo import InMemoryUndoTokenRepository
from cqrs_ddd_core.adapters.memory.unit_of_work import InMemoryUnitOfWork

__all__ = [
    "DeadLetter",
    "InMemoryAggregateStore",
    "InMemoryBackgroundJobRepository",
    "InMemoryBlobStorage",
    "InMemoryCacheService",
    "InMemoryCheckpointStore",
    "InMemoryCommandSchedule",
    "InMemoryEventStore",
    "InMemoryIdempotencyStore",
    "InMemoryInbox",
    "InMemoryLockStrategy",
    "InMemoryMessageBus",
    "InMemoryMessageConsumer",
    "InMemoryMessagePublisher",
    "InMemoryOutboxStorage",
    "InMemoryProjectionReader",
    "InMemoryProjectionWriter",
    "InMemoryRepository",
    "InMemorySagaRepository",
    "InMemorySnapshotStore",
    "InMemoryStore",
    "InMemoryUndoTokenRepository",
    "InMemoryUnitOfWork",
]
