"""Commands, queries, their handlers, and the mediator between them."""

from cqrs_ddd_core.cqrs.event_dispatcher import EventDispatcher, HandlerFailure
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.explanation import Explanation
from cqrs_ddd_core.cqrs.handler import CommandHandler, EventHandler, QueryHandler
from cqrs_ddd_core.cqrs.mediator import Mediator
from cqrs_ddd_core.cqrs.message import Command, Query
from cqrs_ddd_core.cqrs.message_registry import MessageRegistry
from cqrs_ddd_core.cqrs.registry import HandlerRegistry, When
from cqrs_ddd_core.cqrs.response import CommandResponse, QueryResponse
from cqrs_ddd_core.ports.unit_of_work import current_uow_or_none, get_current_uow

__all__ = [
    "Command",
    "CommandHandler",
    "CommandResponse",
    "EventDispatcher",
    "EventHandler",
    "EventSerializer",
    "Explanation",
    "HandlerFailure",
    "HandlerRegistry",
    "Mediator",
    "MessageRegistry",
    "Query",
    "QueryHandler",
    "QueryResponse",
    "When",
    "current_uow_or_none",
    "get_current_uow",
]
