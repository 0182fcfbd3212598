"""Mistakes that type checkers find. Each ignored error below must be there: an unused ignore is an error itself."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

from cqrs_ddd_core import (
    AggregateRoot,
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    EventHandler,
    HandlerRegistry,
    InMemoryRepository,
    InMemoryUnitOfWork,
    Mediator,
    Query,
    QueryHandler,
    QueryResponse,
)
from cqrs_ddd_core.testing import scenario


class OrderShipped(DomainEvent):
    order_id: str


class OrderDelivered(DomainEvent):
    order_id: str


class Order(AggregateRoot[str]):
    status: str = "pending"


class ShipOrder(Command[int]):
    order_id: str


class FindOrder(Query[str]):
    order_id: str


class ShipOrderHandler(CommandHandler[int]):
    async def handle(self, cmd: ShipOrder) -> CommandResponse[int]:
        return CommandResponse(result=cmd.order_id)  # type: ignore[arg-type]


class FindOrderHandler(QueryHandler[str]):
    async def handle(self, query: FindOrder) -> QueryResponse[str]:
        return QueryResponse(result=None)  # type: ignore[arg-type]


class WrongResponse(CommandHandler[int]):
    async def handle(self, cmd: ShipOrder) -> CommandResponse[str]:  # type: ignore[override]
        return CommandResponse(result=cmd.order_id)


class TellCustomer(EventHandler[OrderShipped]):
    async def handle(self, event: OrderShipped) -> None:
        assert event.customer_id  # type: ignore[attr-defined]


class TellOthers(EventHandler[OrderShipped]):
    async def handle(self, event: OrderDelivered) -> None: ...  # type: ignore[override]


def note(event: OrderShipped) -> None: ...


registry = HandlerRegistry()
mediator = Mediator(registry, InMemoryUnitOfWork)

registry.register_command_handler(FindOrder, ShipOrderHandler())  # type: ignore[arg-type]
registry.register_command_handler(ShipOrder, FindOrderHandler())  # type: ignore[arg-type]
registry.register_command_handler(ShipOrder, object())  # type: ignore[arg-type]
registry.register_event_handler(OrderDelivered, TellCustomer())  # type: ignore[arg-type]
registry.register_event_handler(OrderDelivered, note)  # type: ignore[arg-type]
registry.register_event_handler(OrderShipped, note, when="later")  # type: ignore[arg-type]
Mediator(registry)  # type: ignore[call-arg]
Mediator(registry, lambda: None)  # type: ignore[arg-type, return-value]


async def what_does_not_fit() -> None:
    await mediator.send("order-1")  # type: ignore[call-overload]
    response = await mediator.send(ShipOrder(order_id="order-1"))
    text: str = response.result  # type: ignore[assignment]
    assert text
    response.result = 2  # type: ignore[misc]
    assert mediator.send(ShipOrder(order_id="order-1")).result  # type: ignore[attr-defined]
    Order(id=1)  # type: ignore[arg-type]
    await InMemoryRepository[Order, str]().get(1)  # type: ignore[arg-type]
    await InMemoryRepository[Order, str]().add(OrderShipped(order_id="order-1"))  # type: ignore[arg-type]
    scenario(Order).given(Order(id="order-1")).when(lambda order: order.confirm())  # type: ignore[attr-defined]


class FloatId(AggregateRoot[float]): ...  # type: ignore[type-var]
