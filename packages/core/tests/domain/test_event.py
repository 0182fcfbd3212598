"""Domain events: immutable, complete, and stored under a stable name."""

import copy
import gc
import pickle
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from typing import Any

import pytest
from pydantic import ConfigDict, ValidationError

from cqrs_ddd_core.domain import DomainEvent, EventTypeRegistry, ValueObject, enrich_event_metadata
from cqrs_ddd_core.domain.event import ENVELOPE_FIELDS, known_event_types
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    InvalidPayloadError,
    UnknownTypeError,
    UnknownVersionError,
)


class Money(ValueObject):
    amount: float


class ParcelPosted(DomainEvent):
    order_id: str
    total: Money = Money(amount=0)
    lines: list[dict[str, int]] = []  # noqa: RUF012


class TestEnvelope:
    def test_every_event_has_an_id_and_a_time_in_utc(self) -> None:
        one, two = ParcelPosted(order_id="1"), ParcelPosted(order_id="1")
        assert one.event_id != two.event_id
        assert one.event_id < two.event_id
        assert one.occurred_at.utcoffset() == timedelta(0)
        assert one != two
        assert (one.version, one.metadata, one.aggregate_id, one.correlation_id) == (1, {}, None, None)

    def test_a_time_in_another_zone_is_the_same_moment_in_utc(self) -> None:
        berlin = datetime(2024, 5, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
        event = ParcelPosted(order_id="1", occurred_at=berlin)
        assert event.occurred_at == berlin
        assert event.occurred_at.tzinfo is UTC
        assert event.occurred_at.hour == 12
        assert (
            ParcelPosted.model_validate({"order_id": "1", "occurred_at": "2024-05-01T14:00:00+02:00"}).occurred_at
            == berlin
        )

    def test_a_time_without_a_zone_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="timezone"):
            ParcelPosted(order_id="1", occurred_at=datetime(2024, 5, 1))  # noqa: DTZ001 - the subject

    def test_events_are_frozen_and_refuse_unknown_fields(self) -> None:
        event = ParcelPosted(order_id="1")
        with pytest.raises(ValidationError, match="frozen"):
            event.order_id = "2"
        with pytest.raises(ValidationError, match="Extra inputs"):
            ParcelPosted(order_id="1", oder_id="2")  # type: ignore[call-arg]

    def test_envelope_and_payload_are_told_apart(self) -> None:
        assert set(ParcelPosted.model_fields) - ENVELOPE_FIELDS == {"order_id", "total", "lines"}

    def test_events_are_hashable_whatever_is_in_them(self) -> None:
        event = ParcelPosted(order_id="1", lines=[{"a": 1}], metadata={"x": [1]})
        assert {event, event.model_copy()} == {event}  # pyright: ignore[reportUnhashable]
        assert hash(event.with_envelope(aggregate_id="1")) == hash(event)


class TestWithEnvelope:
    def test_it_is_a_copy_of_the_same_class_with_these_fields(self) -> None:
        event = ParcelPosted(order_id="1")
        copied = event.with_envelope(aggregate_id="1", aggregate_version=3)
        assert type(copied) is ParcelPosted
        assert (copied.aggregate_id, copied.aggregate_version, copied.order_id) == ("1", 3, "1")
        assert copied.event_id == event.event_id
        assert event.aggregate_id is None
        assert copied.model_fields_set >= {"aggregate_id", "aggregate_version", "order_id"}

    def test_it_is_the_same_object_when_nothing_changes(self) -> None:
        event = ParcelPosted(order_id="1", aggregate_id="1")
        assert event.with_envelope(aggregate_id="1") is event

    def test_what_was_computed_from_the_old_envelope_is_forgotten(self) -> None:
        class Keyed(DomainEvent):
            @cached_property
            def key(self) -> str:
                return f"{self.aggregate_id}"

        event = Keyed()
        assert event.key == "None"
        assert event.with_envelope(aggregate_id="1").key == "1"

    def test_extra_and_private_parts_come_along(self) -> None:
        class Open(DomainEvent):
            model_config = ConfigDict(extra="allow")
            _note: str = "nothing"

        event = Open(more=1)  # type: ignore[call-arg]
        event._note = "noted"
        copied = event.with_envelope(aggregate_id="1")
        assert copied.model_extra == {"more": 1}
        assert copied._note == "noted"
        copied._note = "changed"
        assert event._note == "noted"

    def test_correlation_and_causation_are_filled_where_they_are_unset(self) -> None:
        event = ParcelPosted(order_id="1", correlation_id="own")
        enriched = enrich_event_metadata(event, correlation_id="given", causation_id="cause")
        assert (enriched.correlation_id, enriched.causation_id) == ("own", "cause")
        assert enrich_event_metadata(enriched, correlation_id="x", causation_id="y") is enriched
        assert enrich_event_metadata(event) is event


