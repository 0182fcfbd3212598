"""When a snapshot is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cqrs_ddd_advanced_core.snapshots import (
    AfterTimeStrategy,
    AnyOfStrategy,
    EveryNEventsStrategy,
    ISnapshotStrategy,
    NeverStrategy,
    OnEventsStrategy,
    ReplayCostStrategy,
    SnapshotSituation,
    SnapshotStrategyRegistry,
)
from cqrs_ddd_core import AggregateRoot, DomainEvent
from cqrs_ddd_core.primitives.clock import use_clock
from cqrs_ddd_core.primitives.exceptions import ConfigurationError
from cqrs_ddd_core.testing import VirtualClock

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class YearClosed(DomainEvent):
    pass


class LeapYearClosed(YearClosed):
    pass


class Booked(DomainEvent):
    pass


SITUATION = SnapshotSituation(
    aggregate_type="Book",
    aggregate_id="b",
    version=7,
    snapshot_version=0,
    since=NOON,
    events=(Booked(),),
    replayed=0,
    replay_seconds=0.0,
)


@pytest.mark.parametrize(
    ("version", "snapshot_version", "due"),
    [(1, 0, False), (4, 0, False), (5, 0, True), (6, 0, True), (11, 5, True), (9, 5, False), (10, 5, True)],
)
def test_every_n_events_counts_from_the_last_snapshot(version: int, snapshot_version: int, due: bool) -> None:
    situation = replace(SITUATION, version=version, snapshot_version=snapshot_version)
    assert EveryNEventsStrategy(every_n=5).should_snapshot(situation) is due


def test_after_a_time_counts_from_the_last_snapshot() -> None:
    strategy = AfterTimeStrategy(timedelta(hours=1))
    with use_clock(VirtualClock(NOON)) as clock:
        assert not strategy.should_snapshot(SITUATION)
        clock.advance(timedelta(minutes=59))
        assert not strategy.should_snapshot(SITUATION)
        clock.advance(timedelta(minutes=1))
        assert strategy.should_snapshot(SITUATION)


def test_on_events_looks_at_the_new_ones_and_their_bases() -> None:
    strategy = OnEventsStrategy(YearClosed)
    assert not strategy.should_snapshot(SITUATION)
    assert strategy.should_snapshot(replace(SITUATION, events=(Booked(), LeapYearClosed())))


def test_replay_cost_is_what_the_last_load_took() -> None:
    strategy = ReplayCostStrategy(0.5, min_events=3)
    assert not strategy.should_snapshot(replace(SITUATION, replayed=100, replay_seconds=0.4))
    assert not strategy.should_snapshot(replace(SITUATION, replayed=2, replay_seconds=4.0))
    assert strategy.should_snapshot(replace(SITUATION, replayed=3, replay_seconds=0.5))


def test_any_of_several() -> None:
    strategy = AnyOfStrategy(EveryNEventsStrategy(100), OnEventsStrategy(Booked))
    assert strategy.should_snapshot(SITUATION)
    assert not AnyOfStrategy(NeverStrategy(), NeverStrategy()).should_snapshot(SITUATION)
    assert not AnyOfStrategy().should_snapshot(SITUATION)


class Ledgerbook(AggregateRoot[str]):
    pass


def test_a_registry_asks_the_strategy_of_the_type() -> None:
    registry = SnapshotStrategyRegistry()
    assert not registry.should_snapshot(SITUATION)
    registry.set_default(EveryNEventsStrategy(1))
    assert registry.should_snapshot(SITUATION)
    registry.register("Book", NeverStrategy())
    registry.register(Ledgerbook, EveryNEventsStrategy(1))
    assert not registry.should_snapshot(SITUATION)
    assert registry.should_snapshot(replace(SITUATION, aggregate_type="Ledgerbook"))
    assert registry.list_registered() == ("Book", "Ledgerbook")
    assert (registry.has("Book"), registry.has("Other")) == (True, False)
    assert isinstance(registry.get("Other"), EveryNEventsStrategy)
    registry.clear()
    assert registry.get("Book") is None


def test_they_are_strategies() -> None:
    assert isinstance(SnapshotStrategyRegistry(), ISnapshotStrategy)
    assert isinstance(NeverStrategy(), ISnapshotStrategy)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: EveryNEventsStrategy(0), "every_n is a number of events from 1, found 0"),
        (lambda: AfterTimeStrategy(timedelta()), "interval is longer than nothing"),
        (lambda: OnEventsStrategy(), "at least one event class"),
        (lambda: ReplayCostStrategy(0.0), "max_seconds is above 0"),
        (lambda: ReplayCostStrategy(1.0, min_events=0), "min_events from 1"),
    ],
)
def test_senseless_settings_are_refused(make: object, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        make()  # type: ignore[operator]
