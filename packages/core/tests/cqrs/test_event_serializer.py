"""Events as records and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from cqrs_ddd_core import DomainEvent, EventTypeRegistry, ValueObject
from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.cqrs import EventSerializer
from cqrs_ddd_core.cqrs.event_serializer import METADATA_HEADER
from cqrs_ddd_core.primitives.exceptions import (
    EventStoreError,
    InvalidPayloadError,
    UnknownTypeError,
    UnknownVersionError,
)


class Address(ValueObject):
    street: str


class PoBox(Address):
    number: int


class Shipped(DomainEvent):
    event_type: ClassVar[str] = "serializer.shipped"

    parcel: str
    to: Address


def an_event(**changes: Any) -> Shipped:
    fields: dict[str, Any] = {"aggregate_id": "p-1", "aggregate_type": "Parcel", "aggregate_version": 3}
    return Shipped(**{**fields, "parcel": "p", "to": Address(street="Elm"), **changes})


SERIALIZER = EventSerializer(EventTypeRegistry(Shipped, discover=False))


def test_an_event_comes_back_from_the_store_as_it_was() -> None:
    event = an_event(metadata={"source": "web", "Retries": 2, "nested": {"a": [None, True]}})
    with with_tenant_context("acme"):
        stored = SERIALIZER.to_stored(event)
    assert stored.tenant_id == "acme"
    assert stored.payload == {"parcel": "p", "to": {"street": "Elm"}}
    assert SERIALIZER.from_stored(stored) == event


def test_an_event_comes_back_from_a_message_as_it_was() -> None:
    event = an_event(metadata={"source": "web", "Retries": 2, "nested": {"a": [None, True]}})
    envelope = SERIALIZER.to_envelope(event)
    assert envelope.key == "p-1"
    assert envelope.headers["source"] == "web", "text can be read by who knows nothing of events"
    on_its_way = replace(envelope, headers={**envelope.headers, "traceparent": "00-1-2-01"})
    assert SERIALIZER.from_envelope(on_its_way) == event, "what a transport adds is not metadata of the event"


def test_metadata_that_json_does_not_have_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InvalidPayloadError, match="metadata is not JSON"):
        SERIALIZER.to_envelope(an_event(metadata={"at": datetime.now(UTC)}))


def test_a_damaged_metadata_header_is_named() -> None:
    envelope = SERIALIZER.to_envelope(an_event())
    with pytest.raises(InvalidPayloadError, match=METADATA_HEADER):
        SERIALIZER.from_envelope(replace(envelope, headers={METADATA_HEADER: "{"}))


def test_a_field_that_holds_a_subclass_loses_nothing_silently() -> None:
    stored = SERIALIZER.to_stored(an_event(to=PoBox(street="Elm", number=7)))
    assert stored.payload["to"] == {"street": "Elm", "number": 7}
    with pytest.raises(InvalidPayloadError, match="number"):
        SERIALIZER.from_stored(stored)


def test_an_event_of_no_aggregate_belongs_to_no_stream() -> None:
    with pytest.raises(EventStoreError, match="has no aggregate_id"):
        SERIALIZER.to_stored(an_event(aggregate_id=None))
    with pytest.raises(EventStoreError, match="has no aggregate_type"):
        SERIALIZER.to_stored(an_event(aggregate_type=None))


def test_unknown_type_unknown_version_and_invalid_data_are_three_errors() -> None:
    stored = SERIALIZER.to_stored(an_event())
    with pytest.raises(UnknownTypeError, match=r"'serializer.shiped'.*Did you mean 'serializer.shipped'"):
        SERIALIZER.from_stored(replace(stored, event_type="serializer.shiped"))
    with pytest.raises(UnknownVersionError, match="schema version 9"):
        SERIALIZER.from_stored(replace(stored, schema_version=9))
    with pytest.raises(InvalidPayloadError, match="parcel"):
        SERIALIZER.from_stored(replace(stored, payload={"to": {"street": "Elm"}}))