class TestRoundTrips:
    @pytest.fixture
    def event(self) -> ParcelPosted:
        return ParcelPosted(order_id="1", total=Money(amount=2.5), metadata={"ip": "::1"}).with_envelope(
            aggregate_id="1", aggregate_type="Order", aggregate_version=1, correlation_id="c", causation_id="d"
        )

    def test_pickling_and_copying(self, event: ParcelPosted) -> None:
        for again in (pickle.loads(pickle.dumps(event)), copy.copy(event), copy.deepcopy(event), event.model_copy()):
            assert again == event
            assert type(again) is ParcelPosted

    def test_json(self, event: ParcelPosted) -> None:
        assert ParcelPosted.model_validate_json(event.model_dump_json()) == event
        assert ParcelPosted.model_validate(event.model_dump(mode="json")) == event


class TestEventType:
    def test_it_is_the_class_name_unless_the_class_says_otherwise(self) -> None:
        class Shipped(DomainEvent):
            event_type = "order.shipped"

        class ShippedAbroad(Shipped): ...

        assert ParcelPosted.event_type == "ParcelPosted"
        assert Shipped.event_type == "order.shipped"
        assert ShippedAbroad.event_type == "ShippedAbroad"
        assert known_event_types.find("order.shipped") == (Shipped,)

    def test_the_schema_version_is_the_default_of_the_version(self) -> None:
        class Moved(DomainEvent):
            version: int = 3

        class MovedFar(Moved): ...

        assert (ParcelPosted.schema_version(), Moved.schema_version(), MovedFar.schema_version()) == (1, 3, 3)
        assert Moved().version == 3

    def test_a_version_without_a_default_says_what_is_missing(self) -> None:
        class Vague(DomainEvent):
            version: int  # pyright: ignore[reportGeneralTypeIssues]

        with pytest.raises(ConfigurationError, match=r"Vague\.version needs a number"):
            Vague.schema_version()


