"""An event-sourced aggregate decides, records, and changes by its events only."""

from __future__ import annotations

import copy
from typing import Any, Self
from uuid import UUID, uuid4

import pytest
from pydantic import Field, PrivateAttr

from cqrs_ddd_advanced_core.event_sourcing import EventSourcedAggregate
from cqrs_ddd_core import DomainEvent
from cqrs_ddd_core.domain.aggregate import unsaved_events
from cqrs_ddd_core.primitives.exceptions import (
    InvalidEventHandlerError,
    MissingEventHandlerError,
    UnrecordedChangeError,
)
from cqrs_ddd_core.primitives.id_generator import UUID4Generator


class PurseOpened(DomainEvent):
    owner: str


class CoinsPut(DomainEvent):
    coins: int


class PurseCounted(DomainEvent):
    pass


class PurseTorn(DomainEvent):
    pass


class PurseForgotten(DomainEvent):
    pass


class Purse(EventSourcedAggregate[str]):
    owner: str
    coins: int = 0
    log: list[str] = Field(default_factory=list[str])

    @classmethod
    def open(cls, purse_id: str, owner: str) -> Self:
        purse = cls.begin(purse_id)
        purse.add_event(PurseOpened(owner=owner))
        return purse

    def put(self, coins: int) -> None:
        self.add_event(CoinsPut(coins=coins))

    def apply_PurseOpened(self, event: PurseOpened) -> None:
        self.owner = event.owner

    def apply_coins_put(self, event: CoinsPut) -> None:
        self.coins += event.coins
        self.log.append(f"{event.aggregate_id} v{event.aggregate_version} {self.version}")

    def apply_PurseCounted(self, event: PurseCounted) -> None:
        self.add_event(CoinsPut(coins=1))

    def apply_PurseTorn(self, event: PurseTorn) -> None:
        self.coins = 0
        raise RuntimeError("a hole")


class Locker(EventSourcedAggregate[UUID]):
    opened: int = 0

    def apply_event(self, event: DomainEvent) -> None:
        self.opened += 1


def test_recording_an_event_applies_it_once() -> None:
    purse = Purse.open("p", "ada")
    purse.put(3)
    assert (purse.owner, purse.coins, purse.version) == ("ada", 3, 2)
    assert [event.event_type for event in purse.collect_events()] == ["PurseOpened", "CoinsPut"]


def test_the_event_is_complete_when_it_is_applied() -> None:
    purse = Purse.open("p", "ada")
    purse.put(3)
    assert purse.log == ["p v2 2"]


def test_required_fields_do_not_exist_before_the_first_event() -> None:
    purse = Purse.begin("p")
    assert purse.coins == 0
    assert not hasattr(purse, "owner")
    assert "owner" not in repr(purse)


def test_an_id_can_come_from_a_generator() -> None:
    assert len(Purse.begin(id_generator=UUID4Generator()).id) == 36
    assert Locker.begin(identity := uuid4()).id is identity
    with pytest.raises(ValueError, match="Purse needs an id"):
        Purse.begin()


def test_two_that_begin_share_no_defaults() -> None:
    first, second = Purse.open("1", "ada"), Purse.open("2", "bob")
    first.put(1)
    assert (len(first.log), len(second.log)) == (1, 0)


def test_a_field_cannot_be_set_where_no_event_is_applied() -> None:
    purse = Purse.open("p", "ada")
    with pytest.raises(UnrecordedChangeError, match=r"Purse 'p': coins was set outside .* add_event"):
        purse.coins = 100
    assert purse.coins == 0
    made = Purse(id="q", owner="bob", coins=3)
    with pytest.raises(UnrecordedChangeError):
        made.owner = "eve"


def test_an_event_without_a_method_is_refused_and_not_recorded() -> None:
    purse = Purse.open("p", "ada")
    with pytest.raises(MissingEventHandlerError, match="Purse does not say what PurseForgotten changes") as caught:
        purse.add_event(PurseForgotten())
    assert "apply_PurseForgotten" in str(caught.value)
    assert (purse.version, len(unsaved_events(purse))) == (1, 1)


def test_an_event_that_fails_to_apply_is_not_recorded() -> None:
    purse = Purse.open("p", "ada")
    with pytest.raises(RuntimeError, match="a hole"):
        purse.add_event(PurseTorn())
    assert (purse.version, len(unsaved_events(purse)), len(purse.collect_events())) == (1, 1, 1)
    with pytest.raises(UnrecordedChangeError):
        purse.coins = 1


def test_applying_an_event_cannot_record_another() -> None:
    purse = Purse.open("p", "ada")
    with pytest.raises(InvalidEventHandlerError, match="CoinsPut was recorded while another event was applied"):
        purse.add_event(PurseCounted())
    assert purse.version == 1


def test_copies_go_ways_of_their_own() -> None:
    purse = Purse.open("p", "ada")
    for copied in (copy.copy(purse), copy.deepcopy(purse), purse.model_copy(deep=True)):
        copied.put(1)
        assert (copied.coins, purse.coins) == (1, 0)
        assert (len(unsaved_events(copied)), len(unsaved_events(purse))) == (2, 1)


def test_private_attributes_are_free() -> None:
    class Pouch(EventSourcedAggregate[str]):
        _cache: dict[str, Any] = PrivateAttr(default_factory=dict[str, Any])

        def remember(self) -> None:
            self._cache = {"a": 1}

    pouch = Pouch.begin("p")
    pouch.remember()
    assert pouch._cache == {"a": 1}
