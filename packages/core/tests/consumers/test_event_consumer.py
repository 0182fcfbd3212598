"""Events from other processes, brought to handlers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, override

import pytest

from cqrs_ddd_core import (
    AggregateRoot,
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    EventDispatcher,
    EventHandler,
    EventTypeRegistry,
    HandlerRegistry,
    InMemoryStore,
    InMemoryUnitOfWork,
    Mediator,
    MiddlewareRegistry,
    get_current_uow,
)
from cqrs_ddd_core.adapters.memory import (
    InMemoryEventStore,
    InMemoryInbox,
    InMemoryLockStrategy,
    InMemoryMessageBus,
    InMemoryMessageConsumer,
    InMemoryMessagePublisher,
    InMemoryOutboxStorage,
)
from cqrs_ddd_core.context import MessageContext, current_context, with_tenant_context
from cqrs_ddd_core.cqrs.consumers import BaseEventConsumer, current_envelope
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.outbox import BufferedOutbox
from cqrs_ddd_core.middleware import (
    ConcurrencyGuardMiddleware,
    EventStorePersistenceMiddleware,
    OutboxMiddleware,
    RetryMiddleware,
)
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    InvalidPayloadError,
    OptimisticConcurrencyError,
    PipelineError,
    UnitOfWorkError,
    UnknownTypeError,
)
from cqrs_ddd_core.primitives.locking import ResourceIdentifier
from cqrs_ddd_core.testing import record_operations

type Until = Callable[[Callable[[], Any]], Awaitable[None]]


class OrderMade(DomainEvent):
    event_type = "consumers.OrderMade"

    item: str


class RushOrderMade(OrderMade):
    event_type = "consumers.RushOrderMade"


class StockTaken(DomainEvent):
    event_type = "consumers.StockTaken"


class Stock(AggregateRoot[str]):
    collection_name = "consumed_stocks"

    taken: int = 0

    def take(self) -> None:
        self.taken += 1
        self.add_event(StockTaken())


class TakeStock(Command[int]):
    item: str

    @override
    def get_critical_resources(self) -> list[ResourceIdentifier]:
        return [ResourceIdentifier("Stock", self.item)]


class TakeStockHandler(CommandHandler[int]):
    @override
    async def handle(self, command: TakeStock) -> CommandResponse[int]:
        stocks = get_current_uow().consumed_stocks
        stock = await stocks.get(command.item) or Stock(id=command.item)
        await asyncio.sleep(0)
        stock.take()
        await stocks.add(stock)
        return CommandResponse(result=stock.taken)


def envelope_of(event: DomainEvent, **changes: Any) -> MessageEnvelope:
    return replace(EventSerializer().to_envelope(event), **changes)


async def taken(store: InMemoryStore, item: str = "tea") -> int:
    async with InMemoryUnitOfWork(store) as uow:
        stock = await uow.consumed_stocks.get(item)
        return 0 if stock is None else int(stock.taken)


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def bus() -> InMemoryMessageBus:
    return InMemoryMessageBus(max_attempts=3, retry_delay=0.001)


@pytest.fixture
async def broker(bus: InMemoryMessageBus) -> AsyncIterator[InMemoryMessageConsumer]:
    broker = InMemoryMessageConsumer(bus)
    yield broker
    await broker.stop()


@pytest.fixture
def publisher(bus: InMemoryMessageBus) -> InMemoryMessagePublisher:
    return InMemoryMessagePublisher(bus)


@pytest.fixture
def handlers() -> HandlerRegistry:
    return HandlerRegistry()


class Keeping(EventHandler[DomainEvent]):
    def __init__(self) -> None:
        self.events: list[DomainEvent] = []
        self.envelopes: list[MessageEnvelope] = []
        self.contexts: list[MessageContext] = []

    @override
    async def handle(self, event: DomainEvent, /) -> None:
        self.events.append(event)
        self.envelopes.append(current_envelope())
        self.contexts.append(current_context())


# ---------------------------------------------------------------- delivery


async def test_an_event_arrives_as_it_was_published(
    until: Until, broker: Any, publisher: InMemoryMessagePublisher, handlers: HandlerRegistry
) -> None:
    keeping = Keeping()
    handlers.register_event_handler(OrderMade, keeping)
    event = OrderMade(item="tea", aggregate_id="o-1", aggregate_type="Order", aggregate_version=1, correlation_id="c-1")
    async with BaseEventConsumer(broker, ["orders"], handler_registry=handlers):
        await publisher.publish("orders", event)
        await until(lambda: keeping.events)
    assert keeping.events == [event]


async def test_handlers_can_reach_the_whole_message(
    until: Until, broker: Any, publisher: InMemoryMessagePublisher, handlers: HandlerRegistry
) -> None:
    keeping = Keeping()
    handlers.register_event_handler(OrderMade, keeping)
    async with BaseEventConsumer(broker, ["orders"], handler_registry=handlers):
        await publisher.publish("orders", envelope_of(OrderMade(item="tea"), headers={"traceparent": "00-1"}))
        await until(lambda: keeping.events)
    [envelope] = keeping.envelopes
    assert (envelope.topic, envelope.attempt, envelope.headers["traceparent"]) == ("orders", 1, "00-1")
    with pytest.raises(ConfigurationError, match="for handlers of a consumer"):
        current_envelope()


async def test_handlers_run_in_the_context_of_the_message(handlers: HandlerRegistry, broker: Any) -> None:
    keeping = Keeping()
    handlers.register_event_handler(OrderMade, keeping)
    consumer = BaseEventConsumer(broker, ["orders"], handler_registry=handlers)
    event = OrderMade(item="tea", correlation_id="c-1", causation_id="m-0")
    with with_tenant_context("mine"):
        await consumer.handle(envelope_of(event, tenant_id="acme"))
        await consumer.handle(envelope_of(OrderMade(item="tea", event_id="e-2"), tenant_id=None))
        assert current_context().tenant_id == "mine"
    assert keeping.contexts == [
        MessageContext("c-1", event.event_id, "acme", None),
        MessageContext("e-2", "e-2", None, None),
    ]


async def test_handlers_of_base_classes_and_of_both_times_run_in_order(handlers: HandlerRegistry, broker: Any) -> None:
    ran: list[str] = []
    handlers.register_event_handler(DomainEvent, lambda event: ran.append("any event"))
    handlers.register_event_handler(OrderMade, lambda event: ran.append("any order"))
    handlers.register_event_handler(RushOrderMade, lambda event: ran.append("rush order"))
    handlers.register_event_handler(OrderMade, lambda event: ran.append("before"), when="before_commit")
    await BaseEventConsumer(broker, ["orders"], handler_registry=handlers).handle(envelope_of(RushOrderMade(item="x")))
    assert ran == ["before", "any event", "any order", "rush order"]


async def test_handlers_may_be_classes_with_a_factory(handlers: HandlerRegistry, broker: Any) -> None:
    made: list[Any] = []

    class NeedsMore(EventHandler[OrderMade]):
        def __init__(self, mailer: str) -> None:
            self.mailer = mailer

        @override
        async def handle(self, event: OrderMade, /) -> None:
            made.append((self.mailer, event.item))

    handlers.register_event_handler(OrderMade, NeedsMore)
    consumer = BaseEventConsumer(
        broker, ["orders"], handler_registry=handlers, handler_factory=lambda handler: handler("smtp")
    )
    await consumer.handle(envelope_of(OrderMade(item="tea")))
    assert made == [("smtp", "tea")]


async def test_a_handler_that_is_registered_late_runs(handlers: HandlerRegistry, broker: Any) -> None:
    keeping = Keeping()
    consumer = BaseEventConsumer(broker, ["orders"], handler_registry=handlers)
    await consumer.handle(envelope_of(OrderMade(item="tea")))
    handlers.register_event_handler(OrderMade, keeping)
    await consumer.handle(envelope_of(OrderMade(item="tea")))
    consumer.dispatcher.register(OrderMade, keeping)
    assert len(keeping.events) == 1


async def test_a_dispatcher_may_be_given(broker: Any) -> None:
    keeping = Keeping()
    dispatcher = EventDispatcher()
    dispatcher.register(OrderMade, keeping)
    await BaseEventConsumer(broker, ["orders"], dispatcher=dispatcher).handle(envelope_of(OrderMade(item="tea")))
    assert len(keeping.events) == 1


async def test_a_subclass_may_handle_events_itself(broker: Any) -> None:
    class Printing(BaseEventConsumer):
        events: list[DomainEvent] = []  # noqa: RUF012

        @override
        async def on_event(self, event: DomainEvent) -> None:
            self.events.append(event)

    consumer = Printing(broker, ["orders"])
    await consumer.handle(envelope_of(OrderMade(item="tea")))
    assert len(consumer.events) == 1


async def test_a_known_event_without_a_handler_is_acknowledged(
    broker: Any, bus: InMemoryMessageBus, publisher: InMemoryMessagePublisher, handlers: HandlerRegistry
) -> None:
    handlers.register_event_handler(StockTaken, Keeping())
    async with BaseEventConsumer(broker, ["orders"], handler_registry=handlers):
        await publisher.publish("orders", OrderMade(item="tea"))
        await bus.join()
    assert bus.dead_letters == ()


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"message_type": "consumers.NeverDefined"}, UnknownTypeError), ({"payload": {"itm": 1}}, InvalidPayloadError)],
    ids=["unknown type", "invalid payload"],
)
async def test_what_cannot_be_read_becomes_a_dead_letter_with_an_error_that_names_it(
    broker: Any,
    bus: InMemoryMessageBus,
    publisher: InMemoryMessagePublisher,
    changes: Any,
    error: type[Exception],
) -> None:
    keeping = Keeping()
    consumer = BaseEventConsumer(broker, ["orders"])
    consumer.dispatcher.register(DomainEvent, keeping)
    async with consumer:
        await publisher.publish("orders", envelope_of(OrderMade(item="tea"), **changes))
        await publisher.publish("orders", OrderMade(item="milk"))
        await bus.join()
    [letter] = bus.dead_letters
    assert isinstance(letter.error, error)
    assert changes.get("message_type", "consumers.OrderMade") in str(letter.error)
    assert len(keeping.events) == 1, "the message behind it is handled"


async def test_only_event_classes_of_the_given_registry_are_known(broker: Any) -> None:
    consumer = BaseEventConsumer(broker, ["orders"], registry=EventTypeRegistry(StockTaken, discover=False))
    with pytest.raises(UnknownTypeError):
        await consumer.handle(envelope_of(OrderMade(item="tea")))


async def test_a_handler_that_fails_leaves_the_message_unacknowledged(
    broker: Any, bus: InMemoryMessageBus, publisher: InMemoryMessagePublisher
) -> None:
    attempts: list[int] = []

    async def fail(event: OrderMade) -> None:
        attempts.append(current_envelope().attempt)
        raise ValueError("no stock")

    consumer = BaseEventConsumer(broker, ["orders"])
    consumer.dispatcher.register(OrderMade, fail)
    async with consumer:
        await publisher.publish("orders", OrderMade(item="tea"))
        await bus.join()
    assert attempts == [1, 2, 3]
    [letter] = bus.dead_letters
    assert str(letter.error) == "no stock"


async def test_handlers_behind_one_that_fails_do_not_run(broker: Any) -> None:
    keeping = Keeping()

    async def fail(event: OrderMade) -> None:
        raise ValueError("no stock")

    consumer = BaseEventConsumer(broker, ["orders"])
    consumer.dispatcher.register(OrderMade, fail)
    consumer.dispatcher.register(OrderMade, keeping)
    with pytest.raises(ValueError, match="no stock"):
        await consumer.handle(envelope_of(OrderMade(item="tea")))
    assert keeping.events == []


# ---------------------------------------------------------------- effects are once


class Shop:
    """A consumer with an inbox, whose handler sends a command."""

    def __init__(self, store: InMemoryStore, broker: Any, *middlewares: Any, name: str = "stock") -> None:
        commands = HandlerRegistry()
        commands.register_command_handler(TakeStock, TakeStockHandler())
        self.mediator = Mediator(
            commands, lambda: InMemoryUnitOfWork(store), middleware_registry=MiddlewareRegistry(middlewares)
        )
        self.runs = 0
        self.fail_after: BaseException | None = None
        self.consumer = BaseEventConsumer(
            broker,
            ["orders"],
            inbox=InMemoryInbox(store),
            uow_factory=lambda: InMemoryUnitOfWork(store),
            consumer_name=name,
        )
        self.consumer.dispatcher.register(OrderMade, self.take)

    async def take(self, event: OrderMade) -> None:
        self.runs += 1
        await self.mediator.send(TakeStock(item=event.item))
        if self.fail_after is not None:
            raise self.fail_after


async def test_a_repetition_has_no_effect(store: InMemoryStore, broker: Any) -> None:
    shop = Shop(store, broker)
    envelope = envelope_of(OrderMade(item="tea"))
    for _ in range(3):
        await shop.consumer.handle(envelope)
    assert shop.runs == 1
    assert await taken(store) == 1


async def test_the_commands_of_a_handler_and_the_mark_are_one_commit(store: InMemoryStore, broker: Any) -> None:
    shop = Shop(store, broker)
    shop.fail_after = ValueError("after the command")
    envelope = envelope_of(OrderMade(item="tea"))
    with pytest.raises(ValueError, match="after the command"):
        await shop.consumer.handle(envelope)
    assert await taken(store) == 0
    assert not await InMemoryInbox(store).contains("stock", envelope.message_id)
    shop.fail_after = None
    await shop.consumer.handle(envelope)
    await shop.consumer.handle(envelope)
    assert await taken(store) == 1


async def test_a_process_that_dies_in_the_middle_repeats_the_message_and_not_its_effects(
    store: InMemoryStore, broker: Any
) -> None:
    class Killed(BaseException):
        pass

    shop = Shop(store, broker)
    shop.fail_after = Killed()
    envelope = envelope_of(OrderMade(item="tea"))
    with pytest.raises(Killed):
        await shop.consumer.handle(envelope)
    restarted = Shop(store, broker)
    await restarted.consumer.handle(envelope)
    await restarted.consumer.handle(envelope)
    assert await taken(store) == 1


async def test_cancelled_at_any_moment_it_has_handled_the_message_whole_or_not_at_all(
    store: InMemoryStore, broker: Any
) -> None:
    shop = Shop(store, broker)
    for steps in range(15):
        envelope = envelope_of(OrderMade(item=f"item-{steps}"))
        handling = asyncio.create_task(shop.consumer.handle(envelope))
        for _ in range(steps):
            await asyncio.sleep(0)
        handling.cancel()
        await asyncio.wait({handling})
        marked = await InMemoryInbox(store).contains("stock", envelope.message_id)
        assert await taken(store, f"item-{steps}") == int(marked)
        await shop.consumer.handle(envelope)
        assert await taken(store, f"item-{steps}") == 1


async def test_one_message_at_two_consumers_at_once_takes_effect_once(store: InMemoryStore, broker: Any) -> None:
    shop = Shop(store, broker)
    envelope = envelope_of(OrderMade(item="tea"))
    results = await asyncio.gather(*(shop.consumer.handle(envelope) for _ in range(5)), return_exceptions=True)
    assert await taken(store) == 1
    assert {type(result) for result in results} <= {type(None), OptimisticConcurrencyError}


async def test_consumers_and_tenants_have_receptions_of_their_own(store: InMemoryStore, broker: Any) -> None:
    stock, mail = Shop(store, broker), Shop(store, broker, name="mail")
    envelope = envelope_of(OrderMade(item="tea"))
    for _ in range(2):
        await stock.consumer.handle(envelope)
        await mail.consumer.handle(envelope)
        await stock.consumer.handle(envelope_of(OrderMade(item="tea", event_id=envelope.message_id), tenant_id="acme"))
    assert (stock.runs, mail.runs) == (2, 1)


async def test_events_of_the_commands_are_stored_published_and_told_after_the_commit(
    store: InMemoryStore, broker: Any
) -> None:
    events, outbox = InMemoryEventStore(store), InMemoryOutboxStorage(store)
    shop = Shop(
        store,
        broker,
        EventStorePersistenceMiddleware(events),
        OutboxMiddleware(outbox),
        ConcurrencyGuardMiddleware(InMemoryLockStrategy(store)),
        RetryMiddleware(),
    )
    told: list[tuple[str | None, int]] = []

    async def tell(event: StockTaken) -> None:
        told.append((event.correlation_id, await taken(store)))

    shop.mediator.dispatcher.register(StockTaken, tell)
    envelope = envelope_of(OrderMade(item="tea", correlation_id="c-1"))
    await shop.consumer.handle(envelope)
    await shop.consumer.handle(envelope)
    assert told == [("c-1", 1)]
    assert len(await events.read_all()) == (await outbox.statistics()).pending == 1
    assert await InMemoryLockStrategy(store).get_active_locks() == []


async def test_what_a_handler_changes_without_a_command_is_refused(store: InMemoryStore, broker: Any) -> None:
    async def change(event: OrderMade) -> None:
        stock = Stock(id="tea")
        stock.take()
        await get_current_uow().consumed_stocks.add(stock)

    consumer = BaseEventConsumer(
        broker, ["orders"], inbox=InMemoryInbox(store), uow_factory=lambda: InMemoryUnitOfWork(store), queue_name="q"
    )
    consumer.dispatcher.register(OrderMade, change)
    with pytest.raises(UnitOfWorkError, match=r"q changed Stock 'tea' outside of a command: consumers.StockTaken"):
        await consumer.handle(envelope_of(OrderMade(item="tea")))
    assert await taken(store) == 0


async def test_from_command_to_consumer_nothing_is_lost_and_nothing_happens_twice(
    until: Until, store: InMemoryStore, bus: InMemoryMessageBus, publisher: InMemoryMessagePublisher, broker: Any
) -> None:
    """Outbox, relay, broker, consumer and inbox together, with handlers that fail now and then."""

    class MakeOrder(Command[None]):
        item: str

    class MakeOrderHandler(CommandHandler[None]):
        @override
        async def handle(self, command: MakeOrder) -> CommandResponse[None]:
            return CommandResponse(result=None, events=[OrderMade(item=command.item)])

    outbox = BufferedOutbox(storage=InMemoryOutboxStorage(store), broker=publisher, wait_delay=0.001)
    commands = HandlerRegistry()
    commands.register_command_handler(MakeOrder, MakeOrderHandler())
    mediator = Mediator(
        commands,
        lambda: InMemoryUnitOfWork(store),
        middleware_registry=MiddlewareRegistry([OutboxMiddleware(outbox)]),
    )
    shop = Shop(store, broker)

    async def fail_now_and_then(event: OrderMade) -> None:
        if current_envelope().attempt == 1 and int(event.item) % 3 == 0:
            raise ConnectionError("flaky")

    shop.consumer.dispatcher.register(OrderMade, fail_now_and_then)
    consumer = shop.consumer
    consumer.topics = ("consumers.OrderMade",)
    async with consumer, outbox:
        for number in range(30):
            await mediator.send(MakeOrder(item=f"{number}"))
        await until(lambda: len(bus.published) == 30)
        await bus.join()
    assert bus.dead_letters == ()
    assert [await taken(store, f"{number}") for number in range(30)] == [1] * 30


# ---------------------------------------------------------------- life and wiring


async def test_start_and_stop_can_be_repeated(broker: Any, publisher: InMemoryMessagePublisher, until: Until) -> None:
    keeping = Keeping()
    consumer = BaseEventConsumer(broker, ["orders"])
    consumer.dispatcher.register(OrderMade, keeping)
    await consumer.stop()
    await asyncio.gather(consumer.start(), consumer.start())
    await consumer.stop()
    await consumer.stop()
    await publisher.publish("orders", OrderMade(item="tea"))
    await consumer.start()
    await until(lambda: keeping.events)
    await consumer.stop()
    assert len(keeping.events) == 1


async def test_a_start_that_failed_half_way_can_be_repeated() -> None:
    class Flaky:
        def __init__(self) -> None:
            self.topics: list[str] = []
            self.started = 0

        async def subscribe(self, topic: str, handler: Any, *, queue_name: str | None = None, **options: Any) -> None:
            if topic == "b" and self.topics == ["a"]:
                self.topics.append("")
                raise ConnectionError("no broker")
            self.topics.append(topic)

        async def start(self) -> None:
            self.started += 1

        async def stop(self) -> None:
            self.started -= 1

    broker = Flaky()
    consumer = BaseEventConsumer(broker, ["a", "b", "a"])
    with pytest.raises(ConnectionError):
        await consumer.start()
    assert broker.started == 0
    await consumer.start()
    assert broker.topics == ["a", "", "b"]
    assert broker.started == 1


async def test_queue_name_and_options_reach_the_transport(broker: Any) -> None:
    asked: list[Any] = []

    class Asked(InMemoryMessageConsumer):
        @override
        async def subscribe(self, topic: str, handler: Any, *, queue_name: str | None = None, **options: Any) -> None:
            asked.append((topic, queue_name, options))

    async with BaseEventConsumer(Asked(), ["orders"], queue_name="stock", exchange_name="shop"):
        pass
    assert asked == [("orders", "stock", {"exchange_name": "shop"})]


async def test_a_consumer_without_any_handler_says_so(broker: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with BaseEventConsumer(broker, ["orders"], queue_name="stock"):
        pass
    assert "stock starts without any event handler" in caplog.text


async def test_hooks_see_every_message(broker: Any) -> None:
    event = OrderMade(item="tea", correlation_id="c-1")
    with record_operations("consumer.*") as recorder:
        await BaseEventConsumer(broker, ["orders"], queue_name="q").handle(envelope_of(event, topic="orders"))
    assert recorder.names == ["consumer.consume.consumers.OrderMade"]
    assert recorder.operations[0].attributes == {
        "event.type": "consumers.OrderMade",
        "message.id": event.event_id,
        "topic": "orders",
        "attempt": 1,
        "correlation_id": "c-1",
        "consumer": "q",
    }


async def test_logs_hold_no_payload(store: InMemoryStore, broker: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shop = Shop(store, broker)
    envelope = envelope_of(OrderMade(item="s3cret"))
    await shop.consumer.handle(envelope)
    await shop.consumer.handle(envelope)
    assert "has had message" in caplog.text
    assert "s3cret" not in caplog.text


async def test_an_inbox_outside_of_the_transaction_is_refused(store: InMemoryStore, broker: Any) -> None:
    consumer = BaseEventConsumer(
        broker, ["orders"], inbox=InMemoryInbox(InMemoryStore()), uow_factory=lambda: InMemoryUnitOfWork(store)
    )
    with pytest.raises(PipelineError, match="InMemoryInbox does not write in the transaction"):
        await consumer.handle(envelope_of(OrderMade(item="tea")))


@pytest.mark.parametrize(
    ("topics", "arguments", "words"),
    [
        ("orders", {}, r"Write \['orders'\]"),
        ([], {}, "Name at least one"),
        (["orders"], {"inbox": InMemoryInbox()}, "uow_factory is missing"),
        (["orders"], {"uow_factory": InMemoryUnitOfWork}, "inbox is missing"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(topics: Any, arguments: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        BaseEventConsumer(InMemoryMessageConsumer(), topics, **arguments)
