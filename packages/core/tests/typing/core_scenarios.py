"""Which types users see in the test kit. Read by type checkers, never run."""

from typing import assert_type

from cqrs_ddd_core import AggregateRoot, Command, CommandResponse, DomainEvent, HandlerRegistry, Mediator
from cqrs_ddd_core.ports import IMessagePublisher
from cqrs_ddd_core.testing import (
    AggregateOutcome,
    CommandOutcome,
    CommandThen,
    GivenAggregate,
    RecordingPublisher,
    collect_events,
    command_scenario,
    event_like,
    scenario,
)


class OrderConfirmed(DomainEvent):
    order_id: str


class Order(AggregateRoot[str]):
    status: str = "pending"

    def confirm(self) -> None:
        self.status = "confirmed"


class ConfirmOrder(Command[int]):
    order_id: str


given = scenario(Order).given(lambda: Order(id="order-1"), lambda order: order.confirm())
assert_type(given, GivenAggregate[Order])
assert_type(scenario(Order).given(Order(id="order-1")), GivenAggregate[Order])
assert_type(scenario(Order).given(OrderConfirmed(order_id="order-1")), GivenAggregate[Order])
outcome = given.when(lambda order: order.confirm())
assert_type(outcome, AggregateOutcome[Order])
assert_type(outcome.then(OrderConfirmed).then(event_like(OrderConfirmed)), AggregateOutcome[Order])
assert_type(outcome.then_state(lambda order: order.status == "confirmed", status="confirmed").aggregate, Order)


async def what_a_command_scenario_gives(registry: HandlerRegistry) -> None:
    then: CommandThen[int] = (
        command_scenario(registry).given(Order(id="order-1")).when(ConfirmOrder(order_id="order-1"))
    )
    done = await then.then_result(1).then_state(Order, "order-1", lambda order: order.status == "confirmed")
    assert_type(done, CommandOutcome[int])
    assert_type(done.response, CommandResponse[int] | None)


def what_a_spy_gives(mediator: Mediator) -> None:
    with collect_events(mediator) as spy:
        assert_type(spy.of(OrderConfirmed), list[OrderConfirmed])


publisher: IMessagePublisher = RecordingPublisher()
