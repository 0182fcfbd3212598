"""The outbox as an application uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, override

import pytest

from cqrs_ddd_core import (
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    HandlerRegistry,
    InMemoryStore,
    InMemoryUnitOfWork,
    Mediator,
    UnitOfWork,
    get_current_uow,
)
from cqrs_ddd_core.adapters.memory import InMemoryLockStrategy, InMemoryOutboxStorage
from cqrs_ddd_core.cqrs.outbox import BufferedOutbox, OutboxService
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_publisher import IMessagePublisher
from cqrs_ddd_core.ports.worker import IBackgroundWorker
from cqrs_ddd_core.primitives.exceptions import OutboxError, PipelineError, ReadOnlyUnitOfWorkError
from cqrs_ddd_core.primitives.locking import ResourceIdentifier
from cqrs_ddd_core.testing import RecordingPublisher, record_operations, run_in_virtual_time

type Until = Callable[[Callable[[], Any]], Awaitable[None]]


class ParcelPacked(DomainEvent):
    event_type = "outbox.ParcelPacked"

    parcel: str


def packed(parcel: str) -> ParcelPacked:
    return ParcelPacked(parcel=parcel, event_id=parcel)


def ids(publisher: RecordingPublisher) -> list[str]:
    return [message.envelope.message_id for message in publisher.messages]


class Timed(RecordingPublisher):
    """Notes when each message left."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    @override
    async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
        self.times.append(round(asyncio.get_running_loop().time(), 2))
        await super().publish(topic, message)


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def publisher() -> RecordingPublisher:
    return RecordingPublisher()


@pytest.fixture
def outbox(store: InMemoryStore, publisher: RecordingPublisher) -> BufferedOutbox:
    return BufferedOutbox(storage=InMemoryOutboxStorage(store), broker=publisher, poll_interval=3600)


def test_it_is_a_publisher_and_a_background_worker(outbox: BufferedOutbox) -> None:
    assert isinstance(outbox, IMessagePublisher)
    assert isinstance(outbox, IBackgroundWorker)


async def test_it_is_made_as_the_documentation_says() -> None:
    store = InMemoryStore()
    outbox = BufferedOutbox(
        storage=InMemoryOutboxStorage(store),
        broker=RecordingPublisher(),
        lock_strategy=InMemoryLockStrategy(store),
        batch_size=100,
        max_retries=5,
    )
    await outbox.start()
    await outbox.stop()


async def test_what_waits_when_it_starts_leaves_at_once(
    until: Until, outbox: BufferedOutbox, publisher: RecordingPublisher
) -> None:
    await outbox.publish("parcels", packed("a"))
    async with outbox:
        await until(lambda: publisher.messages)
    assert publisher.topics == ["parcels"]


async def test_a_message_leaves_after_the_commit_of_its_unit_of_work(
    until: Until, store: InMemoryStore, outbox: BufferedOutbox, publisher: RecordingPublisher
) -> None:
    async with outbox:
        async with InMemoryUnitOfWork(store):
            await outbox.publish("parcels", packed("a"))
            for _ in range(20):
                await asyncio.sleep(0)
            assert publisher.messages == []
        await until(lambda: publisher.messages)


async def test_a_message_of_a_unit_of_work_that_fails_never_leaves(
    until: Until, store: InMemoryStore, outbox: BufferedOutbox, publisher: RecordingPublisher
) -> None:
    async def fail() -> None:
        async with InMemoryUnitOfWork(store):
            await outbox.publish("parcels", packed("a"))
            raise ValueError("no")

    async with outbox:
        with pytest.raises(ValueError, match="no"):
            await fail()
        await outbox.publish("parcels", packed("b"))
        await until(lambda: publisher.messages)
    assert ids(publisher) == ["b"]


async def test_a_message_of_a_savepoint_that_fails_never_leaves(
    until: Until, store: InMemoryStore, outbox: BufferedOutbox, publisher: RecordingPublisher
) -> None:
    async def fail(uow: UnitOfWork) -> None:
        async with uow.savepoint():
            await outbox.publish("parcels", packed("b"))
            raise ValueError("no")

    async with outbox:
        async with InMemoryUnitOfWork(store) as uow:
            await outbox.publish("parcels", packed("a"))
            with pytest.raises(ValueError, match="no"):
                await fail(uow)
        await until(lambda: publisher.messages)
    assert ids(publisher) == ["a"]


