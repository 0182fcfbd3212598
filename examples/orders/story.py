"""A day in the shop: what is asked for, what comes of it, what is refused and why."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from cqrs_ddd_core import Command
from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.primitives import CQRSDDDError
from orders.application.commands import AddLine, ConfirmOrder, PlaceOrder, StockUp
from orders.application.overview import OverviewOfOrders
from orders.application.queries import FreeStock, StatusOfOrder
from orders.domain import Money
from orders.narration import Narration, speaker
from orders.wiring import Overview, Shop, open_overview, open_shop

__all__ = ["tell"]


class PriceList:
    """The catalogue. It answers a little late, as a service on the network does."""

    prices = {"tea": Money(amount=Decimal("4.50")), "cake": Money(amount=Decimal("3.10"))}  # noqa: RUF012

    async def price_of(self, product: str) -> Money:
        await asyncio.sleep(0.001)
        return self.prices[product]


async def tell() -> None:
    """Open the shop, and tell what happens in it."""
    narration = Narration()
    shop = open_shop(PriceList(), narration, middlewares=[narration])
    hooks = get_hook_registry()
    hooks.register(narration)
    try:
        await _Story(shop, narration).run()
    finally:
        hooks.unregister(narration)


class _Story:
    def __init__(self, shop: Shop, narration: Narration) -> None:
        self._shop = shop
        self._tell = narration

    async def run(self) -> None:
        self._tell.say("A small shop, on in-memory adapters: nothing is installed, started or written to a disk.")
        self._before_anything_happens()
        await self._ada_orders()
        await self._the_shop_says_no()
        await self._two_at_once()
        await self._asked_twice()
        await self._elsewhere()

    async def _send[R](self, command: Command[R]) -> None:
        self._tell.step("send", _shown(command))
        response = await self._shop.mediator.send(command)
        if response.result is not None:
            self._tell.step("answer", str(response.result))

    async def _attempt(self, command: Command[Any]) -> None:
        try:
            await self._send(command)
        except CQRSDDDError as error:
            self._tell.step("refused", str(error))

    def _before_anything_happens(self) -> None:
        self._tell.chapter("1. What will happen to a command")
        self._tell.say(str(self._shop.mediator.explain(ConfirmOrder)))

    async def _ada_orders(self) -> None:
        self._tell.chapter("2. Ada orders")
        await self._send(StockUp(product="tea", quantity=10))
        await self._send(StockUp(product="cake", quantity=1))
        await self._send(PlaceOrder(order_id="A-1", customer="ada"))
        await self._send(AddLine(order_id="A-1", product="tea", quantity=2))
        await self._send(AddLine(order_id="A-1", product="cake", quantity=1))
        await self._send(ConfirmOrder(order_id="A-1"))

    async def _the_shop_says_no(self) -> None:
        self._tell.chapter("3. The shop says no")
        self._tell.say("A command that makes no sense cannot even be made:")
        try:
            AddLine(order_id="A-1", product="tea", quantity=0)
        except ValidationError as error:
            problem = error.errors()[0]
            self._tell.step("refused", f"{problem['loc'][0]}: {problem['msg']}")
        self._tell.say("A rule of the order:")
        await self._attempt(AddLine(order_id="A-1", product="tea", quantity=1))
        self._tell.say("A handler before the commit: there is no cake left, so the order is not confirmed either.")
        await self._send(PlaceOrder(order_id="B-1", customer="bob"))
        await self._send(AddLine(order_id="B-1", product="tea", quantity=3))
        await self._send(AddLine(order_id="B-1", product="cake", quantity=1))
        await self._attempt(ConfirmOrder(order_id="B-1"))
        status = (await self._shop.mediator.send(StatusOfOrder(order_id="B-1"))).result
        tea = (await self._shop.mediator.send(FreeStock(product="tea"))).result
        self._tell.say(f"B-1 is {status}, and {tea} tea are free: what was set aside for it is back.")

    async def _two_at_once(self) -> None:
        self._tell.chapter("4. Two at once")
        self._tell.say("Eve orders with her phone and her laptop at the same time, into one order.")
        await self._send(PlaceOrder(order_id="E-1", customer="eve"))

        async def with_the(device: str, product: str) -> None:
            token = speaker.set(device)
            try:
                await self._attempt(AddLine(order_id="E-1", product=product, quantity=1))
            finally:
                speaker.reset(token)

        await asyncio.gather(with_the("phone ", "tea"), with_the("laptop", "cake"))
        self._tell.say("Both are in the order.")

    async def _asked_twice(self) -> None:
        self._tell.chapter("5. Asked twice")
        self._tell.say("The answer gets lost on its way, so the customer's program sends the same command again.")
        command = PlaceOrder(order_id="F-1", customer="fay")
        await self._send(command)
        await self._send(command)
        self._tell.say("The second time nothing was done: the answer was there already.")

    async def _elsewhere(self) -> None:
        self._tell.chapter("6. Elsewhere, a little later")
        waiting = (await self._shop.outbox.storage.statistics()).pending
        self._tell.say(
            f"{waiting} events are in the outbox: each was written in the commit of its command. Nobody has published\n"
            "them yet. Now the relay starts, and another service that keeps an overview of all orders."
        )
        overview, bus = open_overview(self._shop.bus), self._shop.bus
        async with overview.consumer, self._shop.outbox:
            await self._send(StockUp(product="cake", quantity=2))
            await self._send(ConfirmOrder(order_id="B-1"))
            while (await self._shop.outbox.storage.statistics()).pending:  # noqa: ASYNC110 - a story looks now and then
                await asyncio.sleep(0.01)
            await bus.join()
            self._tell.tell_received("the overview")
            await self._show(overview)

            confirmed = next(message for message in bus.published if message.message_type == "OrderConfirmed")
            self._tell.say(f"Brokers may deliver twice. The message that {confirmed.key} is confirmed comes once more:")
            bus.publish("OrderConfirmed", confirmed)
            await bus.join()
            self._tell.tell_received("the overview")
            await self._show(overview)
            self._tell.say("It has had this message, so nothing has changed.")

    async def _show(self, overview: Overview) -> None:
        rows = (await overview.mediator.send(OverviewOfOrders())).result
        for row in rows:
            self._tell.step("row", f"{row.order_id}  {row.customer}  {row.pieces} pieces {row.total:>10}  {row.status}")


def _shown(command: Command[Any]) -> str:
    fields = command.model_dump(exclude={"command_id", "correlation_id"})
    return f"{type(command).__name__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"
