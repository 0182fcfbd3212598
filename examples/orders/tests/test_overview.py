from dataclasses import replace
from decimal import Decimal

from cqrs_ddd_core.adapters.memory import InMemoryMessageBus, InMemoryMessagePublisher
from orders.application.overview import OrderRow, OverviewOfOrders
from orders.domain import Money, Order
from orders.wiring import Overview, open_overview


def an_order() -> Order:
    order = Order.place("A-1", "ada")
    order.add_line("tea", 2, Money(amount=Decimal("4.50")))
    order.add_line("cake", 1, Money(amount=Decimal("3.10")))
    order.confirm()
    return order


async def rows(overview: Overview) -> list[OrderRow]:
    return (await overview.mediator.send(OverviewOfOrders())).result


async def publish_an_order(bus: InMemoryMessageBus) -> None:
    publisher = InMemoryMessagePublisher(bus)
    for event in an_order().collect_events():
        await publisher.publish(event.event_type, event)
    await bus.join()


async def test_the_overview_follows_the_events_of_an_order() -> None:
    bus = InMemoryMessageBus()
    overview = open_overview(bus)
    async with overview.consumer:
        await publish_an_order(bus)
    assert await rows(overview) == [
        OrderRow(order_id="A-1", customer="ada", pieces=3, total="12.10 EUR", status="confirmed")
    ]


async def test_a_message_that_comes_twice_changes_nothing() -> None:
    bus = InMemoryMessageBus()
    overview = open_overview(bus)
    async with overview.consumer:
        await publish_an_order(bus)
        before = await rows(overview)
        for message in bus.published:
            bus.publish(message.topic or "", message)
        await bus.join()
        assert await rows(overview) == before
    assert bus.dead_letters == ()


async def test_what_cannot_be_read_is_kept_and_does_not_stop_the_rest() -> None:
    bus = InMemoryMessageBus(max_attempts=1)
    overview = open_overview(bus)
    publisher = InMemoryMessagePublisher(bus)
    placed = an_order().collect_events()[0]
    async with overview.consumer:
        await publisher.publish("OrderPlaced", placed)
        broken = replace(bus.published[0], message_id="broken", key="A-0", payload={"order_id": "A-0"})
        bus.publish("OrderPlaced", broken)
        await bus.join()
    assert [dead.envelope.message_id for dead in bus.dead_letters] == ["broken"]
    assert [row.order_id for row in await rows(overview)] == ["A-1"]