async def test_a_command_handler_may_publish_what_is_no_event(
    until: Until, store: InMemoryStore, outbox: BufferedOutbox, publisher: RecordingPublisher
) -> None:
    class Announce(Command[None]):
        text: str

    class AnnounceHandler(CommandHandler[None]):
        async def handle(self, command: Announce) -> CommandResponse[None]:
            message = MessageEnvelope(message_type="Announcement", payload={"text": command.text})
            await outbox.publish("announcements", message)
            return CommandResponse(result=None)

    registry = HandlerRegistry()
    registry.register_command_handler(Announce, AnnounceHandler())
    async with outbox:
        await Mediator(registry, lambda: InMemoryUnitOfWork(store)).send(Announce(text="hello"))
        await until(lambda: publisher.messages)
    assert publisher.to("announcements")[0].payload == {"text": "hello"}


async def test_adding_events_does_the_same_for_many(
    until: Until, store: InMemoryStore, outbox: BufferedOutbox, publisher: RecordingPublisher
) -> None:
    async with outbox:
        async with InMemoryUnitOfWork(store):
            await outbox.add([packed("a"), packed("b")])
            await outbox.add([])
        await until(lambda: len(publisher.messages) == 2)
    assert publisher.topics == ["outbox.ParcelPacked"] * 2


async def test_a_storage_outside_of_the_transaction_is_refused(store: InMemoryStore, outbox: BufferedOutbox) -> None:
    async with InMemoryUnitOfWork(InMemoryStore()):
        with pytest.raises(PipelineError, match="InMemoryOutboxStorage does not write in the transaction") as caught:
            await outbox.publish("parcels", packed("a"))
        assert "Build both on the same database" in str(caught.value)
        with pytest.raises(PipelineError):
            await outbox.add([packed("a")])
    assert (await outbox.service.statistics()).pending == 0


async def test_a_storage_that_cannot_say_whether_it_takes_part_is_refused(store: InMemoryStore) -> None:
    class Silent:
        def __init__(self) -> None:
            self._inner = InMemoryOutboxStorage(store)

        def __getattr__(self, name: str) -> Any:
            if name == "joins":
                raise AttributeError(name)
            return getattr(self._inner, name)

    outbox = BufferedOutbox(Silent(), RecordingPublisher())  # type: ignore[arg-type]
    async with InMemoryUnitOfWork(store):
        with pytest.raises(PipelineError, match=r"Give it a method joins\(uow\)"):
            await outbox.publish("parcels", packed("a"))


async def test_a_query_cannot_publish(store: InMemoryStore, outbox: BufferedOutbox) -> None:
    uow = InMemoryUnitOfWork(store)
    uow.read_only = True
    async with uow:
        with pytest.raises(ReadOnlyUnitOfWorkError):
            await outbox.publish("parcels", packed("a"))


@pytest.mark.parametrize("message", [{"a": 1}, "text", None])
async def test_what_is_neither_event_nor_envelope_is_refused(outbox: BufferedOutbox, message: Any) -> None:
    with pytest.raises(OutboxError, match="An event or a MessageEnvelope is published"):
        await outbox.publish("parcels", message)


# ---------------------------------------------------------------- the relay


async def test_it_relays_what_another_process_wrote(
    until: Until, store: InMemoryStore, outbox: BufferedOutbox, publisher: RecordingPublisher
) -> None:
    other = OutboxService(InMemoryOutboxStorage(store), RecordingPublisher())
    async with outbox:
        await asyncio.sleep(0.01)
        await other.add([packed("a")])
        await until(lambda: publisher.messages)


def test_it_polls_a_storage_that_cannot_tell() -> None:
    class Mute(InMemoryOutboxStorage):
        @override
        async def wait_for_messages(self, timeout: timedelta) -> bool:
            await asyncio.sleep(timeout.total_seconds())
            return False

    async def scenario() -> list[float]:
        store, publisher = InMemoryStore(), Timed()
        async with BufferedOutbox(Mute(store), publisher, poll_interval=10.0):
            await asyncio.sleep(1.0)
            await OutboxService(InMemoryOutboxStorage(store), publisher).add([packed("a")])
            await asyncio.sleep(30.0)
        return publisher.times

    assert run_in_virtual_time(scenario()) == [10.0]


