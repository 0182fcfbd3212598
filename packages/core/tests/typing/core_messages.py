"""Which types users see around messages and the mediator. Read by type checkers, never run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_type

from cqrs_ddd_core import (
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    EventHandler,
    HandlerRegistry,
    InMemoryUnitOfWork,
    Mediator,
    MiddlewareRegistry,
    Query,
    QueryHandler,
    QueryResponse,
)
from cqrs_ddd_core.ports import ICommandBus, IQueryBus


class OrderConfirmed(DomainEvent):
    order_id: str


class CreateOrderCommand(Command[str]):
    order_id: str
    customer_id: str


class ConfirmOrderCommand(Command[None]):
    order_id: str


@dataclass
class OrderDTO:
    order_id: str
    total: float


class GetOrderQuery(Query[OrderDTO]):
    order_id: str


class ListOrdersQuery(Query[list[OrderDTO]]):
    customer_id: str | None = None
    limit: int = 100


# Handlers name their own message class for the parameter, and call it what they like.


class CreateOrderHandler(CommandHandler[str]):
    async def handle(self, cmd: CreateOrderCommand) -> CommandResponse[str]:
        return CommandResponse(result=cmd.order_id, events=[OrderConfirmed(order_id=cmd.order_id)])


class ConfirmOrderHandler(CommandHandler[None]):
    async def handle(self, cmd: ConfirmOrderCommand) -> CommandResponse[None]:
        return CommandResponse(result=None)


class GetOrderHandler(QueryHandler[OrderDTO]):
    async def handle(self, query: GetOrderQuery) -> QueryResponse[OrderDTO]:
        return QueryResponse(result=OrderDTO(order_id=query.order_id, total=0.0))


class ListOrdersHandler(QueryHandler[list[OrderDTO]]):
    async def handle(self, query: ListOrdersQuery) -> QueryResponse[list[OrderDTO]]:
        return QueryResponse(result=[])


class SendMail(EventHandler[OrderConfirmed]):
    def __init__(self, sender: str) -> None:
        self.sender = sender

    async def handle(self, event: OrderConfirmed) -> None:
        assert_type(event.order_id, str)


async def note(event: OrderConfirmed) -> None:
    assert_type(event.aggregate_id, str | None)


def count(event: DomainEvent) -> None:
    assert_type(event.version, int)


# Instances and classes are registered alike; a handler of a base event may be registered for a subclass.

registry = HandlerRegistry()
registry.register_command_handler(CreateOrderCommand, CreateOrderHandler())
registry.register_command_handler(CreateOrderCommand, CreateOrderHandler)
registry.register_command_handler(ConfirmOrderCommand, ConfirmOrderHandler())
registry.register_query_handler(GetOrderQuery, GetOrderHandler())
registry.register_query_handler(ListOrdersQuery, ListOrdersHandler)
registry.register_event_handler(OrderConfirmed, SendMail("shop"))
registry.register_event_handler(OrderConfirmed, SendMail, when="before_commit")
registry.register_event_handler(OrderConfirmed, note)
registry.register_event_handler(OrderConfirmed, count)

mediator = Mediator(
    registry=registry, uow_factory=lambda: InMemoryUnitOfWork(), middleware_registry=MiddlewareRegistry([])
)
Mediator(registry, InMemoryUnitOfWork)


async def what_send_gives() -> None:
    created = await mediator.send(CreateOrderCommand(order_id="order-123", customer_id="cust-456"))
    assert_type(created, CommandResponse[str])
    assert_type(created.result, str)
    assert_type(created.events, Sequence[DomainEvent])
    assert_type(created.correlation_id, str | None)

    confirmed = await mediator.send(ConfirmOrderCommand(order_id="order-123"))
    assert_type(confirmed, CommandResponse[None])

    order = await mediator.send(GetOrderQuery(order_id="order-123"))
    assert_type(order, QueryResponse[OrderDTO])
    assert_type(order.result.total, float)

    orders = await mediator.send(ListOrdersQuery(customer_id="cust-456"))
    assert_type(orders.result, list[OrderDTO])


# The mediator is what sagas and schedulers are given.

command_bus: ICommandBus = mediator
query_bus: IQueryBus = mediator


async def what_a_bus_gives(bus: ICommandBus, command: Command[Any]) -> None:
    assert_type(await bus.send(CreateOrderCommand(order_id="1", customer_id="2")), CommandResponse[str])
    assert_type(await bus.send(command), CommandResponse[Any])
