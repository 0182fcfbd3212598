"""Relaying what is in the outbox."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, override

import pytest

from cqrs_ddd_core import DomainEvent, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.adapters.memory import InMemoryLockStrategy, InMemoryOutboxStorage
from cqrs_ddd_core.context import MessageContext, current_context, use_context, with_tenant_context
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.outbox import OutboxService
from cqrs_ddd_core.cqrs.publishers import route_to
from cqrs_ddd_core.cqrs.publishers.publishing import publish_in_order
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.outbox import OutboxMessage, OutboxStatus
from cqrs_ddd_core.primitives.exceptions import OutboxError
from cqrs_ddd_core.primitives.locking import ResourceIdentifier
from cqrs_ddd_core.testing import RecordingPublisher, VirtualClock, record_operations

HOLD = timedelta(seconds=30)


class ItemPacked(DomainEvent):
    event_type = "outbox.ItemPacked"

    item: str


@route_to("billing")
class BillWritten(DomainEvent):
    event_type = "outbox.BillWritten"


class Killed(BaseException):
    """The process is gone: nothing that it would have done afterwards happens."""


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    with VirtualClock() as clock:
        yield clock


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def storage(store: InMemoryStore) -> InMemoryOutboxStorage:
    return InMemoryOutboxStorage(store)


def packed(item: str, order: str | None = "order-1") -> ItemPacked:
    return ItemPacked(item=item, aggregate_id=order, aggregate_type="Order", event_id=item)


def ids(publisher: RecordingPublisher) -> list[str]:
    return [message.envelope.message_id for message in publisher.messages]


class Choosy(RecordingPublisher):
    """Refuses the message ids that are in ``refused``."""

    def __init__(self, *refused: str) -> None:
        super().__init__()
        self.refused = set(refused)
        self.asked: list[str] = []

    @override
    async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
        assert isinstance(message, MessageEnvelope)
        self.asked.append(message.message_id)
        if message.message_id in self.refused:
            raise ConnectionError(f"no route for {message.message_id}")
        await super().publish(topic, message)


class ChoosyInBatches(Choosy):
    async def publish_batch(self, messages: Sequence[tuple[str, MessageEnvelope]], /) -> Sequence[BaseException | None]:
        return await publish_in_order(messages, self.publish)


@pytest.fixture(params=[Choosy, ChoosyInBatches], ids=["one by one", "in batches"])
def publisher(request: pytest.FixtureRequest) -> Choosy:
    made: Choosy = request.param()
    return made


# ---------------------------------------------------------------- in


async def test_events_become_messages_with_everything_that_receivers_need(storage: InMemoryOutboxStorage) -> None:
    event = ItemPacked(
        item="tea",
        aggregate_id="order-1",
        aggregate_type="Order",
        aggregate_version=3,
        correlation_id="c-1",
        causation_id="m-1",
        metadata={"traceparent": "00-1-2-01"},
    )
    publisher = RecordingPublisher()
    service = OutboxService(storage, publisher)
    with with_tenant_context("acme"):
        await service.add([event])
    await service.process_batch()
    [published] = publisher.messages
    assert published.topic == "outbox.ItemPacked"
    assert published.envelope.key == "order-1"
    assert published.envelope.tenant_id == "acme"
    assert published.envelope.headers["traceparent"] == "00-1-2-01"
    # The consumer can rebuild the very event.
    assert EventSerializer().from_envelope(published.envelope) == event


async def test_the_topic_is_the_destination_of_the_class_or_the_name_of_the_type(
    storage: InMemoryOutboxStorage,
) -> None:
    publisher = RecordingPublisher()
    service = OutboxService(storage, publisher)
    await service.add([packed("tea"), BillWritten()])
    await service.process_batch()
    assert publisher.topics == ["outbox.ItemPacked", "billing"]


async def test_events_are_there_when_the_unit_of_work_has_committed_and_not_after_a_rollback(
    store: InMemoryStore, storage: InMemoryOutboxStorage
) -> None:
    publisher = RecordingPublisher()
    service = OutboxService(storage, publisher)

    async def change_my_mind() -> None:
        async with InMemoryUnitOfWork(store):
            await service.add([packed("a")])
            raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        await change_my_mind()
    assert await service.process_batch() == 0
    async with InMemoryUnitOfWork(store):
        await service.add([packed("b")])
        assert await service.process_batch() == 0
    assert await service.process_batch() == 1
    assert ids(publisher) == ["b"]


async def test_adding_nothing_does_nothing(storage: InMemoryOutboxStorage) -> None:
    with record_operations() as recorder:
        await OutboxService(storage, RecordingPublisher()).add([])
    assert recorder.names == []


# ---------------------------------------------------------------- out


async def test_messages_leave_once_and_in_order(storage: InMemoryOutboxStorage, publisher: Choosy) -> None:
    service = OutboxService(storage, publisher)
    await service.add([packed(f"{number}", f"order-{number % 2}") for number in range(10)])
    assert await service.process_batch(4) == 4
    assert await service.process_batch(4) == 4
    assert await service.process_batch(4) == 2
    assert await service.process_batch(4) == 0
    assert ids(publisher) == [f"{number}" for number in range(10)]
    statistics = await service.statistics()
    assert (statistics.pending, statistics.published, statistics.dead) == (0, 10, 0)


async def test_a_sent_message_is_not_sent_again_by_a_new_relay(storage: InMemoryOutboxStorage) -> None:
    first, second = RecordingPublisher(), RecordingPublisher()
    await OutboxService(storage, first).add([packed("a")])
    assert await OutboxService(storage, first).process_batch() == 1
    assert await OutboxService(storage, second).process_batch() == 0


async def test_a_failure_holds_back_the_rest_of_its_key_and_nothing_else(
    clock: VirtualClock, storage: InMemoryOutboxStorage, publisher: Choosy
) -> None:
    service = OutboxService(storage, publisher)
    publisher.refused = {"a1"}
    await service.add([packed("a1", "a"), packed("b1", "b"), packed("a2", "a"), packed("x", None), packed("b2", "b")])
    assert await service.process_batch() == 3
    assert ids(publisher) == ["b1", "x", "b2"]
    # a2 was not even tried, or it would overtake a1; and it has lost none of its chances.
    assert publisher.asked == ["a1", "b1", "x", "b2"]
    publisher.refused.clear()
    assert await service.process_batch() == 0
    clock.advance(timedelta(seconds=1))
    assert await service.process_batch() == 2
    assert ids(publisher) == ["b1", "x", "b2", "a1", "a2"]


async def test_a_failing_message_is_tried_again_with_growing_delays_and_is_dead_in_the_end(
    clock: VirtualClock, storage: InMemoryOutboxStorage, caplog: pytest.LogCaptureFixture, publisher: Choosy
) -> None:
    service = OutboxService(storage, publisher, max_retries=3, base_delay=1.0, max_delay=10.0)
    publisher.refused = {"bad"}
    await service.add([packed("bad")])
    for attempt, longest in enumerate([1.0, 4.0, 10.0], start=1):
        assert (await service.relay()).failed == 1
        assert publisher.asked == ["bad"] * attempt
        clock.advance(longest * 0.49)
        assert (await service.relay()).leased == 0, "jitter shortens a delay by half at most"
        clock.advance(longest * 0.52)
    assert (await service.relay()).failed == 1
    [dead] = await service.dead_letters()
    assert dead.status is OutboxStatus.DEAD
    assert dead.attempts == 4
    assert dead.last_error == "ConnectionError: no route for bad"
    clock.advance(timedelta(days=1))
    assert (await service.relay()).leased == 0
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3 + [logging.ERROR]


async def test_delays_have_jitter(clock: VirtualClock, storage: InMemoryOutboxStorage) -> None:
    publisher = RecordingPublisher(fail_with=ConnectionError("down"))
    service = OutboxService(storage, publisher, base_delay=100.0)
    await service.add([packed(f"{number}", None) for number in range(20)])
    await service.process_batch()
    due: set[Any] = set()
    for _ in range(11):
        clock.advance(10)
        due.update(message.available_at for message in await storage.lease(20, hold=timedelta(days=1)))
    assert len(due) == 20


async def test_a_dead_message_lets_its_key_go_on(
    clock: VirtualClock, storage: InMemoryOutboxStorage, publisher: Choosy
) -> None:
    service = OutboxService(storage, publisher, max_retries=0)
    publisher.refused = {"a1"}
    await service.add([packed("a1", "a"), packed("a2", "a")])
    await service.process_batch()
    assert await service.process_batch() == 1
    assert ids(publisher) == ["a2"]


async def test_a_batch_of_poison_does_not_block_the_rest(
    clock: VirtualClock, storage: InMemoryOutboxStorage, publisher: Choosy
) -> None:
    service = OutboxService(storage, publisher)
    publisher.refused = {f"bad-{number}" for number in range(10)}
    await service.add([packed(item, None) for item in [*sorted(publisher.refused), "good"]])
    assert await service.process_batch(10) == 0
    assert await service.process_batch(10) == 1
    assert ids(publisher) == ["good"]


async def test_dead_messages_can_be_replayed_with_all_their_chances(
    clock: VirtualClock, storage: InMemoryOutboxStorage, publisher: Choosy
) -> None:
    service = OutboxService(storage, publisher, max_retries=1, base_delay=1.0)
    publisher.refused = {"a", "b", "c"}
    await service.add([packed(item, None) for item in "abc"])
    for _ in range(2):
        await service.process_batch()
        clock.advance(1)
    assert [message.message_id for message in await service.dead_letters()] == ["a", "b", "c"]
    assert await service.replay(["b"]) == 1
    assert await service.discard(["c"]) == 1
    assert (await service.relay()).failed == 1
    clock.advance(1)
    publisher.refused.clear()
    assert await service.process_batch() == 1
    assert await service.retry_failed() == 1
    assert await service.process_batch() == 1
    assert await service.retry_failed() == 0
    assert ids(publisher) == ["b", "a"]


async def test_published_messages_are_removed_when_they_are_old(
    clock: VirtualClock, storage: InMemoryOutboxStorage
) -> None:
    service = OutboxService(storage, RecordingPublisher())
    await service.add([packed("old")])
    await service.process_batch()
    clock.advance(timedelta(days=2))
    await service.add([packed("new")])
    await service.process_batch()
    await service.add([packed("waiting")])
    assert await service.purge(timedelta(days=1)) == 1
    statistics = await service.statistics()
    assert (statistics.published, statistics.pending) == (1, 1)


async def test_the_publisher_runs_in_the_context_of_the_message(storage: InMemoryOutboxStorage) -> None:
    seen: list[MessageContext] = []

    class Curious(RecordingPublisher):
        @override
        async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
            seen.append(current_context())

    service = OutboxService(storage, Curious())
    event = ItemPacked(item="a", correlation_id="c-1", causation_id="m-1")
    with with_tenant_context("acme"):
        await service.add([event])
    with use_context(correlation_id="mine", tenant_id="other"):
        await service.process_batch()
        assert current_context().correlation_id == "mine"
    assert [(each.correlation_id, each.causation_id, each.tenant_id) for each in seen] == [("c-1", "m-1", "acme")]


# ---------------------------------------------------------------- faults


class Dying(InMemoryOutboxStorage):
    """A storage whose process dies at the n-th call, and does nothing from then on."""

    def __init__(self, store: InMemoryStore, dies_at: int) -> None:
        super().__init__(store)
        self.left = dies_at

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    @override
    async def lease(self, limit: int, *, hold: timedelta) -> Sequence[OutboxMessage]:
        self.step()
        leased = await super().lease(limit, hold=hold)
        self.step()
        return leased

    @override
    async def mark_published(self, messages: Sequence[OutboxMessage]) -> Sequence[str]:
        self.step()
        settled = await super().mark_published(messages)
        self.step()
        return settled

    @override
    async def mark_failed(self, message: OutboxMessage, error: str, *, retry_at: Any) -> bool:
        self.step()
        settled = await super().mark_failed(message, error, retry_at=retry_at)
        self.step()
        return settled

    @override
    async def release(self, messages: Sequence[OutboxMessage]) -> None:
        self.step()
        await super().release(messages)
        self.step()


@pytest.mark.parametrize("dies_at", range(9))
async def test_a_relay_that_dies_anywhere_loses_nothing(
    clock: VirtualClock, store: InMemoryStore, publisher: Choosy, dies_at: int
) -> None:
    """Killed before or after any call to the storage; another relay goes on when the lease has run out."""
    publisher.refused = {"a2"}
    dying = Dying(store, dies_at)
    service = OutboxService(dying, publisher, hold=HOLD)
    await service.add([packed("a1", "a"), packed("a2", "a"), packed("a3", "a"), packed("b1", "b")])
    if dies_at < 8:
        with pytest.raises(Killed):
            await service.process_batch()
    else:
        await service.process_batch()
    publisher.refused.clear()
    clock.advance(HOLD)
    relay = OutboxService(InMemoryOutboxStorage(store), publisher, hold=HOLD)
    while (await relay.relay()).leased:
        pass
    assert set(ids(publisher)) == {"a1", "a2", "a3", "b1"}
    first_times = list(dict.fromkeys(item for item in ids(publisher) if item.startswith("a")))
    assert first_times == ["a1", "a2", "a3"], "order within the key holds for those who ignore repetitions"
    assert (await relay.statistics()).pending == 0


async def test_messages_of_a_dead_relay_are_hidden_until_its_lease_ends(
    clock: VirtualClock, store: InMemoryStore, storage: InMemoryOutboxStorage
) -> None:
    class Deadly(RecordingPublisher):
        @override
        async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
            raise Killed

    await OutboxService(storage, RecordingPublisher()).add([packed("a")])
    with pytest.raises(Killed):
        await OutboxService(Dying(store, 2), Deadly(), hold=HOLD).process_batch()
    relay = OutboxService(storage, RecordingPublisher(), hold=HOLD)
    assert await relay.process_batch() == 0
    clock.advance(HOLD)
    assert await relay.process_batch() == 1


async def test_cancelled_while_publishing_it_settles_what_was_published_and_gives_back_the_rest(
    storage: InMemoryOutboxStorage,
) -> None:
    hanging = asyncio.Event()

    class Hanging(RecordingPublisher):
        @override
        async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
            assert isinstance(message, MessageEnvelope)
            if message.message_id == "b":
                hanging.set()
                await asyncio.Event().wait()
            await super().publish(topic, message)

    service = OutboxService(storage, Hanging())
    await service.add([packed(item, None) for item in "abc"])
    relaying = asyncio.create_task(service.process_batch())
    await hanging.wait()
    relaying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await relaying
    left = await storage.lease(10, hold=HOLD)
    assert [(message.message_id, message.attempts) for message in left] == [("b", 0), ("c", 0)]


async def test_a_cancellation_is_not_lost_behind_a_storage_that_fails(store: InMemoryStore) -> None:
    hanging = asyncio.Event()

    class Hanging(RecordingPublisher):
        @override
        async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
            hanging.set()
            await asyncio.Event().wait()

    class Broken(InMemoryOutboxStorage):
        @override
        async def release(self, messages: Sequence[OutboxMessage]) -> None:
            raise ConnectionError("the database is away")

    service = OutboxService(Broken(store), Hanging())
    await service.add([packed("a")])
    relaying = asyncio.create_task(service.process_batch())
    await hanging.wait()
    relaying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await relaying


async def test_a_publisher_that_hangs_is_given_up_while_the_lease_can_still_be_settled(
    storage: InMemoryOutboxStorage,
) -> None:
    class Hanging(RecordingPublisher):
        @override
        async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
            await asyncio.Event().wait()

    service = OutboxService(storage, Hanging(), hold=timedelta(milliseconds=80))
    await service.add([packed("a", "1"), packed("b", "2")])
    batch = await service.relay()
    # The first took all the time there was. The second is given back untried.
    assert (batch.leased, batch.published, batch.failed) == (2, 0, 1)


async def test_a_lease_that_ran_out_is_reported(
    clock: VirtualClock, storage: InMemoryOutboxStorage, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(RecordingPublisher):
        @override
        async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
            clock.advance(HOLD)
            await storage.lease(1, hold=HOLD)  # another relay takes it
            await super().publish(topic, message)

    service = OutboxService(storage, Slow(), hold=HOLD)
    await service.add([packed("a")])
    await service.process_batch()
    assert "whose lease had run out" in caplog.text


async def test_a_batch_publisher_that_fails_as_a_whole_fails_the_first_of_each_key(
    storage: InMemoryOutboxStorage,
) -> None:
    class Broken(RecordingPublisher):
        async def publish_batch(
            self, messages: Sequence[tuple[str, MessageEnvelope]], /
        ) -> Sequence[BaseException | None]:
            raise ConnectionError("down")

    service = OutboxService(storage, Broken())
    await service.add([packed("a1", "a"), packed("a2", "a"), packed("b1", "b"), packed("x", None), packed("y", None)])
    batch = await service.relay()
    assert (batch.leased, batch.published, batch.failed) == (5, 0, 4)


async def test_a_batch_publisher_that_forgets_an_answer_publishes_nothing_for_certain(
    storage: InMemoryOutboxStorage,
) -> None:
    class Forgetful(RecordingPublisher):
        async def publish_batch(
            self, messages: Sequence[tuple[str, MessageEnvelope]], /
        ) -> Sequence[BaseException | None]:
            return [None]

    service = OutboxService(storage, Forgetful(), max_retries=0)
    await service.add([packed("a", None), packed("b", None)])
    assert await service.process_batch() == 0
    [dead, _other] = await service.dead_letters()
    assert dead.last_error == "OutboxError: Forgetful.publish_batch gave 1 answers for 2 messages."


# ---------------------------------------------------------------- several relays


@pytest.mark.parametrize("with_lock", [False, True], ids=["leases", "leases and a lock"])
async def test_many_relays_on_one_outbox_publish_everything_once_and_each_key_in_order(
    store: InMemoryStore, storage: InMemoryOutboxStorage, with_lock: bool
) -> None:
    chance = random.Random(7)
    published: dict[str, list[int]] = defaultdict(list)

    class Flaky(RecordingPublisher):
        @override
        async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
            assert isinstance(message, MessageEnvelope)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            if chance.random() < 0.2:
                raise ConnectionError("flaky")
            published[message.key or ""].append(int(message.payload["item"]))

    locks = InMemoryLockStrategy(store) if with_lock else None
    relays = [
        OutboxService(storage, Flaky(), locks, base_delay=0.001, max_delay=0.002, max_retries=1000) for _ in range(4)
    ]
    await relays[0].add([packed(f"{number}", f"order-{number % 7}") for number in range(200)])

    async def run(relay: OutboxService) -> None:
        while (await storage.statistics()).pending:
            await relay.relay(chance.randrange(1, 20))
            await asyncio.sleep(0)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for relay in relays:
            group.create_task(run(relay))
    assert published == {f"order-{key}": list(range(key, 200, 7)) for key in range(7)}


async def test_with_a_lock_only_one_relay_works_at_a_time(store: InMemoryStore, storage: InMemoryOutboxStorage) -> None:
    locks = InMemoryLockStrategy(store)
    service = OutboxService(storage, RecordingPublisher(), locks, name="orders")
    await service.add([packed("a")])
    other = await locks.acquire(ResourceIdentifier("Outbox", "orders"))
    batch = await service.relay()
    assert batch.locked_out
    assert batch.leased == 0
    await locks.release(other)
    assert await service.process_batch() == 1
    assert await locks.get_active_locks() == []


async def test_a_lock_service_that_is_down_does_not_stop_the_outbox(
    storage: InMemoryOutboxStorage, caplog: pytest.LogCaptureFixture
) -> None:
    class Down(InMemoryLockStrategy):
        @override
        async def acquire(self, resource: ResourceIdentifier, **_: Any) -> Any:
            raise ConnectionError("redis is away")

    publisher = RecordingPublisher()
    service = OutboxService(storage, publisher, Down())
    await service.add([packed("a")])
    assert await service.process_batch() == 1
    await service.process_batch()
    assert caplog.text.count("relays without its lock") == 1


# ---------------------------------------------------------------- hooks and arguments


async def test_hooks_see_batches_publishing_saving_and_deaths(storage: InMemoryOutboxStorage) -> None:
    service = OutboxService(storage, Choosy("bad"), max_retries=0)
    with record_operations("outbox.*", "publisher.*") as recorder:
        await service.add([packed("good"), packed("bad", "other")])
        await service.process_batch(10)
        await asyncio.sleep(0)
    assert recorder.names == [
        "outbox.save_events",
        "publisher.publish.outbox.ItemPacked",
        "publisher.publish.outbox.ItemPacked",
        "outbox.process_batch",
        "outbox.dead.outbox.ItemPacked",
    ]
    assert recorder.operations[0].attributes == {"outbox.event_count": 2}
    assert recorder.operations[3].attributes == {"outbox.batch_size": 10, "outbox.name": "outbox"}


async def test_hooks_see_a_batch_publisher(storage: InMemoryOutboxStorage) -> None:
    service = OutboxService(storage, ChoosyInBatches())
    await service.add([packed("a"), packed("b")])
    with record_operations("publisher.*") as recorder:
        await service.process_batch()
    assert [(each.name, each.attributes) for each in recorder.operations] == [
        ("publisher.publish_batch", {"message.count": 2})
    ]


async def test_logs_hold_no_payload(
    clock: VirtualClock, storage: InMemoryOutboxStorage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service = OutboxService(storage, RecordingPublisher(fail_with=ConnectionError("down")), max_retries=1)
    await service.add([ItemPacked(item="s3cret")])
    await service.process_batch()
    clock.advance(10)
    await service.process_batch()
    assert len(caplog.records) == 2
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda storage: OutboxService("outbox", storage), "storage is an outbox storage"),  # type: ignore[arg-type]
        (lambda storage: OutboxService(storage, "kafka"), "publisher is an object with publish"),  # type: ignore[arg-type]
        (lambda storage: OutboxService(storage, RecordingPublisher(), max_retries=-1), "max_retries is 0 or more"),
        (lambda storage: OutboxService(storage, RecordingPublisher(), hold=timedelta(0)), "hold a time above 0"),
        (lambda storage: OutboxService(storage, RecordingPublisher(), base_delay=0), "0 < base_delay"),
        (lambda storage: OutboxService(storage, RecordingPublisher(), max_delay=0.1), "base_delay <= max_delay"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    storage: InMemoryOutboxStorage, make: Callable[[Any], Any], words: str
) -> None:
    with pytest.raises(OutboxError, match=words):
        make(storage)