def test_a_message_after_a_pause_leaves_at_once_and_a_burst_leaves_in_one_batch() -> None:
    async def scenario() -> tuple[list[float], int]:
        store, publisher = InMemoryStore(), Timed()
        outbox = BufferedOutbox(InMemoryOutboxStorage(store), publisher, wait_delay=0.1, max_delay=1.0)
        with record_operations("outbox.process_batch") as recorder:
            async with outbox:
                await asyncio.sleep(5.0)
                for number in range(10):
                    await outbox.publish("parcels", packed(f"{number}"))
                    await asyncio.sleep(0.01)
                await asyncio.sleep(5.0)
        return publisher.times, len(recorder.operations)

    times, rounds = run_in_virtual_time(scenario())
    assert times[0] == 5.0
    assert times[1:] == [times[1]] * 9
    assert times[1] <= 5.21
    assert rounds <= 5


def test_a_stream_of_messages_without_end_is_not_held_back_for_long() -> None:
    async def scenario() -> list[float]:
        store, publisher = InMemoryStore(), Timed()
        outbox = BufferedOutbox(InMemoryOutboxStorage(store), publisher, wait_delay=0.1, max_delay=0.5)
        async with outbox:
            for number in range(100):
                await outbox.publish("parcels", packed(f"{number}"))
                await asyncio.sleep(0.05)
        return publisher.times

    times = run_in_virtual_time(scenario())
    # Message n was written at n * 0.05 s; none may wait for longer than max_delay, and a little.
    assert max(time - number * 0.05 for number, time in enumerate(times)) <= 0.6
    assert len(set(times)) >= 8


def test_a_full_batch_is_followed_by_the_next_at_once() -> None:
    async def scenario() -> list[float]:
        store, publisher = InMemoryStore(), Timed()
        outbox = BufferedOutbox(InMemoryOutboxStorage(store), publisher, batch_size=10)
        await outbox.add([packed(f"{number}") for number in range(95)])
        async with outbox:
            await asyncio.sleep(5.0)
        return publisher.times

    assert run_in_virtual_time(scenario()) == [0.0] * 95


def test_a_message_that_failed_is_tried_again_when_it_is_due() -> None:
    async def scenario() -> list[float]:
        class Failing(Timed):
            @override
            async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
                await super().publish(topic, message)
                if len(self.times) < 4:
                    raise ConnectionError("down")

        store, publisher = InMemoryStore(), Failing()
        outbox = BufferedOutbox(InMemoryOutboxStorage(store), publisher, poll_interval=3600)
        async with outbox:
            await outbox.publish("parcels", packed("a"))
            await asyncio.sleep(60.0)
        return publisher.times

    times = run_in_virtual_time(scenario())
    assert len(times) == 4
    for earlier, later, delay in zip(times, times[1:], [1.0, 4.0, 16.0], strict=False):
        assert delay * 0.5 <= later - earlier <= delay + 0.3


async def test_an_error_of_the_storage_does_not_end_the_relay(until: Until, store: InMemoryStore) -> None:
    class Flaky(InMemoryOutboxStorage):
        failures = 3

        @override
        async def lease(self, limit: int, *, hold: timedelta) -> Any:
            if self.failures:
                self.failures -= 1
                raise ConnectionError("the database is away")
            return await super().lease(limit, hold=hold)

    publisher = RecordingPublisher()
    outbox = BufferedOutbox(Flaky(store), publisher)
    await outbox.publish("parcels", packed("a"))
    async with outbox:
        await until(lambda: publisher.messages)
        assert outbox.is_running


