from decimal import Decimal

import pytest
from pydantic import ValidationError

from cqrs_ddd_core import InMemoryStore, Mediator
from cqrs_ddd_core.primitives import EntityNotFoundError
from cqrs_ddd_core.testing import CommandScenario, command_scenario
from orders.application.commands import AddLine, ConfirmOrder, PlaceOrder, StockUp
from orders.application.queries import FreeStock, StatusOfOrder
from orders.domain import (
    Money,
    Order,
    OrderConfirmed,
    OrderLineAdded,
    OrderPlaced,
    OrderRuleError,
    OrderStatus,
    OutOfStockError,
    StockArrived,
    StockItem,
    StockReserved,
)
from orders.wiring import open_shop


class Prices:
    async def price_of(self, product: str) -> Money:
        return Money(amount=Decimal("4.50"))


class Mails:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def send(self, *, to: str, subject: str) -> None:
        self.sent.append((to, subject))


@pytest.fixture
def mails() -> Mails:
    return Mails()


@pytest.fixture
def shop(mails: Mails) -> CommandScenario:
    def wire(store: InMemoryStore) -> Mediator:
        return open_shop(Prices(), mails, store=store).mediator

    return command_scenario(wire)


async def test_an_order_is_placed(shop: CommandScenario) -> None:
    await (
        shop.when(PlaceOrder(order_id="A-1", customer="ada"))
        .then_result("A-1")
        .then(OrderPlaced(order_id="A-1", customer="ada"))
        .then_state(Order, "A-1", customer="ada")
    )


async def test_an_order_id_is_taken_once(shop: CommandScenario) -> None:
    await (
        shop.given(PlaceOrder(order_id="A-1", customer="ada"))
        .when(PlaceOrder(order_id="A-1", customer="bob"))
        .then_raises(OrderRuleError, match="A-1 already")
        .then_nothing()
        .then_state(Order, "A-1", customer="ada")
    )


async def test_a_line_has_the_price_of_the_catalogue(shop: CommandScenario) -> None:
    await (
        shop.given(PlaceOrder(order_id="A-1", customer="ada"))
        .when(AddLine(order_id="A-1", product="tea", quantity=2))
        .then_result(Money(amount=Decimal("9.00")))
        .then(OrderLineAdded)
    )


async def test_an_order_that_is_not_there_cannot_be_changed(shop: CommandScenario) -> None:
    await shop.when(AddLine(order_id="A-1", product="tea", quantity=2)).then_raises(EntityNotFoundError).then_nothing()


@pytest.mark.parametrize("quantity", [0, -1, 1001])
def test_a_quantity_that_makes_no_sense_is_refused(quantity: int) -> None:
    with pytest.raises(ValidationError, match="quantity"):
        AddLine(order_id="A-1", product="tea", quantity=quantity)


async def test_confirming_sets_the_goods_aside_in_the_same_commit_and_tells_the_customer(
    shop: CommandScenario, mails: Mails
) -> None:
    await (
        shop.given(
            StockUp(product="tea", quantity=5),
            PlaceOrder(order_id="A-1", customer="ada"),
            AddLine(order_id="A-1", product="tea", quantity=2),
        )
        .when(ConfirmOrder(order_id="A-1"))
        .then_result(Money(amount=Decimal("9.00")))
        .then(OrderConfirmed, StockReserved(product="tea", quantity=2, order_id="A-1", left=3))
        .then_in_outbox(("OrderConfirmed", OrderConfirmed), ("StockReserved", StockReserved))
        .then_state(Order, "A-1", status=OrderStatus.CONFIRMED)
        .then_state(StockItem, "tea", free=3)
    )
    assert mails.sent == [("ada", "Order A-1: 9.00 EUR to pay")]


async def test_without_goods_there_is_no_confirmed_order(shop: CommandScenario, mails: Mails) -> None:
    await (
        shop.given(
            StockUp(product="tea", quantity=5),
            PlaceOrder(order_id="A-1", customer="ada"),
            AddLine(order_id="A-1", product="tea", quantity=2),
            AddLine(order_id="A-1", product="cake", quantity=1),
        )
        .when(ConfirmOrder(order_id="A-1"))
        .then_raises(OutOfStockError, match="cake, of which there was never any")
        .then_nothing()
        .then_state(Order, "A-1", status=OrderStatus.PENDING)
        .then_state(StockItem, "tea", free=5)
    )
    assert mails.sent == []


async def test_goods_arrive_once_and_again(shop: CommandScenario) -> None:
    await (
        shop.given(StockUp(product="tea", quantity=5))
        .when(StockUp(product="tea", quantity=2))
        .then_result(7)
        .then(StockArrived(product="tea", quantity=2))
    )


async def test_a_repeated_command_is_carried_out_once(shop: CommandScenario) -> None:
    command = StockUp(product="tea", quantity=5)
    await shop.given(command).when(command).then_result(5).then_nothing().then_state(StockItem, "tea", free=5)


async def test_questions_are_answered_by_order_and_stock(mails: Mails) -> None:
    mediator = open_shop(Prices(), mails).mediator
    assert (await mediator.send(FreeStock(product="tea"))).result == 0
    await mediator.send(StockUp(product="tea", quantity=5))
    assert (await mediator.send(FreeStock(product="tea"))).result == 5
    with pytest.raises(EntityNotFoundError):
        await mediator.send(StatusOfOrder(order_id="A-1"))
    await mediator.send(PlaceOrder(order_id="A-1", customer="ada"))
    assert (await mediator.send(StatusOfOrder(order_id="A-1"))).result is OrderStatus.PENDING
