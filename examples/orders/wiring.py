"""Puts the application onto adapters: here all of them in memory, so that nothing has to be installed or started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cqrs_ddd_core import HandlerRegistry, InMemoryStore, InMemoryUnitOfWork, Mediator, MiddlewareRegistry
from cqrs_ddd_core.adapters.memory import (
    InMemoryIdempotencyStore,
    InMemoryInbox,
    InMemoryMessageBus,
    InMemoryMessageConsumer,
    InMemoryMessagePublisher,
    InMemoryOutboxStorage,
    InMemoryProjectionReader,
    InMemoryProjectionWriter,
)
from cqrs_ddd_core.cqrs import EventSerializer
from cqrs_ddd_core.cqrs.consumers import BaseEventConsumer
from cqrs_ddd_core.cqrs.outbox import BufferedOutbox
from cqrs_ddd_core.domain import EventTypeRegistry
from cqrs_ddd_core.middleware import (
    IdempotencyMiddleware,
    LoggingMiddleware,
    OutboxMiddleware,
    RetryMiddleware,
    ValidatorMiddleware,
)
from cqrs_ddd_core.ports import IEventSink, IMiddleware
from orders.application.command_handlers import (
    AddLineHandler,
    ConfirmOrderHandler,
    PlaceOrderHandler,
    StockUpHandler,
)
from orders.application.commands import AddLine, ConfirmOrder, PlaceOrder, StockUp
from orders.application.overview import OverviewOfOrders, OverviewOfOrdersHandler, UpdateOverview
from orders.application.queries import FreeStock, FreeStockHandler, StatusOfOrder, StatusOfOrderHandler
from orders.application.reactions import ReserveStock, SendConfirmation
from orders.application.services import Catalogue, Mailer
from orders.domain import OrderConfirmed, OrderEvent, OrderLineAdded, OrderPlaced, StockArrived, StockReserved

__all__ = ["EVENTS", "Overview", "Shop", "open_overview", "open_shop"]


EVENTS = (OrderPlaced, OrderLineAdded, OrderConfirmed, StockArrived, StockReserved)
"""What stored and received events are read as. Without this list, any class of the right name would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The parts of the running application that somebody outside has to do with."""

    mediator: Mediator
    outbox: BufferedOutbox
    """Relays messages to the bus while it runs."""
    bus: InMemoryMessageBus
    store: InMemoryStore


def open_shop(
    catalogue: Catalogue,
    mailer: Mailer,
    *,
    store: InMemoryStore | None = None,
    middlewares: Iterable[IMiddleware | IEventSink] = (),
) -> Shop:
    """Wire the application, on an empty store unless one is given. ``middlewares`` are for whoever wants to watch."""
    store = InMemoryStore() if store is None else store
    bus = InMemoryMessageBus()
    outbox = BufferedOutbox(InMemoryOutboxStorage(store), InMemoryMessagePublisher(bus))

    registry = HandlerRegistry()
    registry.register_command_handler(StockUp, StockUpHandler())
    registry.register_command_handler(PlaceOrder, PlaceOrderHandler())
    registry.register_command_handler(AddLine, AddLineHandler(catalogue))
    registry.register_command_handler(ConfirmOrder, ConfirmOrderHandler())
    registry.register_query_handler(StatusOfOrder, StatusOfOrderHandler())
    registry.register_query_handler(FreeStock, FreeStockHandler())
    registry.register_event_handler(OrderConfirmed, ReserveStock(), when="before_commit")
    registry.register_event_handler(OrderConfirmed, SendConfirmation(mailer))

    mediator = Mediator(
        registry,
        uow_factory=lambda: InMemoryUnitOfWork(store),
        middleware_registry=MiddlewareRegistry(
            [
                LoggingMiddleware(),
                ValidatorMiddleware(),
                IdempotencyMiddleware(
                    InMemoryIdempotencyStore(store), serializer=EventSerializer(EventTypeRegistry(*EVENTS))
                ),
                RetryMiddleware(),
                OutboxMiddleware(outbox),
                *middlewares,
            ]
        ),
    )
    return Shop(mediator=mediator, outbox=outbox, bus=bus, store=store)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Another service: it hears what the shop publishes, and answers questions about it."""

    consumer: BaseEventConsumer
    """Receives while it runs."""
    mediator: Mediator


def open_overview(bus: InMemoryMessageBus) -> Overview:
    """Wire the overview. It has a store of its own, and shares nothing with the shop but the bus."""
    store = InMemoryStore()
    reader = InMemoryProjectionReader(store)

    reactions = HandlerRegistry()
    reactions.register_event_handler(OrderEvent, UpdateOverview(InMemoryProjectionWriter(store), reader))
    consumer = BaseEventConsumer(
        InMemoryMessageConsumer(bus),
        [event.event_type for event in (OrderPlaced, OrderLineAdded, OrderConfirmed)],
        registry=EventTypeRegistry(*EVENTS),
        handler_registry=reactions,
        queue_name="overview",
        inbox=InMemoryInbox(store),
        uow_factory=lambda: InMemoryUnitOfWork(store),
    )

    questions = HandlerRegistry()
    questions.register_query_handler(OverviewOfOrders, OverviewOfOrdersHandler(reader))
    return Overview(consumer=consumer, mediator=Mediator(questions, uow_factory=lambda: InMemoryUnitOfWork(store)))
