"""Snapshots are taken after the commit, from events alone, and say what a full replay says."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from cqrs_ddd_advanced_core.event_sourcing import EventSourcedAggregate, EventSourcedLoader, EventSourcedMediator
from cqrs_ddd_advanced_core.snapshots import (
    AfterTimeStrategy,
    EveryNEventsStrategy,
    ISnapshotStrategy,
    JSONSnapshotSerializer,
    OnEventsStrategy,
    ReplayCostStrategy,
    Snapshotter,
    SnapshotWorker,
)
from cqrs_ddd_core import DomainEvent, HandlerRegistry, InMemoryStore, ValueObject
from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemorySnapshotStore
from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.cqrs import EventSerializer
from cqrs_ddd_core.domain.aggregate import unsaved_events
from cqrs_ddd_core.ports import Snapshot
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, SerializationError, UnstorableStateError
from cqrs_ddd_core.testing import VirtualClock


class Sum(ValueObject):
    amount: Decimal
    currency: str = "EUR"


class SafeFilled(DomainEvent):
    sum: Sum
    by: UUID


class SafeTouched(DomainEvent):
    at: datetime
    note: str | None = None


class SafeEmptied(DomainEvent):
    pass


class Safe(EventSourcedAggregate[str]):
    sums: dict[str, Sum] = Field(default_factory=dict[str, Sum])
    holders: set[UUID] = Field(default_factory=set[UUID])
    touched: list[tuple[datetime, str | None]] = Field(default_factory=list[tuple[datetime, str | None]])
    last: datetime | None = None
    extra: dict[str, Any] = Field(default_factory=dict[str, Any])

    def apply_safe_filled(self, event: SafeFilled) -> None:
        known = self.sums.get(event.sum.currency)
        total = event.sum.amount + (known.amount if known else Decimal())
        self.sums[event.sum.currency] = Sum(amount=total, currency=event.sum.currency)
        self.holders.add(event.by)

    def apply_safe_touched(self, event: SafeTouched) -> None:
        self.touched.append((event.at, event.note))
        self.last = event.at
        self.extra[f"v{self.version}"] = event.at

    def apply_safe_emptied(self, event: SafeEmptied) -> None:
        self.sums.clear()
        self.holders.clear()


@pytest.fixture
def database() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def event_store(database: InMemoryStore) -> InMemoryEventStore:
    return InMemoryEventStore(database)


@pytest.fixture
def snapshot_store(database: InMemoryStore) -> InMemorySnapshotStore:
    return InMemorySnapshotStore(database)


type Make = Callable[..., EventSourcedMediator]


@pytest.fixture
def make(event_store: InMemoryEventStore, snapshot_store: InMemorySnapshotStore) -> Make:
    def make(strategy: ISnapshotStrategy, **arguments: Any) -> EventSourcedMediator:
        return EventSourcedMediator(
            HandlerRegistry(), event_store, arguments.pop("snapshot_store", snapshot_store), strategy, **arguments
        )

    return make


async def _empty(mediator: EventSourcedMediator, times: int = 1, safe_id: str = "s") -> None:
    """Empty the safe, as often as told, in one transaction."""
    safe = await mediator.load(safe_id, aggregate_cls=Safe)
    for _ in range(times):
        safe.add_event(SafeEmptied())
    await mediator.save(safe)


async def _begin(mediator: EventSourcedMediator, safe_id: str = "s", times: int = 1) -> None:
    safe = Safe.begin(safe_id)
    for _ in range(times):
        safe.add_event(SafeEmptied())
    await mediator.save(safe)


async def _version(snapshot_store: InMemorySnapshotStore, safe_id: str = "s") -> int:
    snapshot = await snapshot_store.latest("Safe", safe_id)
    return 0 if snapshot is None else snapshot.version


# ------------------------------------------------------------------ the same as a full replay

_times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_events: st.SearchStrategy[DomainEvent] = st.one_of(
    st.builds(
        SafeFilled,
        sum=st.builds(
            Sum,
            amount=st.decimals(-1000, 1000, places=2),
            currency=st.sampled_from(["EUR", "USD", "€"]),
        ),
        by=st.uuids(),
    ),
    st.builds(SafeTouched, at=_times, note=st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"))),
    st.builds(SafeEmptied),
)


@settings(max_examples=60)
@given(events=st.lists(_events, min_size=1, max_size=12))
async def test_a_snapshot_and_the_later_events_are_a_full_replay_at_every_version(events: list[DomainEvent]) -> None:
    database = InMemoryStore()
    event_store, snapshot_store = InMemoryEventStore(database), InMemorySnapshotStore(database)
    safe = Safe.begin("s")
    for event in events:
        safe.add_event(event)
    serializer = EventSerializer()
    await event_store.append([serializer.to_stored(event) for event in unsaved_events(safe)], expected_version=0)
    replaying = EventSourcedLoader(Safe, event_store)
    using = EventSourcedLoader(Safe, event_store, snapshot_store)
    snapshots = JSONSnapshotSerializer()
    full = [await replaying.load("s", at=version) for version in range(1, len(events) + 1)]
    assert full[-1] is not None
    assert {**full[-1].__dict__} == {**safe.__dict__}
    for taken_at in range(1, len(events) + 1):
        taken = full[taken_at - 1]
        assert taken is not None
        await snapshot_store.save(
            Snapshot(
                aggregate_type="Safe",
                aggregate_id="s",
                version=taken_at,
                state=snapshots.dump(taken),
                fingerprint=snapshots.fingerprint(Safe),
            )
        )
        for version in range(taken_at, len(events) + 1):
            rebuilt = await using.rebuild("s", from_version=taken_at, at=version)
            assert rebuilt is not None
            assert (rebuilt.facts.snapshot_version, rebuilt.facts.replayed) == (taken_at, version - taken_at)
            assert rebuilt.aggregate == full[version - 1]


# ------------------------------------------------------------------ when


async def test_a_command_with_several_events_does_not_jump_over_the_moment(
    make: Make, snapshot_store: InMemorySnapshotStore
) -> None:
    mediator = make(EveryNEventsStrategy(5))
    await _begin(mediator, times=4)
    assert await _version(snapshot_store) == 0
    await _empty(mediator, 3)
    assert await _version(snapshot_store) == 7
    await _empty(mediator, 4)
    assert await _version(snapshot_store) == 7
    await _empty(mediator, 1)
    assert await _version(snapshot_store) == 12


async def test_a_snapshot_after_a_time(make: Make, snapshot_store: InMemorySnapshotStore, clock: VirtualClock) -> None:
    mediator = make(AfterTimeStrategy(timedelta(hours=1)))
    await _begin(mediator)
    clock.advance(timedelta(minutes=50))
    await _empty(mediator)
    assert await _version(snapshot_store) == 0
    clock.advance(timedelta(minutes=10))
    await _empty(mediator)
    assert await _version(snapshot_store) == 3
    clock.advance(timedelta(minutes=59))
    await _empty(mediator)
    assert await _version(snapshot_store) == 3
    clock.advance(timedelta(minutes=1))
    await _empty(mediator)
    assert await _version(snapshot_store) == 5


async def test_a_snapshot_on_events(make: Make, snapshot_store: InMemorySnapshotStore) -> None:
    mediator = make(OnEventsStrategy(SafeEmptied))
    safe = Safe.begin("s")
    safe.add_event(SafeTouched(at=datetime(2026, 1, 1, tzinfo=UTC)))
    await mediator.save(safe)
    assert await _version(snapshot_store) == 0
    safe.add_event(SafeEmptied())
    await mediator.save(safe)
    assert await _version(snapshot_store) == 2


async def test_a_snapshot_when_loading_is_slow(make: Make, snapshot_store: InMemorySnapshotStore) -> None:
    mediator = make(ReplayCostStrategy(1e-9, min_events=3))
    await _begin(mediator, times=2)
    await _empty(mediator)
    assert await _version(snapshot_store) == 0
    await _empty(mediator)
    assert await _version(snapshot_store) == 4


async def test_an_object_that_is_saved_again_and_again_is_due_as_seldom_as_others(
    make: Make, snapshot_store: InMemorySnapshotStore
) -> None:
    mediator = make(EveryNEventsStrategy(3))
    safe = Safe.begin("s")
    versions: list[int] = []
    for _ in range(8):
        safe.add_event(SafeEmptied())
        await mediator.save(safe)
        versions.append(await _version(snapshot_store))
    assert versions == [0, 0, 3, 3, 3, 6, 6, 6]


async def test_only_the_newest_are_kept(make: Make, database: InMemoryStore) -> None:
    mediator = make(EveryNEventsStrategy(1))
    await _begin(mediator)
    for _ in range(4):
        await _empty(mediator)
    [table] = [name for name in database.tables if name.startswith("snapshots.")]
    assert set(database.tables[table]) == {4, 5}


# ------------------------------------------------------------------ away from the command


class _Failing(InMemorySnapshotStore):
    async def save(self, snapshot: Snapshot) -> None:
        raise OSError("the disk is full")


async def test_a_snapshot_that_fails_fails_no_command(
    make: Make, database: InMemoryStore, snapshot_store: InMemorySnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    mediator = make(EveryNEventsStrategy(1), snapshot_store=_Failing(database))
    with caplog.at_level(logging.ERROR):
        await _begin(mediator)
    assert "the disk is full" in caplog.text
    assert (await mediator.load("s")).version == 1
    await _empty(make(EveryNEventsStrategy(2)))
    assert await _version(snapshot_store) == 2


async def test_a_command_that_is_rolled_back_leads_to_no_snapshot(
    make: Make, snapshot_store: InMemorySnapshotStore
) -> None:
    mediator = make(EveryNEventsStrategy(1))
    async with mediator._open_equipped() as uow:
        safe = Safe.begin("s")
        safe.add_event(SafeEmptied())
        await uow.repository(Safe).add(safe)
        await uow.flush()
        await uow.rollback()
    assert await _version(snapshot_store) == 0


class PurseStirred(DomainEvent):
    pass


class Impure(EventSourcedAggregate[str]):
    """Keeps something that no JSON can say."""

    thing: Any = None

    def apply_purse_stirred(self, event: PurseStirred) -> None:
        self.thing = object()


async def test_a_state_that_cannot_be_kept_is_refused_by_name(
    event_store: InMemoryEventStore, snapshot_store: InMemorySnapshotStore
) -> None:
    mediator = EventSourcedMediator(HandlerRegistry(), event_store, validate=False)
    impure = Impure.begin("i")
    impure.add_event(PurseStirred())
    await mediator.save(impure)
    snapshotter = Snapshotter(snapshot_store, EveryNEventsStrategy(1), JSONSnapshotSerializer())
    with pytest.raises(UnstorableStateError, match=r"Impure\.thing"):
        await snapshotter.take(mediator.sourcing.loader(Impure), "i")


async def test_a_snapshot_is_taken_of_the_events_and_not_of_the_object(
    make: Make, snapshot_store: InMemorySnapshotStore
) -> None:
    mediator = make(EveryNEventsStrategy(1))
    safe = Safe.begin("s")
    safe.add_event(SafeEmptied())
    safe.extra["not from an event"] = True
    await mediator.save(safe)
    snapshot = await snapshot_store.latest("Safe", "s")
    assert snapshot is not None
    assert snapshot.state["extra"] == {}


async def test_taking_one_says_what_came_of_it(make: Make, snapshot_store: InMemorySnapshotStore) -> None:
    mediator = make(EveryNEventsStrategy(100))
    snapshotter = mediator.sourcing.snapshotter
    assert snapshotter is not None
    loader = mediator.sourcing.loader(Safe)
    assert await snapshotter.take(loader, "s") is None
    await _begin(mediator)
    taken = await snapshotter.take(loader, "s")
    assert taken is not None
    assert taken.version == 1
    assert await snapshotter.take(loader, "s") is None, "nothing has come since"


def test_senseless_settings_are_refused(snapshot_store: InMemorySnapshotStore) -> None:
    with pytest.raises(ConfigurationError, match="keep_latest is a number of snapshots from 1"):
        Snapshotter(snapshot_store, EveryNEventsStrategy(1), JSONSnapshotSerializer(), keep_latest=0)
    with pytest.raises(ConfigurationError, match="max_waiting is a number of aggregates from 1"):
        SnapshotWorker(max_waiting=0)


# ------------------------------------------------------------------ in a worker


async def test_a_worker_takes_them_in_the_tenant_in_which_they_became_due(
    make: Make, snapshot_store: InMemorySnapshotStore, until: Callable[..., Awaitable[None]]
) -> None:
    worker = SnapshotWorker()
    mediator = make(EveryNEventsStrategy(1), snapshot_worker=worker)
    with with_tenant_context("acme"):
        await _begin(mediator)
        await _empty(mediator)
        assert await _version(snapshot_store) == 0
    assert worker.waiting == 1
    async with worker:
        await until(lambda: worker.waiting == 0)
    assert await _version(snapshot_store) == 0
    with with_tenant_context("acme"):
        assert await _version(snapshot_store) == 2


async def test_a_worker_goes_on_after_one_that_failed(
    make: Make, database: InMemoryStore, snapshot_store: InMemorySnapshotStore, until: Callable[..., Awaitable[None]]
) -> None:
    worker = SnapshotWorker()
    await _begin(make(EveryNEventsStrategy(1), snapshot_store=_Failing(database), snapshot_worker=worker), "bad")
    await _begin(make(EveryNEventsStrategy(1), snapshot_worker=worker), "good")
    async with worker:
        await until(lambda: worker.waiting == 0)
    assert await _version(snapshot_store, "good") == 1


async def test_a_worker_forgets_the_oldest_when_too_many_wait(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    worker = SnapshotWorker(max_waiting=2)
    mediator = make(EveryNEventsStrategy(1), snapshot_worker=worker)
    for safe_id in ("a", "b", "c"):
        await _begin(mediator, safe_id)
    assert worker.waiting == 2
    assert "Safe 'a' is forgotten until its next event" in caplog.text


async def test_serializers_refuse_what_does_not_fit() -> None:
    with pytest.raises(SerializationError):
        JSONSnapshotSerializer().load(Safe, {"id": "s", "unknown": 1}, 1)
