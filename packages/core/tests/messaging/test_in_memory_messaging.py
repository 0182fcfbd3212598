"""What the in-memory publisher, bus and consumer promise beyond their ports."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from cqrs_ddd_core.adapters.memory import (
    InMemoryMessageBus,
    InMemoryMessageConsumer,
    InMemoryMessagePublisher,
    InMemoryUnitOfWork,
)
from cqrs_ddd_core.context import MessageContext, current_context, use_context
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.unit_of_work import ambient_uow, current_uow_or_none
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

type Until = Callable[[Callable[[], object]], Awaitable[None]]


class ParcelSent(DomainEvent):
    weight: int = 1


class ParcelLost(DomainEvent):
    pass


def message(message_type: str = "ParcelSent", **fields: object) -> MessageEnvelope:
    return MessageEnvelope(message_type=message_type, payload={}, **fields)  # type: ignore[arg-type]  # fields of it


async def ignore(_: MessageEnvelope) -> None:
    pass


# ---------------------------------------------------------------------- publishing


async def test_what_was_published_can_be_asserted() -> None:
    publisher = InMemoryMessagePublisher()
    await publisher.publish("parcels", ParcelSent(weight=7))
    await publisher.publish("parcels", ParcelLost())
    await publisher.publish("archive", ParcelSent(weight=8))
    assert [envelope.topic for envelope in publisher.published] == ["parcels", "parcels", "archive"]
    (lost,) = publisher.assert_published(ParcelLost)
    assert lost.message_type == "ParcelLost"
    both = publisher.assert_published("ParcelSent", 2)
    assert [envelope.payload["weight"] for envelope in both] == [7, 8]
    publisher.assert_published("ParcelSent", count=1, topic="archive")
    publisher.assert_published("ParcelDelivered", 0)


async def test_what_was_not_published_is_an_error_that_says_what_was() -> None:
    publisher = InMemoryMessagePublisher()
    await publisher.publish("parcels", ParcelSent())
    with pytest.raises(AssertionError, match=r"Expected 1 of 'ParcelSend', found 0.*'ParcelSent'"):
        publisher.assert_published("ParcelSend")
    with pytest.raises(AssertionError, match="Expected 2 of 'ParcelSent' to 'parcels', found 1"):
        publisher.assert_published(ParcelSent, 2, topic="parcels")


async def test_publishers_and_consumers_of_an_event_loop_meet() -> None:
    received: list[MessageEnvelope] = []

    async def keep(envelope: MessageEnvelope) -> None:
        received.append(envelope)

    consumer = InMemoryMessageConsumer()
    await consumer.subscribe("parcels", keep)
    await consumer.start()
    await InMemoryMessagePublisher().publish("parcels", message())
    await consumer.bus.join()
    assert len(received) == 1
    await InMemoryMessagePublisher(InMemoryMessageBus()).publish("parcels", message())
    assert consumer.bus.pending == 0
    await consumer.stop()


def test_a_consumer_that_was_made_once_serves_several_event_loops() -> None:
    consumer, publisher = InMemoryMessageConsumer(), InMemoryMessagePublisher()
    received: list[MessageEnvelope] = []

    async def keep(envelope: MessageEnvelope) -> None:
        received.append(envelope)

    async def serve(*, subscribe: bool) -> None:
        if subscribe:
            await consumer.subscribe("parcels", keep)
        await consumer.start()
        assert publisher.published == ()
        await publisher.publish("parcels", message())
        await publisher.bus.join()
        await consumer.stop()

    for number in range(3):
        asyncio.run(serve(subscribe=number == 0))
        assert len(received) == number + 1


async def test_a_message_that_no_queue_wants_goes_nowhere() -> None:
    publisher = InMemoryMessagePublisher()
    await publisher.publish("parcels", message())
    consumer = InMemoryMessageConsumer()
    await consumer.subscribe("parcels", ignore, queue_name="late")
    assert consumer.bus.pending == 0
    publisher.assert_published("ParcelSent")


async def test_a_topic_has_a_name() -> None:
    with pytest.raises(ValueError, match="topic"):
        await InMemoryMessagePublisher().publish("", message())


async def test_only_the_last_messages_are_remembered() -> None:
    publisher = InMemoryMessagePublisher(InMemoryMessageBus(history=2))
    for name in ("A", "B", "C"):
        await publisher.publish("parcels", message(name))
    assert [envelope.message_type for envelope in publisher.published] == ["B", "C"]


# ---------------------------------------------------------------------- consuming


async def test_handlers_run_in_an_empty_context() -> None:
    """As if the message had come from another process: nothing is left of who published it or started the consumer."""
    found: list[tuple[MessageContext, object, object]] = []

    async def look(_: MessageEnvelope) -> None:
        found.append((current_context(), ambient_uow.get(), current_uow_or_none()))

    consumer = InMemoryMessageConsumer()
    await consumer.subscribe("parcels", look)
    with use_context(tenant_id="starter", correlation_id="starter", user_id="starter"):
        async with InMemoryUnitOfWork():
            await consumer.start()
    with use_context(tenant_id="publisher", correlation_id="publisher"):
        async with InMemoryUnitOfWork():
            await InMemoryMessagePublisher().publish("parcels", message(tenant_id="acme"))
    await consumer.bus.join()
    await consumer.stop()
    assert found == [(MessageContext(), None, None)]


async def test_one_queue_keeps_the_order_of_a_key_over_all_its_topics() -> None:
    handled: list[str] = []

    async def keep(envelope: MessageEnvelope) -> None:
        await asyncio.sleep(0.005 if envelope.topic == "slow" else 0)
        handled.append(f"{envelope.topic} {envelope.message_id}")

    consumer, publisher = InMemoryMessageConsumer(), InMemoryMessagePublisher()
    for topic in ("slow", "quick"):
        await consumer.subscribe(topic, keep, queue_name="billing")
    await consumer.start()
    for number, topic in enumerate(["slow", "quick", "slow", "quick"]):
        await publisher.publish(topic, message(key="parcel-1", message_id=str(number)))
    await publisher.bus.join()
    await consumer.stop()
    assert handled == ["slow 0", "quick 1", "slow 2", "quick 3"]


async def test_a_handler_may_publish() -> None:
    publisher, consumer = InMemoryMessagePublisher(), InMemoryMessageConsumer()
    received: list[str] = []

    async def go_on(envelope: MessageEnvelope) -> None:
        received.append(envelope.message_type)
        if envelope.message_type != "C":
            await publisher.publish("parcels", message({"A": "B", "B": "C"}[envelope.message_type], key="1"))

    await consumer.subscribe("parcels", go_on)
    await consumer.start()
    await publisher.publish("parcels", message("A", key="1"))
    await publisher.bus.join()
    await consumer.stop()
    assert received == ["A", "B", "C"]


async def test_no_more_handlers_run_at_once_than_allowed(until: Until) -> None:
    running, most, release = 0, 0, asyncio.Event()

    async def work(_: MessageEnvelope) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1

    publisher, consumer = InMemoryMessagePublisher(), InMemoryMessageConsumer(max_concurrent=3)
    await consumer.subscribe("parcels", work, queue_name="a")
    await consumer.subscribe("parcels", work, queue_name="b")
    await consumer.start()
    for _ in range(10):
        await publisher.publish("parcels", message())
    await until(lambda: running == 3)
    release.set()
    await publisher.bus.join()
    await consumer.stop()
    assert most == 3


async def test_a_dead_letter_says_what_was_wrong(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: MessageEnvelope) -> None:
        raise RuntimeError("no such parcel")

    bus = InMemoryMessageBus(max_attempts=2, retry_delay=0)
    publisher, consumer = InMemoryMessagePublisher(bus), InMemoryMessageConsumer(bus)
    await consumer.subscribe("parcels", fail, queue_name="billing")
    await consumer.start()
    with caplog.at_level(logging.WARNING):
        await publisher.publish("parcels", message(message_id="message-1", key="parcel-1"))
        await bus.join()
    await consumer.stop()
    (letter,) = bus.dead_letters
    assert letter.queue_name == "billing"
    assert (letter.envelope.message_id, letter.envelope.topic, letter.envelope.attempt) == ("message-1", "parcels", 2)
    assert str(letter.error) == "no such parcel"
    levels = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert levels == [
        ("WARNING", "Handling ParcelSent message-1 from parcels failed at attempt 1: it comes again"),
        ("ERROR", "Handling ParcelSent message-1 from parcels failed at attempt 2: it is a dead letter now"),
    ]


async def test_two_handlers_for_one_topic_need_two_queues() -> None:
    consumer = InMemoryMessageConsumer()
    await consumer.subscribe("parcels", ignore)
    with pytest.raises(ConfigurationError, match="queue_name"):
        await consumer.subscribe("parcels", ignore)
    await consumer.subscribe("parcels", ignore, queue_name="other")


async def test_options_of_other_transports_are_refused() -> None:
    with pytest.raises(TypeError, match="exchange_name"):
        await InMemoryMessageConsumer().subscribe("parcels", ignore, exchange_name="events")


async def test_a_message_that_was_taken_but_not_begun_is_not_lost_when_a_stop_is_cancelled() -> None:
    begun: list[str] = []

    async def keep(envelope: MessageEnvelope) -> None:
        begun.append(envelope.message_id)
        await asyncio.sleep(20.0)

    publisher, consumer = InMemoryMessagePublisher(), InMemoryMessageConsumer()
    await consumer.subscribe("parcels", keep, queue_name="billing")
    for rounds in range(8):
        await publisher.publish("parcels", message(message_id=str(rounds)))
        await consumer.start()
        for _ in range(rounds):
            await asyncio.sleep(0)
        stopping = asyncio.create_task(consumer.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        await asyncio.wait({stopping})
        assert publisher.bus.pending == rounds + 1
    handled: list[str] = []

    async def handle(envelope: MessageEnvelope) -> None:
        handled.append(envelope.message_id)

    other = InMemoryMessageConsumer()
    await other.subscribe("parcels", handle, queue_name="billing")
    await other.start()
    await publisher.bus.join()
    await other.stop()
    assert sorted(handled) == [str(number) for number in range(8)]
    assert begun, "some of them had begun"


async def test_a_consumer_that_is_started_while_it_stops_runs_in_the_end(until: Until) -> None:
    release, received = asyncio.Event(), list[str]()

    async def keep(envelope: MessageEnvelope) -> None:
        received.append(envelope.message_id)
        await release.wait()

    publisher, consumer = InMemoryMessagePublisher(), InMemoryMessageConsumer()
    await consumer.subscribe("parcels", keep)
    await consumer.start()
    await publisher.publish("parcels", message(message_id="1", key="1"))
    await publisher.publish("parcels", message(message_id="2", key="1"))
    await until(lambda: received)
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0)
    starting = asyncio.create_task(consumer.start())
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(stopping, starting)
    await publisher.bus.join()
    await consumer.stop()
    assert received == ["1", "2"]


async def test_a_stopped_consumer_leaves_no_task_behind() -> None:
    publisher, consumer = InMemoryMessagePublisher(), InMemoryMessageConsumer()
    await consumer.subscribe("parcels", ignore)
    for _ in range(3):
        await consumer.start()
        await publisher.publish("parcels", message())
        await publisher.bus.join()
        await consumer.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("settings", [{"max_attempts": 0}, {"retry_delay": -1.0}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="max_attempts"):
        InMemoryMessageBus(**settings)  # type: ignore[arg-type]  # names and numbers of it
    with pytest.raises(ValueError, match="max_concurrent"):
        InMemoryMessageConsumer(max_concurrent=0)
