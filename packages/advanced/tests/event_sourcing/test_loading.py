"""Loading: from snapshots and events, as of now or of the past, and what cannot be read."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID, uuid4

import pytest
from pydantic import Field

from cqrs_ddd_advanced_core.event_sourcing import EventSourcedAggregate, EventSourcedLoader
from cqrs_ddd_advanced_core.snapshots import JSONSnapshotSerializer
from cqrs_ddd_advanced_core.upcasting import EventUpcaster, UpcasterRegistry
from cqrs_ddd_core import AggregateRoot, DomainEvent, InMemoryStore
from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemorySnapshotStore
from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.cqrs import EventSerializer
from cqrs_ddd_core.domain.aggregate import unsaved_events
from cqrs_ddd_core.ports import IEventStore, Snapshot, StoredEvent
from cqrs_ddd_core.primitives.exceptions import (
    EventHandlerError,
    EventStoreError,
    InvalidEventHandlerError,
    InvalidPayloadError,
    MissingEventHandlerError,
    ReplayError,
    UnknownTypeError,
    UnknownVersionError,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class TankBuilt(DomainEvent):
    litres: int


class TankFilled(DomainEvent):
    litres: int


class TankMended(DomainEvent):
    version: int = 2
    by: str = "nobody"


class TankStolen(DomainEvent):
    pass


class TankRattled(DomainEvent):
    pass


class TankBurst(DomainEvent):
    pass


class Tank(EventSourcedAggregate[str]):
    size: int
    level: int = 0
    mended_by: list[str] = Field(default_factory=list[str])
    _derived: int = 0

    @classmethod
    def build(cls, tank_id: str, litres: int) -> Self:
        tank = cls.begin(tank_id)
        tank.add_event(TankBuilt(litres=litres, occurred_at=NOON))
        return tank

    def model_post_init(self, context: Any, /) -> None:
        self._derived = self.size * 2

    def apply_TankBuilt(self, event: TankBuilt) -> None:
        self.size = event.litres

    def apply_TankFilled(self, event: TankFilled) -> None:
        self.level += event.litres

    def apply_TankMended(self, event: TankMended) -> None:
        self.mended_by.append(event.by)

    def apply_TankRattled(self, event: TankRattled) -> None:
        AggregateRoot.add_event(self, TankFilled(litres=1))

    def apply_TankBurst(self, event: TankBurst) -> None:
        raise ZeroDivisionError("all over the place")


@pytest.fixture
def database() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def event_store(database: InMemoryStore) -> InMemoryEventStore:
    return InMemoryEventStore(database)


@pytest.fixture
def snapshot_store(database: InMemoryStore) -> InMemorySnapshotStore:
    return InMemorySnapshotStore(database)


@pytest.fixture
def loader(event_store: InMemoryEventStore, snapshot_store: InMemorySnapshotStore) -> EventSourcedLoader[Tank]:
    return EventSourcedLoader(Tank, event_store, snapshot_store)


async def _append(event_store: IEventStore, tank: AggregateRoot[Any]) -> None:
    events = [EventSerializer().to_stored(event) for event in unsaved_events(tank)]
    await event_store.append(events, expected_version=0)


async def _filled(event_store: IEventStore, times: int = 4) -> Tank:
    """A tank that is filled with one litre every hour after noon."""
    tank = Tank.build("t", 100)
    for hour in range(1, times + 1):
        tank.add_event(TankFilled(litres=1, occurred_at=NOON + timedelta(hours=hour)))
    await _append(event_store, tank)
    return tank


async def _snapshot(snapshot_store: InMemorySnapshotStore, tank: Tank, **changes: Any) -> None:
    serializer = JSONSnapshotSerializer()
    fields: dict[str, Any] = {
        "aggregate_type": "Tank",
        "aggregate_id": tank.id,
        "version": tank.version,
        "state": serializer.dump(tank),
        "fingerprint": serializer.fingerprint(Tank),
        **changes,
    }
    await snapshot_store.save(Snapshot(**fields))


async def test_an_aggregate_is_rebuilt_from_its_events(
    loader: EventSourcedLoader[Tank], event_store: InMemoryEventStore
) -> None:
    await _filled(event_store)
    tank = await loader.load("t")
    assert tank is not None
    assert (tank.size, tank.level, tank.version) == (100, 4, 5)
    assert unsaved_events(tank) == ()
    assert list(tank.__dict__) == list(Tank.model_fields)


async def test_what_the_class_derives_is_there_after_loading(
    loader: EventSourcedLoader[Tank], event_store: InMemoryEventStore
) -> None:
    await _filled(event_store)
    tank = await loader.load("t")
    assert tank is not None
    assert tank._derived == 200


async def test_there_is_none_without_events(loader: EventSourcedLoader[Tank]) -> None:
    assert await loader.load("t") is None
    assert await loader.load("t", from_version=0) is None
    assert await loader.load("t", at=3) is None
    assert await loader.load("t", at=NOON) is None
    assert await loader.history("t") == []


async def test_each_tenant_has_its_own(loader: EventSourcedLoader[Tank], event_store: InMemoryEventStore) -> None:
    with with_tenant_context("acme"):
        await _filled(event_store)
        assert await loader.load("t") is not None
    assert await loader.load("t") is None


async def test_only_the_events_after_the_snapshot_are_applied(
    loader: EventSourcedLoader[Tank], event_store: InMemoryEventStore, snapshot_store: InMemorySnapshotStore
) -> None:
    await _filled(event_store)
    third = await loader.load("t", at=3)
    assert third is not None
    await _snapshot(snapshot_store, third, state={**JSONSnapshotSerializer().dump(third), "level": 1000})
    rebuilt = await loader.rebuild("t")
    assert rebuilt is not None
    assert (rebuilt.aggregate.level, rebuilt.aggregate.version) == (1002, 5)
    assert (rebuilt.facts.snapshot_version, rebuilt.facts.replayed) == (3, 2)
    assert (await loader.load("t", from_version=0)).level == 4  # type: ignore[union-attr]
    assert (await loader.load("t", from_version=2)).level == 4  # type: ignore[union-attr]
    assert (await loader.load("t", from_version=3)).level == 1002  # type: ignore[union-attr]


async def test_states_of_the_past_by_version(
    loader: EventSourcedLoader[Tank], event_store: InMemoryEventStore, snapshot_store: InMemorySnapshotStore
) -> None:
    await _snapshot(snapshot_store, await _filled(event_store))
    for version in range(1, 6):
        tank = await loader.load("t", at=version)
        assert tank is not None
        assert (tank.level, tank.version) == (version - 1, version)
    assert await loader.load("t", at=0) is None
    with pytest.raises(EventStoreError, match="Tank 't' has no version 6: its last event led to version 5"):
        await loader.load("t", at=6)
    with pytest.raises(ValueError, match="at is a version from 0"):
        await loader.load("t", at=-1)
    with pytest.raises(ValueError, match="from_version is a version from 0"):
        await loader.load("t", from_version=-1)


async def test_states_of_the_past_by_time(
    loader: EventSourcedLoader[Tank], event_store: InMemoryEventStore, snapshot_store: InMemorySnapshotStore
) -> None:
    await _snapshot(snapshot_store, await _filled(event_store))
    assert await loader.load("t", at=NOON - timedelta(microseconds=1)) is None
    for minutes, level in ((0, 0), (59, 0), (60, 1), (150, 2), (10_000, 4)):
        tank = await loader.load("t", at=NOON + timedelta(minutes=minutes))
        assert tank is not None
        assert tank.level == level
    with pytest.raises(ValueError, match="zone"):
        await loader.load("t", at=datetime(2026, 5, 1, 12))  # noqa: DTZ001


@pytest.mark.parametrize("fingerprint", ["", "json-1:other"])
async def test_a_snapshot_of_another_shape_is_ignored(
    loader: EventSourcedLoader[Tank],
    event_store: InMemoryEventStore,
    snapshot_store: InMemorySnapshotStore,
    fingerprint: str,
) -> None:
    tank = await _filled(event_store)
    await _snapshot(snapshot_store, tank, fingerprint=fingerprint, state={"unknown": 1})
    rebuilt = await loader.rebuild("t")
    assert rebuilt is not None
    assert (rebuilt.facts.snapshot_version, rebuilt.aggregate.level) == (0, 4)


async def test_a_snapshot_that_cannot_be_read_is_ignored_and_logged(
    loader: EventSourcedLoader[Tank],
    event_store: InMemoryEventStore,
    snapshot_store: InMemorySnapshotStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await _snapshot(snapshot_store, await _filled(event_store), state={"unknown": 1})
    with caplog.at_level(logging.WARNING):
        tank = await loader.load("t")
    assert tank is not None
    assert tank.level == 4
    assert "cannot be read and is ignored" in caplog.text


async def test_a_snapshot_ahead_of_its_stream_is_ignored_and_logged(
    loader: EventSourcedLoader[Tank],
    event_store: InMemoryEventStore,
    snapshot_store: InMemorySnapshotStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As after a backup of the events was restored, but not of the snapshots."""
    await _snapshot(snapshot_store, await _filled(event_store), version=9)
    with caplog.at_level(logging.WARNING):
        tank = await loader.load("t")
    assert tank is not None
    assert tank.version == 5
    assert "no such event: the snapshot is ignored" in caplog.text


