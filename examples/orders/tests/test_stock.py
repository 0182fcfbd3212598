from cqrs_ddd_core.testing import scenario
from orders.domain import OutOfStockError, StockArrived, StockItem, StockReserved


def test_goods_arrive() -> None:
    scenario(StockItem).given(StockItem(id="tea", free=1)).when(lambda tea: tea.arrive(2)).then(
        StockArrived(product="tea", quantity=2)
    ).then_state(free=3)


def test_goods_are_set_aside() -> None:
    scenario(StockItem).given(StockItem(id="tea", free=3)).when(lambda tea: tea.reserve(2, "order-1")).then(
        StockReserved(product="tea", quantity=2, order_id="order-1", left=1)
    ).then_state(free=1)


def test_what_is_not_there_cannot_be_set_aside() -> None:
    (
        scenario(StockItem)
        .given(StockItem(id="tea", free=3))
        .when(lambda tea: tea.reserve(4, "order-1"))
        .then_raises(OutOfStockError, match="wants 4 of tea, but only 3 are free")
        .then_nothing()
        .then_state(free=3)
    )
