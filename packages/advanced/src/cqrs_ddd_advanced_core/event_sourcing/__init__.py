"""Aggregates that are kept as the events that happened to them."""

from cqrs_ddd_advanced_core.event_sourcing.aggregate import EventSourcedAggregate
from cqrs_ddd_advanced_core.event_sourcing.applying import EventHandlers, applies, event_handlers_of
from cqrs_ddd_advanced_core.event_sourcing.corpus import Corpus, CorpusProblem, CorpusReport, check_corpus
from cqrs_ddd_advanced_core.event_sourcing.decider import DecidedAggregate, Decider, DeciderCommandHandler
from cqrs_ddd_advanced_core.event_sourcing.guard import EventSourcingGuard
from cqrs_ddd_advanced_core.event_sourcing.loader import EventSourcedLoader
from cqrs_ddd_advanced_core.event_sourcing.mediator import EventSourcedMediator, SaveAggregate
from cqrs_ddd_advanced_core.event_sourcing.repository import EventSourcedRepository
from cqrs_ddd_advanced_core.event_sourcing.sourcing import EventSourcing
from cqrs_ddd_advanced_core.event_sourcing.store import EventSourcedAggregateStore

__all__ = [
    "Corpus",
    "CorpusProblem",
    "CorpusReport",
    "DecidedAggregate",
    "Decider",
    "DeciderCommandHandler",
    "EventHandlers",
    "EventSourcedAggregate",
    "EventSourcedAggregateStore",
    "EventSourcedLoader",
    "EventSourcedMediator",
    "EventSourcedRepository",
    "EventSourcing",
    "EventSourcingGuard",
    "SaveAggregate",
    "applies",
    "check_corpus",
    "event_handlers_of",
]