async def test_loading_asks_twice_the_snapshots_and_the_events(
    event_store: InMemoryEventStore, snapshot_store: InMemorySnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _snapshot(snapshot_store, await _filled(event_store))
    asked: list[str] = []

    def watch(owner: Any, name: str) -> None:
        method = getattr(owner, name)

        async def watched(*args: Any, **kwargs: Any) -> Any:
            asked.append(name)
            return await method(*args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    for name in ("read_stream", "stream_version", "read_all"):
        watch(event_store, name)
    watch(snapshot_store, "latest")
    await EventSourcedLoader(Tank, event_store, snapshot_store).load("t")
    assert asked == ["latest", "read_stream"]


def _stored(version: int, event_type: str, payload: dict[str, Any] | None = None, **fields: Any) -> StoredEvent:
    return StoredEvent(
        event_type=event_type,
        aggregate_type="Tank",
        aggregate_id="t",
        version=version,
        payload={} if payload is None else payload,
        **fields,
    )


@pytest.mark.parametrize(
    ("event", "error", "text"),
    [
        (_stored(2, "TankLost"), UnknownTypeError, r"'TankLost' \(Tank 't', version 2\)"),
        (_stored(2, "TankFilled", schema_version=7), UnknownVersionError, r"schema version 7 \(Tank 't', version 2\)"),
        (_stored(2, "TankFilled", {"litres": "much"}), InvalidPayloadError, r"'TankFilled' \(Tank 't', version 2\)"),
        (_stored(2, "TankStolen"), MissingEventHandlerError, r"TankStolen changes \(Tank 't', version 2\)"),
        (_stored(2, "TankBurst"), ReplayError, r"Tank 't' .* version 2 \(TankBurst\): .*ZeroDivisionError: all over"),
        (_stored(2, "TankRattled"), InvalidEventHandlerError, "has recorded TankFilled"),
    ],
    ids=lambda value: getattr(value, "event_type", None) or getattr(value, "__name__", ""),
)
async def test_what_cannot_be_read_or_applied_is_an_error_that_names_it(
    loader: EventSourcedLoader[Tank],
    event_store: InMemoryEventStore,
    event: StoredEvent,
    error: type[Exception],
    text: str,
) -> None:
    await event_store.append([_stored(1, "TankBuilt", {"litres": 1}), event], expected_version=0)
    with pytest.raises(error, match=text):
        await loader.load("t")


async def test_fields_that_no_event_has_set_are_an_error(
    loader: EventSourcedLoader[Tank], event_store: InMemoryEventStore
) -> None:
    await event_store.append([_stored(1, "TankFilled", {"litres": 1})], expected_version=0)
    with pytest.raises(ReplayError, match=r"Tank 't' .* version 1: no event has set size"):
        await loader.load("t")


class PotGlazed(DomainEvent):
    colour: Any


class Pot(EventSourcedAggregate[str]):
    colour: str

    def apply_PotGlazed(self, event: PotGlazed) -> None:
        self.colour = event.colour


async def test_fields_that_do_not_fit_are_an_error_unless_validation_is_off(event_store: InMemoryEventStore) -> None:
    pot = Pot.begin("p")
    pot.add_event(PotGlazed(colour=7))
    await _append(event_store, pot)
    with pytest.raises(ReplayError, match=r"colour: .*string"):
        await EventSourcedLoader(Pot, event_store).load("p")
    loaded = await EventSourcedLoader(Pot, event_store, validate=False).load("p")
    assert loaded is not None
    assert loaded.colour == 7  # type: ignore[comparison-overlap]


class Nothing(EventSourcedAggregate[str]):
    pass


async def test_a_class_that_applies_nothing_is_refused_at_its_first_use(event_store: InMemoryEventStore) -> None:
    loader = EventSourcedLoader(Nothing, event_store)
    with pytest.raises(EventHandlerError, match="Nothing cannot be event-sourced"):
        await loader.load("n")


class KegTapped(DomainEvent):
    pass


class Keg(EventSourcedAggregate[UUID]):
    tapped: int = 0

    def apply_KegTapped(self, event: KegTapped) -> None:
        self.tapped += 1


async def test_ids_need_not_be_text(event_store: InMemoryEventStore) -> None:
    keg = Keg.begin(uuid4())
    keg.add_event(KegTapped())
    await _append(event_store, keg)
    loaded = await EventSourcedLoader(Keg, event_store).load(keg.id)
    assert loaded is not None
    assert loaded.id == keg.id


class MendedByName(EventUpcaster):
    supported_type = "TankMended"
    from_version = 1

    def upcast(self, payload: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"by": name} for name in payload["names"]]


@pytest.mark.parametrize("where", ["event store", "loader"])
async def test_old_events_are_applied_as_what_they_are_today(database: InMemoryStore, where: str) -> None:
    upcasters = UpcasterRegistry(MendedByName)
    event_store = InMemoryEventStore(database, upcaster_registry=upcasters if where == "event store" else None)
    await event_store.append(
        [
            _stored(1, "TankBuilt", {"litres": 1}),
            _stored(2, "TankMended", {"names": ["ada", "bob"]}),
            _stored(3, "TankMended", {"by": "eve"}, schema_version=2),
        ],
        expected_version=0,
    )
    loader = EventSourcedLoader(Tank, event_store, upcaster_registry=upcasters if where == "loader" else None)
    tank = await loader.load("t")
    assert tank is not None
    assert (tank.mended_by, tank.version) == (["ada", "bob", "eve"], 3)
    at_two = await loader.load("t", at=2)
    assert at_two is not None
    assert at_two.mended_by == ["ada", "bob"]
    history = await loader.history("t", after_version=1)
    assert [event.aggregate_version for event in history] == [2, 2, 3]
    assert len({event.event_id for event in history}) == 3
