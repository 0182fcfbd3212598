"""CQRS and domain-driven design in Python: domain primitives, the mediator, ports and in-memory adapters."""

from cqrs_ddd_core.adapters.memory import InMemoryRepository, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.cqrs import (
    Command,
    CommandHandler,
    CommandResponse,
    EventDispatcher,
    EventHandler,
    HandlerRegistry,
    Mediator,
    Query,
    QueryHandler,
    QueryResponse,
    get_current_uow,
)
from cqrs_ddd_core.domain import AggregateRoot, DomainEvent, Entity, EventTypeRegistry, ValueObject
from cqrs_ddd_core.middleware import MiddlewareRegistry
from cqrs_ddd_core.ports import QueryOptions, SearchResult, UnitOfWork

__all__ = [
    "AggregateRoot",
    "Command",
    "CommandHandler",
    "CommandResponse",
    "DomainEvent",
    "Entity",
    "EventDispatcher",
    "EventHandler",
    "EventTypeRegistry",
    "HandlerRegistry",
    "InMemoryRepository",
    "InMemoryStore",
    "InMemoryUnitOfWork",
    "Mediator",
    "MiddlewareRegistry",
    "Query",
    "QueryHandler",
    "QueryOptions",
    "QueryResponse",
    "SearchResult",
    "UnitOfWork",
    "ValueObject",
    "get_current_uow",
]
