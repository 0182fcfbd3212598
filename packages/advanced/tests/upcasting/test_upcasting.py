"""Upcasters: chains, splits, renamed types, context, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqrs_ddd_advanced_core.upcasting import (
    EventUpcaster,
    UpcastContext,
    UpcasterRegistry,
    UpcastEvent,
    UpcastingEventReader,
)
from cqrs_ddd_core import InMemoryStore
from cqrs_ddd_core.adapters.memory import InMemoryEventStore
from cqrs_ddd_core.ports import IUpcasterRegistry, StoredEvent
from cqrs_ddd_core.primitives.exceptions import UpcasterConfigurationError, UpcastError


def _event(version: int = 1, payload: dict[str, Any] | None = None, event_type: str = "ItemAdded") -> StoredEvent:
    return StoredEvent(
        event_type=event_type,
        aggregate_type="Cart",
        aggregate_id="c",
        version=3,
        position=17,
        event_id="event",
        occurred_at=datetime(2020, 1, 1, tzinfo=UTC),
        schema_version=version,
        payload={"steps": []} if payload is None else payload,
        metadata={"source": "import"},
        correlation_id="correlation",
        tenant_id="acme",
    )


def _step(source: int, target: int = 0, event_type: str = "ItemAdded", to_type: str = "") -> EventUpcaster:
    class Step(EventUpcaster):
        def upcast(self, payload: dict[str, Any]) -> dict[str, Any]:
            payload["steps"].append(source)
            return payload

    step = Step()
    step.supported_type = event_type  # type: ignore[misc]
    step.from_version = source  # type: ignore[misc]
    step.to_version = target  # type: ignore[misc]
    step.to_type = to_type  # type: ignore[misc]
    return step


def test_a_chain_leads_to_the_newest_version() -> None:
    registry = UpcasterRegistry(_step(3), _step(1), _step(2))
    for version, steps in ((1, [1, 2, 3]), (2, [2, 3]), (3, [3]), (4, [])):
        [event] = registry.upcast(_event(version))
        assert (event.schema_version, event.payload["steps"]) == (4, steps)


def test_a_step_may_leave_versions_out() -> None:
    [event] = UpcasterRegistry(_step(1, 4), _step(2, 3), _step(3, 4)).upcast(_event(1))
    assert (event.schema_version, event.payload["steps"]) == (4, [1])


def test_everything_but_type_version_and_payload_stays() -> None:
    stored = _event(1)
    [event] = UpcasterRegistry(_step(1)).upcast(stored)
    assert replace(event, payload=stored.payload, schema_version=1) == stored


def test_what_is_stored_is_not_changed() -> None:
    stored = _event(1)
    UpcasterRegistry(_step(1)).upcast(stored)
    assert stored.payload == {"steps": []}


def test_types_without_upcasters_are_left_alone() -> None:
    stored = _event(event_type="Other")
    assert UpcasterRegistry(_step(1)).upcast(stored) == (stored,)
    assert UpcasterRegistry().upcast(stored) == (stored,)


@given(st.integers(1, 6))
def test_applying_it_again_changes_nothing(version: int) -> None:
    registry = UpcasterRegistry(_step(1), _step(2), _Split, _step(5))
    once = registry.upcast(_event(version, {"names": ["a", "b"], "steps": []}))
    twice = [again for event in once for again in registry.upcast(event)]
    assert twice == list(once)


class _Split(EventUpcaster):
    """ItemAdded v3 had several names in it."""

    supported_type = "ItemAdded"
    from_version = 3
    to_version = 5

    def upcast(self, payload: dict[str, Any]) -> list[dict[str, Any] | UpcastEvent]:
        items: list[dict[str, Any] | UpcastEvent] = [
            {"name": name, "steps": payload["steps"]} for name in payload["names"]
        ]
        return [*items, UpcastEvent(event_type="CartCounted", payload={"n": len(items)}, metadata={"made": "later"})]


def test_one_event_may_become_several_that_go_on_by_themselves() -> None:
    registry = UpcasterRegistry(_Split, _step(5))
    events = registry.upcast(_event(3, {"names": ["a", "b"], "steps": []}))
    assert [(event.event_type, event.schema_version, event.payload) for event in events] == [
        ("ItemAdded", 6, {"name": "a", "steps": [5]}),
        ("ItemAdded", 6, {"name": "b", "steps": [5]}),
        ("CartCounted", 1, {"n": 2}),
    ]
    assert [event.event_id for event in events] == ["event", "event:2", "event:3"]
    assert {(event.version, event.position) for event in events} == {(3, 17)}
    assert [event.metadata for event in events][-1] == {"source": "import", "made": "later"}


def test_a_type_may_be_renamed_and_goes_on_under_its_new_name() -> None:
    registry = UpcasterRegistry(
        _step(1, event_type="ItemPut"), _step(2, event_type="ItemPut", to_type="ItemAdded"), _step(1)
    )
    [event] = registry.upcast(_event(1, event_type="ItemPut"))
    assert (event.event_type, event.schema_version, event.payload["steps"]) == ("ItemAdded", 2, [1, 2, 1])


class _FromMetadata(EventUpcaster):
    supported_type = "ItemAdded"
    from_version = 1

    def upcast_in_context(self, payload: dict[str, Any], context: UpcastContext) -> dict[str, Any]:
        return {
            "source": context.metadata["source"],
            "where": f"{context.tenant_id}/{context.aggregate_type}/{context.aggregate_id}@{context.version}",
            "year": context.occurred_at.year,
        }


def test_an_upcaster_may_look_at_what_else_is_known() -> None:
    [event] = UpcasterRegistry(_FromMetadata).upcast(_event())
    assert event.payload == {"source": "import", "where": "acme/Cart/c@3", "year": 2020}


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("upcasters", "text"),
    [
        ([_step(1), _step(1, 3)], "Step and Step both go on from version 1"),
        ([_step(2, 1)], "from version 2 back to 1"),
        ([_step(2, 2)], "from version 2 back to 2"),
        ([_step(0)], "versions start at 1"),
        ([_step(-1)], "versions start at 1"),
        ([_step(1, event_type="")], "supported_type is not set"),
        (
            [_step(1, 1, "A", "B"), _step(1, 2, "B", "B"), _step(2, 1, "B", "A")],
            r"in a circle: B v2 → A v1 → B v1 → B v2",
        ),
    ],
)
def test_wrong_upcasters_are_refused_when_they_are_registered(upcasters: list[EventUpcaster], text: str) -> None:
    with pytest.raises(UpcasterConfigurationError, match=text):
        UpcasterRegistry(*upcasters)


def test_a_refused_upcaster_leaves_nothing_behind() -> None:
    registry = UpcasterRegistry(_step(1, 1, "A", "B"))
    with pytest.raises(UpcasterConfigurationError):
        registry.register(_step(1, 1, "B", "A"))
    assert registry.registered_event_types() == ("A",)


def test_a_gap_is_refused_at_the_first_use() -> None:
    registry = UpcasterRegistry(_step(1), _step(3))
    with pytest.raises(UpcasterConfigurationError, match=r"'ItemAdded': there is a gap: .* version 2.* a version 3"):
        registry.upcast(_event(1))
    with pytest.raises(UpcasterConfigurationError, match="there is a gap"):
        registry.check()
    registry.register(_step(2))
    registry.check()
    assert registry.upcast(_event(1))[0].schema_version == 4


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (None, "Wrong returned a NoneType, expected a dict"),
        ("text", "Wrong returned a str"),
        ([{}, 7], "Wrong returned a int in its list"),
        ([], "Wrong made nothing of it"),
        ([UpcastEvent(event_type="", payload={})], "no type or no version"),
        (KeyError("customer"), "Wrong raised KeyError: 'customer'"),
    ],
)
def test_an_upcaster_that_fails_names_itself_and_the_event(returned: Any, text: str) -> None:
    class Wrong(EventUpcaster):
        supported_type = "ItemAdded"
        from_version = 1

        def upcast(self, payload: dict[str, Any]) -> Any:
            if isinstance(returned, Exception):
                raise returned
            return returned

    with pytest.raises(UpcastError, match=rf"version 1 .*Cart 'c', version 3, event id event.*{text}"):
        UpcasterRegistry(Wrong).upcast(_event())


def test_an_upcaster_without_a_method_says_what_it_needs() -> None:
    class Forgotten(EventUpcaster):
        supported_type = "ItemAdded"
        from_version = 1

    with pytest.raises(UpcastError, match="Forgotten needs a method upcast"):
        UpcasterRegistry(Forgotten).upcast(_event())


def test_a_circle_that_shows_only_in_the_results_is_noticed() -> None:
    class There(EventUpcaster):
        supported_type = "A"
        from_version = 1

        def upcast(self, payload: dict[str, Any]) -> list[UpcastEvent]:
            return [UpcastEvent(event_type="B", payload={})]

    class Back(EventUpcaster):
        supported_type = "B"
        from_version = 1

        def upcast(self, payload: dict[str, Any]) -> list[UpcastEvent]:
            return [UpcastEvent(event_type="A", payload={})]

    with pytest.raises(UpcasterConfigurationError, match=r"in a circle: A v1 → B v1 → A v1"):
        UpcasterRegistry(There, Back).upcast(_event(event_type="A"))


def test_the_registry_can_be_asked() -> None:
    registry = UpcasterRegistry(_step(2), _step(1), _step(1, event_type="Other"))
    chain = registry.chain_for("ItemAdded")
    assert chain is not None
    assert (chain.latest_version, [step.from_version for step in chain.steps]) == (3, [1, 2])
    assert registry.chain_for("Unknown") is None
    assert (registry.has_upcasters("Other"), registry.has_upcasters("Unknown")) == (True, False)
    assert registry.registered_event_types() == ("ItemAdded", "Other")
    assert isinstance(registry, IUpcasterRegistry)
    registry.clear()
    assert registry.registered_event_types() == ()


# ------------------------------------------------------------------ readers


@pytest.fixture
def event_store() -> InMemoryEventStore:
    return InMemoryEventStore(InMemoryStore())


async def _fill(event_store: InMemoryEventStore) -> None:
    events = [
        replace(
            _event(version, {"steps": [], "names": ["a", "b"]}, event_type),
            version=number,
            event_id=f"e{number}",
            tenant_id=None,
            position=None,
        )
        for number, (event_type, version) in enumerate(
            [("ItemPut", 1), ("Other", 1), ("ItemAdded", 3), ("Other", 1), ("ItemAdded", 5)], start=1
        )
    ]
    await event_store.append(events, expected_version=0)


REGISTRY = UpcasterRegistry(_step(1, 5, event_type="ItemPut", to_type="ItemAdded"), _Split)


async def test_every_way_to_read_applies_them(event_store: InMemoryEventStore) -> None:
    await _fill(event_store)
    reader = UpcastingEventReader(event_store, REGISTRY)
    wanted = ["e1", "e2", "e3", "e3:2", "e3:3", "e4", "e5"]
    assert [event.event_id for event in await reader.read_stream("Cart", "c")] == wanted
    assert [event.event_id for event in await reader.read_all()] == wanted
    assert [event.event_id for event in await reader.read_stream("Cart", "c", after_version=2, up_to_version=3)] == [
        "e3",
        "e3:2",
        "e3:3",
    ]
    async for batch in reader.subscribe():
        assert [event.event_id for event in batch] == wanted
        break
    assert await reader.stream_version("Cart", "c") == 5
    assert await reader.latest_position() == await event_store.latest_position()


async def test_types_are_asked_for_by_the_names_of_today(event_store: InMemoryEventStore) -> None:
    await _fill(event_store)
    reader = UpcastingEventReader(event_store, REGISTRY)
    found = await reader.read_all(event_types=["ItemAdded"])
    assert [event.event_id for event in found] == ["e1", "e3", "e3:2", "e5"]
    async for batch in reader.subscribe(event_types=["CartCounted"]):
        assert [event.event_id for event in batch] == ["e3:3"]
        break


async def test_an_empty_answer_means_the_end(event_store: InMemoryEventStore) -> None:
    await _fill(event_store)
    reader = UpcastingEventReader(event_store, REGISTRY)
    [event] = await reader.read_all(event_types=["CartCounted"], limit=1)
    assert event.event_id == "e3:3"
    assert await reader.read_all(event.position or 0, event_types=["CartCounted"], limit=1) == []


async def test_the_event_store_applies_them_itself(event_store: InMemoryEventStore) -> None:
    database = InMemoryStore()
    await _fill(InMemoryEventStore(database))
    knowing = InMemoryEventStore(database, upcaster_registry=REGISTRY)
    assert len(await knowing.read_stream("Cart", "c")) == 7
    twice = UpcastingEventReader(knowing, REGISTRY)
    assert await twice.read_all() == await knowing.read_all()