class Slow(RecordingPublisher):
    """Publishes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.publishing, self.go_on = asyncio.Event(), asyncio.Event()

    @override
    async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
        self.publishing.set()
        await self.go_on.wait()
        await super().publish(topic, message)


async def test_stop_settles_the_batch_in_hand(store: InMemoryStore) -> None:
    publisher = Slow()
    outbox = BufferedOutbox(InMemoryOutboxStorage(store), publisher)
    await outbox.add([packed("a"), packed("b")])
    await outbox.start()
    await publisher.publishing.wait()
    stopping = asyncio.create_task(outbox.stop())
    await asyncio.sleep(0)
    publisher.go_on.set()
    await stopping
    assert ids(publisher) == ["a", "b"]
    statistics = await outbox.service.statistics()
    assert (statistics.pending, statistics.published) == (0, 2)


async def test_run_cancelled_settles_the_batch_in_hand_and_is_not_swallowed(store: InMemoryStore) -> None:
    publisher = Slow()
    outbox = BufferedOutbox(InMemoryOutboxStorage(store), publisher)
    await outbox.publish("parcels", packed("a"))
    running = asyncio.create_task(outbox.run())
    await publisher.publishing.wait()
    running.cancel()
    await asyncio.sleep(0)
    publisher.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await outbox.service.statistics()).published == 1


async def test_two_relays_on_one_outbox_send_nothing_twice(until: Until, store: InMemoryStore) -> None:
    publisher = RecordingPublisher()

    def relay(name: str) -> BufferedOutbox:
        return BufferedOutbox(InMemoryOutboxStorage(store), publisher, batch_size=3, name=name)

    async with relay("one") as one, relay("two"):
        for number in range(50):
            async with InMemoryUnitOfWork(store):
                await one.publish("parcels", packed(f"{number}"))
        await until(lambda: len(publisher.messages) >= 50)
    assert sorted(ids(publisher), key=int) == [f"{number}" for number in range(50)]


def test_a_relay_that_is_locked_out_asks_now_and_then_and_takes_over() -> None:
    async def scenario() -> tuple[list[float], int]:
        store, publisher = InMemoryStore(), Timed()
        locks = InMemoryLockStrategy(store)
        outbox = BufferedOutbox(InMemoryOutboxStorage(store), publisher, locks)
        other = await locks.acquire(ResourceIdentifier("Outbox", "outbox relay"), ttl=3600)
        await outbox.publish("parcels", packed("a"))
        with record_operations("outbox.process_batch") as recorder:
            async with outbox:
                await asyncio.sleep(20.0)
                asked = len(recorder.operations)
                await locks.release(other)
                await asyncio.sleep(5.0)
        return publisher.times, asked

    times, asked = run_in_virtual_time(scenario())
    assert len(times) == 1
    assert 20.0 <= times[0] <= 22.0
    assert asked <= 25


def test_old_published_messages_are_cleaned_up() -> None:
    async def scenario(keep: timedelta | None) -> int:
        store = InMemoryStore()
        outbox = BufferedOutbox(
            InMemoryOutboxStorage(store), RecordingPublisher(), poll_interval=60, keep_published=keep
        )
        async with outbox:
            await outbox.publish("parcels", packed("a"))
            await asyncio.sleep(2 * 24 * 3600)
        return (await outbox.service.statistics()).published

    assert run_in_virtual_time(scenario(timedelta(days=1))) == 0
    assert run_in_virtual_time(scenario(None)) == 1


async def test_an_outbox_that_is_never_started_still_collects(outbox: BufferedOutbox, store: InMemoryStore) -> None:
    async with InMemoryUnitOfWork(store):
        await outbox.publish("parcels", packed("a"))
    assert (await outbox.service.statistics()).pending == 1
    assert not outbox.is_running


async def test_the_same_message_cannot_be_written_twice(outbox: BufferedOutbox) -> None:
    await outbox.publish("parcels", packed("a"))
    with pytest.raises(OutboxError, match="in the outbox already"):
        await outbox.publish("parcels", packed("a"))


async def test_a_unit_of_work_of_the_handler_is_the_one_that_is_joined(
    until: Until, outbox: BufferedOutbox, store: InMemoryStore, publisher: RecordingPublisher
) -> None:
    async with outbox:
        async with InMemoryUnitOfWork(store) as uow:
            await outbox.publish("parcels", packed("a"))
            assert get_current_uow() is uow
            assert (await outbox.service.statistics()).pending == 0
        await until(lambda: publisher.messages)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "needs storage and broker"),
        ({"storage": InMemoryOutboxStorage()}, "needs broker"),
        ({"broker": RecordingPublisher()}, "needs storage"),
        (
            {"broker": RecordingPublisher(), "service": OutboxService(InMemoryOutboxStorage(), RecordingPublisher())},
            "give either it or them",
        ),
        ({"storage": InMemoryOutboxStorage(), "broker": RecordingPublisher(), "batch_size": 0}, "batch_size is 1"),
        ({"storage": InMemoryOutboxStorage(), "broker": RecordingPublisher(), "max_delay": 0.01}, "wait_delay <= max"),
    ],
)
def test_arguments_that_are_missing_or_make_no_sense_are_refused(arguments: Any, words: str) -> None:
    with pytest.raises(OutboxError, match=words):
        BufferedOutbox(**arguments)
