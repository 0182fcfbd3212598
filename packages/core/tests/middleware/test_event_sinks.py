"""Events into the event store and the outbox, in the commit of the command."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, ClassVar, override

import pytest
from pydantic import Field

from cqrs_ddd_core import (
    AggregateRoot,
    Command,
    CommandResponse,
    DomainEvent,
    InMemoryStore,
    InMemoryUnitOfWork,
    get_current_uow,
)
from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemoryOutboxStorage
from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.outbox import BufferedOutbox, OutboxService
from cqrs_ddd_core.cqrs.publishers import route_to
from cqrs_ddd_core.middleware import EventStorePersistenceMiddleware, OutboxMiddleware
from cqrs_ddd_core.ports.outbox import OutboxMessage
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import EventStoreError, PipelineError
from cqrs_ddd_core.testing import RecordingPublisher

type Until = Callable[[Callable[[], Any]], Awaitable[None]]


class Sown(DomainEvent):
    event_type = "sinks.Sown"

    seed: str


@route_to("kitchen")
class Harvested(DomainEvent):
    event_type = "sinks.Harvested"


class Bed(AggregateRoot[str]):
    collection_name = "sink_beds"

    seeds: list[str] = Field(default_factory=list)

    def sow(self, seed: str) -> None:
        self.seeds.append(seed)
        self.add_event(Sown(seed=seed))

    def harvest(self) -> None:
        self.seeds.clear()
        self.add_event(Harvested())


class Sow(Command[str]):
    bed: str
    seed: str = "leek"


class Garden(Command[str]):
    """Sows by nested commands, and by itself in between."""


async def bed_of(name: str) -> Bed:
    beds = get_current_uow().sink_beds
    bed = await beds.get(name)
    if bed is None:
        bed = Bed(id=name)
        await beds.add(bed)
    return bed  # type: ignore[no-any-return]


async def sow(command: Sow) -> str:
    (await bed_of(command.bed)).sow(command.seed)
    return command.seed


async def pending(storage: InMemoryOutboxStorage) -> list[OutboxMessage]:
    messages = list(await storage.lease(1000, hold=timedelta(seconds=30)))
    await storage.release(messages)
    return messages


@pytest.fixture
def events(store: InMemoryStore) -> InMemoryEventStore:
    return InMemoryEventStore(store)


@pytest.fixture
def outbox(store: InMemoryStore) -> InMemoryOutboxStorage:
    return InMemoryOutboxStorage(store)


# ---------------------------------------------------------------- what is written


async def test_events_are_stored_and_put_into_the_outbox_complete(
    mediate: Any, events: InMemoryEventStore, outbox: InMemoryOutboxStorage
) -> None:
    mediator = mediate({Sow: sow}, EventStorePersistenceMiddleware(events), OutboxMiddleware(outbox))
    command = Sow(bed="a", correlation_id="c-1")
    with with_tenant_context("acme"):
        response = await mediator.send(command)
        [stored] = await events.read_stream("Bed", "a")
    [message] = await pending(outbox)
    # The ids are filled in before anything stores or publishes the event.
    for record in (stored, message.envelope):
        assert (record.correlation_id, record.causation_id, record.tenant_id) == ("c-1", command.command_id, "acme")
    assert (stored.version, message.envelope.aggregate_version, message.envelope.key) == (1, 1, "a")
    assert message.topic == "sinks.Sown"
    assert [EventSerializer().from_stored(stored)] == response.events
    assert [EventSerializer().from_envelope(message.envelope)] == response.events


async def test_events_that_a_handler_forgot_to_return_are_written(mediate: Any, events: InMemoryEventStore) -> None:
    await mediate({Sow: sow}, EventStorePersistenceMiddleware(events)).send(Sow(bed="a"))
    assert len(await events.read_all()) == 1


async def test_the_destination_of_a_class_is_the_topic(mediate: Any, outbox: InMemoryOutboxStorage) -> None:
    async def harvest(command: Sow) -> str:
        (await bed_of(command.bed)).harvest()
        return ""

    await mediate({Sow: harvest}, OutboxMiddleware(outbox)).send(Sow(bed="a"))
    assert [message.topic for message in await pending(outbox)] == ["kitchen"]


async def test_a_command_that_fails_writes_nothing(
    mediate: Any, events: InMemoryEventStore, outbox: InMemoryOutboxStorage
) -> None:
    async def fail_late(command: Sow) -> CommandResponse[str]:
        bed = await bed_of(command.bed)
        bed.sow("leek")
        await mediator.send(Garden())
        raise ValueError("frost")

    async def garden(command: Garden) -> str:
        (await bed_of("b")).sow("kale")
        return ""

    mediator = mediate(
        {Sow: fail_late, Garden: garden}, EventStorePersistenceMiddleware(events), OutboxMiddleware(outbox)
    )
    with pytest.raises(ValueError, match="frost"):
        await mediator.send(Sow(bed="a"))
    assert await events.read_all() == []
    assert await pending(outbox) == []


async def test_events_of_several_aggregates_are_appended_together(mediate: Any, store: InMemoryStore) -> None:
    batches: list[list[str]] = []

    class Watched(InMemoryEventStore):
        @override
        async def append_batch(self, appends: Any) -> Any:
            batches.append([append.events[0].aggregate_id for append in appends])
            return await super().append_batch(appends)

    async def garden(command: Garden) -> str:
        first, second = await bed_of("a"), await bed_of("b")
        first.sow("leek")
        second.sow("kale")
        first.sow("chard")
        return ""

    await mediate({Garden: garden}, EventStorePersistenceMiddleware(Watched(store))).send(Garden())
    assert batches == [["a", "b"]]
    assert [event.payload["seed"] for event in await Watched(store).read_stream("Bed", "a")] == ["leek", "chard"]


async def test_events_of_nested_commands_keep_their_order(
    mediate: Any, events: InMemoryEventStore, outbox: InMemoryOutboxStorage
) -> None:
    """The outer handler emits before, between and after nested commands on the same aggregate."""

    async def garden(command: Garden) -> str:
        bed = await bed_of("a")
        bed.sow("1")
        await mediator.send(Sow(bed="a", seed="2"))
        bed.sow("3")
        await mediator.send(Sow(bed="a", seed="4"))
        bed.sow("5")
        return ""

    mediator = mediate({Sow: sow, Garden: garden}, EventStorePersistenceMiddleware(events), OutboxMiddleware(outbox))
    await mediator.send(Garden())
    assert [(event.version, event.payload["seed"]) for event in await events.read_stream("Bed", "a")] == [
        (number, f"{number}") for number in range(1, 6)
    ]
    assert [message.envelope.payload["seed"] for message in await pending(outbox)] == ["1", "2", "3", "4", "5"]


async def test_a_nested_command_that_fails_and_is_caught_leaves_no_events(
    mediate: Any, events: InMemoryEventStore, outbox: InMemoryOutboxStorage
) -> None:
    async def sow_and_fail(command: Sow) -> str:
        await sow(command)
        raise ValueError("slugs")

    async def garden(command: Garden) -> str:
        bed = await bed_of("a")
        bed.sow("mine")
        with pytest.raises(ValueError, match="slugs"):
            await mediator.send(Sow(bed="a", seed="lost"))
        bed.sow("mine too")
        return ""

    mediator = mediate(
        {Sow: sow_and_fail, Garden: garden}, EventStorePersistenceMiddleware(events), OutboxMiddleware(outbox)
    )
    await mediator.send(Garden())
    assert [(event.version, event.payload["seed"]) for event in await events.read_stream("Bed", "a")] == [
        (1, "mine"),
        (2, "mine too"),
    ]
    assert [message.envelope.payload["seed"] for message in await pending(outbox)] == ["mine", "mine too"]


async def test_an_event_that_belongs_to_no_aggregate_fails_the_command(
    mediate: Any, events: InMemoryEventStore
) -> None:
    async def homeless(command: Sow) -> CommandResponse[str]:
        return CommandResponse(result="", events=[Sown(seed="x")])

    with pytest.raises(EventStoreError, match="belongs to no stream"):
        await mediate({Sow: homeless}, EventStorePersistenceMiddleware(events)).send(Sow(bed="a"))


async def test_an_event_that_belongs_to_no_aggregate_can_be_published(
    mediate: Any, outbox: InMemoryOutboxStorage
) -> None:
    async def homeless(command: Sow) -> CommandResponse[str]:
        return CommandResponse(result="", events=[Sown(seed="x")])

    await mediate({Sow: homeless}, OutboxMiddleware(outbox)).send(Sow(bed="a"))
    assert [message.key for message in await pending(outbox)] == [None]


async def test_state_events_and_outbox_agree_under_random_failures(
    mediate: Any, store: InMemoryStore, events: InMemoryEventStore, outbox: InMemoryOutboxStorage
) -> None:
    chance = random.Random(11)

    async def flaky(command: Sow) -> str:
        bed = await bed_of(command.bed)
        await asyncio.sleep(0)
        bed.sow(command.seed)
        if chance.random() < 0.3:
            raise ValueError("frost")
        return ""

    mediator = mediate({Sow: flaky}, EventStorePersistenceMiddleware(events), OutboxMiddleware(outbox))
    results = await asyncio.gather(
        *(mediator.send(Sow(bed=f"{number % 40}", seed=f"{number}")) for number in range(300)), return_exceptions=True
    )
    successes = sum(not isinstance(result, BaseException) for result in results)
    assert 0 < successes < 300
    async with InMemoryUnitOfWork(store) as uow:
        beds = {bed.id: bed for bed in await uow.sink_beds.list_all()}
    assert sum(len(bed.seeds) for bed in beds.values()) == successes
    assert len(await events.read_all()) == len(await pending(outbox)) == successes
    for name, bed in beds.items():
        stream = await events.read_stream("Bed", name)
        assert [event.payload["seed"] for event in stream] == bed.seeds
        assert [event.version for event in stream] == list(range(1, len(stream) + 1))


# ---------------------------------------------------------------- how they are wired


@pytest.mark.parametrize(
    "make", [lambda storage: storage, lambda storage: OutboxService(storage, RecordingPublisher())]
)
async def test_an_outbox_may_be_a_storage_or_a_service(mediate: Any, outbox: InMemoryOutboxStorage, make: Any) -> None:
    await mediate({Sow: sow}, OutboxMiddleware(make(outbox))).send(Sow(bed="a"))
    assert len(await pending(outbox)) == 1


async def test_a_buffered_outbox_relays_after_the_commit(
    mediate: Any, until: Until, outbox: InMemoryOutboxStorage
) -> None:
    publisher = RecordingPublisher()
    buffered = BufferedOutbox(storage=outbox, broker=publisher, poll_interval=3600)
    async with buffered:
        await mediate({Sow: sow}, OutboxMiddleware(buffered)).send(Sow(bed="a"))
        await until(lambda: publisher.messages)
    assert publisher.topics == ["sinks.Sown"]


@pytest.mark.parametrize(
    "middleware",
    [
        lambda: EventStorePersistenceMiddleware(InMemoryEventStore(InMemoryStore())),
        lambda: OutboxMiddleware(InMemoryOutboxStorage(InMemoryStore())),
        lambda: OutboxMiddleware(BufferedOutbox(InMemoryOutboxStorage(InMemoryStore()), RecordingPublisher())),
    ],
    ids=["event store", "outbox storage", "buffered outbox"],
)
async def test_a_store_outside_of_the_transaction_is_refused(
    mediate: Any, store: InMemoryStore, middleware: Any
) -> None:
    mediator = mediate({Sow: sow}, middleware())
    with pytest.raises(PipelineError, match="does not write in the transaction of InMemoryUnitOfWork"):
        await mediator.send(Sow(bed="a"))
    async with InMemoryUnitOfWork(store) as uow:
        assert await uow.sink_beds.list_all() == []


async def test_a_store_that_cannot_say_whether_it_takes_part_is_refused(mediate: Any, store: InMemoryStore) -> None:
    class Silent(InMemoryEventStore):
        joins = None  # type: ignore[assignment]

    with pytest.raises(PipelineError, match=r"Silent does not say .* Give it a method joins\(uow\)"):
        await mediate({Sow: sow}, EventStorePersistenceMiddleware(Silent(store))).send(Sow(bed="a"))


async def test_a_store_decides_for_each_unit_of_work(mediate: Any, store: InMemoryStore) -> None:
    class Asked(InMemoryEventStore):
        asked: ClassVar[list[UnitOfWork]] = []

        @override
        def joins(self, uow: UnitOfWork, /) -> bool:
            self.asked.append(uow)
            return super().joins(uow)

    mediator = mediate({Sow: sow}, EventStorePersistenceMiddleware(Asked(store)))
    await mediator.send(Sow(bed="a"))
    await mediator.send(Sow(bed="a"))
    assert len({id(uow) for uow in Asked.asked}) == 2


@pytest.mark.parametrize("outbox_argument", [RecordingPublisher(), "outbox", None])
def test_what_is_no_outbox_is_refused(outbox_argument: Any) -> None:
    with pytest.raises(PipelineError, match="OutboxMiddleware takes a BufferedOutbox, an OutboxService or an outbox"):
        OutboxMiddleware(outbox_argument)
