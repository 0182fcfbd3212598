"""What the toolkit needs from outside, as promises in words. Every port has an adapter in memory."""

from cqrs_ddd_core.ports.aggregate_store import AggregateStoreFactory, AggregateStores, IAggregateStore
from cqrs_ddd_core.ports.background_job import BackgroundJobRecord, BackgroundJobStatus, IBackgroundJobRepository
from cqrs_ddd_core.ports.blob import BlobInfo, IBlobStorage
from cqrs_ddd_core.ports.bus import ICommandBus, IQueryBus
from cqrs_ddd_core.ports.cache import ICacheService
from cqrs_ddd_core.ports.checkpoint import Checkpoint, ICheckpointStore
from cqrs_ddd_core.ports.clock import IClock
from cqrs_ddd_core.ports.command_schedule import ICommandSchedule, ScheduledCommand, ScheduleStatus
from cqrs_ddd_core.ports.event_dispatcher import IEventDispatcher
from cqrs_ddd_core.ports.event_store import ANY_VERSION, NO_STREAM, IEventStore, StoredEvent, StreamAppend
from cqrs_ddd_core.ports.id_generator import IIDGenerator
from cqrs_ddd_core.ports.idempotency import IdempotencyRecord, IIdempotencyStore
from cqrs_ddd_core.ports.inbox import IInbox
from cqrs_ddd_core.ports.lock import ILockStrategy, LockLease
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_consumer import IMessageConsumer, MessageHandler
from cqrs_ddd_core.ports.message_publisher import IBatchMessagePublisher, IMessagePublisher
from cqrs_ddd_core.ports.middleware import IEventSink, IMiddleware, NextHandler, Stage
from cqrs_ddd_core.ports.outbox import IOutboxStorage, OutboxMessage, OutboxStatistics, OutboxStatus
from cqrs_ddd_core.ports.projection import IProjectionReader, IProjectionWriter, ProjectionRow
from cqrs_ddd_core.ports.query_options import Aggregation, Ordering, QueryOptions
from cqrs_ddd_core.ports.repository import IRepository
from cqrs_ddd_core.ports.saga import ISagaRepository, SagaRecord, SagaStatus
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_core.ports.snapshot import ISnapshotStore, Snapshot
from cqrs_ddd_core.ports.undo import IUndoTokenRepository, UndoToken, UndoTokenStatus
from cqrs_ddd_core.ports.unit_of_work import ITransactional, IUnitOfWorkSource, UnitOfWork
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.ports.validator import IValidator
from cqrs_ddd_core.ports.worker import IBackgroundWorker

__all__ = [
    "ANY_VERSION",
    "NO_STREAM",
    "AggregateStoreFactory",
    "AggregateStores",
    "Aggregation",
    "BackgroundJobRecord",
    "BackgroundJobStatus",
    "BlobInfo",
    "Checkpoint",
    "IAggregateStore",
    "IBackgroundJobRepository",
    "IBackgroundWorker",
    "IBatchMessagePublisher",
    "IBlobStorage",
    "ICacheService",
    "ICheckpointStore",
    "IClock",
    "ICommandBus",
    "ICommandSchedule",
    "IEventDispatcher",
    "IEventSink",
    "IEventStore",
    "IIDGenerator",
    "IIdempotencyStore",
    "IInbox",
    "ILockStrategy",
    "IMessageConsumer",
    "IMessagePublisher",
    "IMiddleware",
    "IOutboxStorage",
    "IProjectionReader",
    "IProjectionWriter",
    "IQueryBus",
    "IRepository",
    "ISagaRepository",
    "ISnapshotStore",
    "ITransactional",
    "IUndoTokenRepository",
    "IUnitOfWorkSource",
    "IUpcasterRegistry",
    "IValidator",
    "IdempotencyRecord",
    "LockLease",
    "MessageEnvelope",
    "MessageHandler",
    "NextHandler",
    "Ordering",
    "OutboxMessage",
    "OutboxStatistics",
    "OutboxStatus",
    "ProjectionRow",
    "QueryOptions",
    "SagaRecord",
    "SagaStatus",
    "ScheduleStatus",
    "ScheduledCommand",
    "SearchResult",
    "Snapshot",
    "Stage",
    "StoredEvent",
    "StreamAppend",
    "UndoToken",
    "UndoTokenStatus",
    "UnitOfWork",
]
