"""The ports of ``cqrs-ddd-core`` on PostgreSQL and SQLite, with SQLAlchemy."""

from cqrs_ddd_persistence_sqlalchemy.background_job import SQLAlchemyBackgroundJobRepository
from cqrs_ddd_persistence_sqlalchemy.checkpoint import SQLAlchemyCheckpointStore
from cqrs_ddd_persistence_sqlalchemy.command_schedule import SQLAlchemyCommandSchedule
from cqrs_ddd_persistence_sqlalchemy.errors import TransactionConflictError
from cqrs_ddd_persistence_sqlalchemy.event_store import SQLAlchemyEventStore
from cqrs_ddd_persistence_sqlalchemy.idempotency import SQLAlchemyIdempotencyStore
from cqrs_ddd_persistence_sqlalchemy.inbox import SQLAlchemyInbox
from cqrs_ddd_persistence_sqlalchemy.migration import current_revision, stamp, upgrade
from cqrs_ddd_persistence_sqlalchemy.outbox import SQLAlchemyOutboxStorage
from cqrs_ddd_persistence_sqlalchemy.projection import SQLAlchemyProjectionStore
from cqrs_ddd_persistence_sqlalchemy.repository import SQLAlchemyRepository
from cqrs_ddd_persistence_sqlalchemy.saga import SQLAlchemySagaRepository
from cqrs_ddd_persistence_sqlalchemy.schema import create_schema, drop_schema
from cqrs_ddd_persistence_sqlalchemy.snapshot import SQLAlchemySnapshotStore
from cqrs_ddd_persistence_sqlalchemy.tables import TABLES, Tables, metadata
from cqrs_ddd_persistence_sqlalchemy.undo import SQLAlchemyUndoTokenRepository
from cqrs_ddd_persistence_sqlalchemy.unit_of_work import SQLAlchemyUnitOfWork

__all__ = [
    "TABLES",
    "SQLAlchemyBackgroundJobRepository",
    "SQLAlchemyCheckpointStore",
    "SQLAlchemyCommandSchedule",
    "SQLAlchemyEventStore",
    "SQLAlchemyIdempotencyStore",
    "SQLAlchemyInbox",
    "SQLAlchemyOutboxStorage",
    "SQLAlchemyProjectionStore",
    "SQLAlchemyRepository",
    "SQLAlchemySagaRepository",
    "SQLAlchemySnapshotStore",
    "SQLAlchemyUndoTokenRepository",
    "SQLAlchemyUnitOfWork",
    "Tables",
    "TransactionConflictError",
    "create_schema",
    "current_revision",
    "drop_schema",
    "metadata",
    "stamp",
    "upgrade",
]