class TestRegistry:
    def test_events_that_are_defined_are_found_by_name(self) -> None:
        registry = EventTypeRegistry()
        event = registry.hydrate("ParcelPosted", {"order_id": "1", "total": {"amount": 1}})
        assert isinstance(event, ParcelPosted)
        assert registry.has("ParcelPosted")
        assert "ParcelPosted" in registry.list_registered()
        assert registry.get("ParcelPosted") is ParcelPosted

    def test_without_discovery_only_what_was_registered_is_known(self) -> None:
        registry = EventTypeRegistry(ParcelPosted, discover=False)
        assert registry.list_registered() == ("ParcelPosted",)
        registry.clear()
        assert not registry.has("ParcelPosted")
        with pytest.raises(UnknownTypeError):
            registry.get("ParcelPosted")

    def test_an_unknown_name_an_unknown_version_and_data_that_does_not_fit_are_different_errors(self) -> None:
        registry = EventTypeRegistry()
        with pytest.raises(UnknownTypeError, match=r"'ParcelPostde'.*Did you mean 'ParcelPosted'"):
            registry.hydrate("ParcelPostde", {})
        with pytest.raises(UnknownVersionError, match=r"schema version 9; known: 1") as unknown:
            registry.hydrate("ParcelPosted", {}, version=9)
        assert (unknown.value.version, unknown.value.known) == (9, (1,))
        with pytest.raises(InvalidPayloadError, match=r"order_id: Field required") as invalid:
            registry.hydrate("ParcelPosted", {"event_id": "e-1"})
        assert "e-1" in str(invalid.value)

    def test_an_error_does_not_show_the_values_of_the_data(self) -> None:
        with pytest.raises(InvalidPayloadError) as invalid:
            EventTypeRegistry().hydrate("ParcelPosted", {"order_id": {"secret": "hunter2"}})
        assert "hunter2" not in str(invalid.value)

    def test_the_version_in_the_data_counts_where_none_is_given(self) -> None:
        registry = EventTypeRegistry()
        with pytest.raises(UnknownVersionError):
            registry.hydrate("ParcelPosted", {"order_id": "1", "version": 2})
        with pytest.raises(InvalidPayloadError, match="version is a whole number"):
            registry.hydrate("ParcelPosted", {"order_id": "1", "version": "1"})

    def test_versions_live_side_by_side_and_the_newest_is_the_default(self) -> None:
        one = type("Measured", (DomainEvent,), {"__module__": "v1", "__annotations__": {"value": int}})
        two = type(
            "Measured",
            (DomainEvent,),
            {"__module__": "v2", "__annotations__": {"value": float, "version": int}, "version": 2},
        )
        registry = EventTypeRegistry()
        assert registry.get("Measured") is two
        assert registry.get("Measured", 1) is one
        assert registry.latest_version("Measured") == 2
        assert isinstance(registry.hydrate("Measured", {"value": 1, "version": 1}), one)
        assert registry.has("Measured", 2)
        assert not registry.has("Measured", 3)

    def test_two_classes_of_one_name_and_version_are_an_error_until_one_is_registered(self) -> None:
        one = type("Doubled", (DomainEvent,), {"__module__": "shop.one"})
        two = type("Doubled", (DomainEvent,), {"__module__": "shop.two"})
        registry = EventTypeRegistry()
        with pytest.raises(ConfigurationError, match=r"shop\.one\.Doubled and shop\.two\.Doubled"):
            registry.get("Doubled")
        registry.register(two)
        assert registry.get("Doubled") is two
        assert one is not two

    def test_registering_another_class_under_a_taken_name_is_refused(self) -> None:
        class Other(DomainEvent): ...

        registry = EventTypeRegistry().register(ParcelPosted).register(ParcelPosted)
        with pytest.raises(ConfigurationError, match="needs another event_type or another version"):
            registry.register(Other, "ParcelPosted")
        assert registry.register(Other, "ParcelPosted", version=2).get("ParcelPosted") is Other

    def test_an_old_name_can_be_registered_for_a_class(self) -> None:
        registry = EventTypeRegistry().register(ParcelPosted, "order_was_placed")
        assert isinstance(registry.hydrate("order_was_placed", {"order_id": "1"}), ParcelPosted)

    def test_a_class_that_nobody_uses_any_more_is_forgotten(self) -> None:
        def define() -> None:
            class Passing(DomainEvent): ...

            assert EventTypeRegistry().has("Passing")

        define()
        gc.collect()
        assert not EventTypeRegistry().has("Passing")

    def test_strict_events_are_hydrated_from_json_values(self) -> None:
        class Strict(DomainEvent):
            model_config = ConfigDict(strict=True)
            at: datetime

        data: dict[str, Any] = Strict(at=datetime(2024, 1, 1, tzinfo=UTC)).model_dump(mode="json")
        assert isinstance(EventTypeRegistry().hydrate("Strict", data), Strict)
