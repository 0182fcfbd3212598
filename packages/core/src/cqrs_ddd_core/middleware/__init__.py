"""What stands around the handlers."""

from cqrs_ddd_core.middleware.concurrency import ConcurrencyGuardMiddleware
from cqrs_ddd_core.middleware.event_store import EventStorePersistenceMiddleware
from cqrs_ddd_core.middleware.idempotency import IdempotencyMiddleware
from cqrs_ddd_core.middleware.logging import LoggingMiddleware
from cqrs_ddd_core.middleware.outbox import OutboxMiddleware
from cqrs_ddd_core.middleware.registry import MiddlewareDefinition, MiddlewareRegistry
from cqrs_ddd_core.middleware.retry import RetryMiddleware
from cqrs_ddd_core.middleware.timeout import TimeoutMiddleware
from cqrs_ddd_core.middleware.validation import ValidatorMiddleware

__all__ = [
    "ConcurrencyGuardMiddleware",
    "EventStorePersistenceMiddleware",
    "IdempotencyMiddleware",
    "LoggingMiddleware",
    "MiddlewareDefinition",
    "MiddlewareRegistry",
    "OutboxMiddleware",
    "RetryMiddleware",
    "TimeoutMiddleware",
    "ValidatorMiddleware",
]
