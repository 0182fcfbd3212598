from decimal import Decimal

from cqrs_ddd_core.testing import scenario
from orders.domain import (
    Money,
    Order,
    OrderConfirmed,
    OrderLine,
    OrderLineAdded,
    OrderPlaced,
    OrderRuleError,
    OrderStatus,
)

TEA_PRICE = Money(amount=Decimal("4.50"))


def an_order() -> Order:
    return Order.place("order-1", "ada")


def an_order_of_tea() -> Order:
    order = an_order()
    order.add_line("tea", 2, TEA_PRICE)
    return order


def test_a_placed_order_is_pending_and_empty() -> None:
    (
        scenario(Order)
        .when(an_order)
        .then(OrderPlaced(order_id="order-1", customer="ada"))
        .then_state(status=OrderStatus.PENDING, lines=[], total=Money(amount=Decimal(0)))
    )


def test_a_line_raises_the_total() -> None:
    (
        scenario(Order)
        .given(an_order_of_tea)
        .when(lambda order: order.add_line("cake", 1, Money(amount=Decimal("3.10"))))
        .then(
            OrderLineAdded(
                order_id="order-1",
                line=OrderLine(product="cake", quantity=1, price=Money(amount=Decimal("3.10"))),
                total=Money(amount=Decimal("12.10")),
            )
        )
    )


def test_less_than_one_piece_cannot_be_ordered() -> None:
    (
        scenario(Order)
        .given(an_order)
        .when(lambda order: order.add_line("tea", 0, TEA_PRICE))
        .then_raises(OrderRuleError, match="0 pieces of tea")
        .then_nothing()
        .then_state(lines=[])
    )


def test_a_confirmed_order_says_what_is_to_be_paid() -> None:
    (
        scenario(Order)
        .given(an_order_of_tea)
        .when(lambda order: order.confirm())
        .then(
            OrderConfirmed(
                order_id="order-1",
                customer="ada",
                lines=(OrderLine(product="tea", quantity=2, price=TEA_PRICE),),
                total=Money(amount=Decimal("9.00")),
            )
        )
        .then_state(status=OrderStatus.CONFIRMED)
    )


def test_an_empty_order_cannot_be_confirmed() -> None:
    scenario(Order).given(an_order).when(lambda order: order.confirm()).then_raises(OrderRuleError, match="is empty")


def test_a_confirmed_order_cannot_be_changed() -> None:
    confirmed = scenario(Order).given(an_order_of_tea, lambda order: order.confirm())
    confirmed.when(lambda order: order.add_line("cake", 1, TEA_PRICE)).then_raises(OrderRuleError, match="confirmed")
    confirmed = scenario(Order).given(an_order_of_tea, lambda order: order.confirm())
    confirmed.when(lambda order: order.confirm()).then_raises(OrderRuleError, match="confirmed")
