"""What is stored today is read by every later version: one folder of files for each released version.

The files are never changed. A new version that stores something differently adds a folder of its own, and reads the
old ones too.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import Field

from cqrs_ddd_core import AggregateRoot, Command, DomainEvent, Entity, EventTypeRegistry, ValueObject
from cqrs_ddd_core.cqrs import EventSerializer, MessageRegistry
from cqrs_ddd_core.domain.state import dump_state, load_state
from cqrs_ddd_core.ports import MessageEnvelope, StoredEvent

VERSIONS = sorted(path for path in Path(__file__).parent.iterdir() if path.is_dir() and path.name.startswith("v"))


class Colour(Enum):
    RED = "red"


class Price(ValueObject):
    amount: Decimal
    currency: str = "EUR"


class Line(Entity[int]):
    product: str
    price: Price


class GoldenOrdered(DomainEvent):
    event_type: ClassVar[str] = "golden.ordered"

    version: int = 2
    customer: str
    total: Price
    at: datetime
    day: date
    reference: UUID
    colour: Colour | None = None
    wait: timedelta = timedelta(0)
    notes: dict[str, Any] = Field(default_factory=dict[str, Any])


class PlaceGoldenOrder(Command[str]):
    message_type: ClassVar[str] = "golden.place_order"

    customer: str
    total: Price


class GoldenOrder(AggregateRoot[str]):
    aggregate_type: ClassVar[str] = "golden.order"
    collection_name: ClassVar[str] = "golden_orders"

    customer: str
    total: Price
    lines: list[Line] = Field(default_factory=list[Line])
    loose: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])
    tags: set[str] = Field(default_factory=set[str])
    placed_at: datetime | None = None
    wait: timedelta = timedelta(0)
    reference: UUID | None = None
    colour: Colour = Colour.RED
    weights: tuple[Decimal, ...] = ()


AT = datetime(2026, 1, 31, 13, 30, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
EVENT = GoldenOrdered(
    event_id="01a2052b-2338-7971-831c-9fc2beb6c3b2",
    occurred_at=AT.astimezone(UTC),
    aggregate_id="order-1",
    aggregate_type="golden.order",
    aggregate_version=7,
    metadata={"source": "web", "Retries": 2, "deep": {"x": [1, None]}},
    correlation_id="request-1",
    causation_id="command-1",
    customer="Žluťoučký 日本",
    total=Price(amount=Decimal("12.50")),
    at=AT,
    day=date(2026, 1, 31),
    reference=UUID("0190a3f4-5b6c-7d8e-9f00-112233445566"),
    colour=Colour.RED,
    wait=timedelta(hours=1, microseconds=5),
    notes={"gift": True, "items": [1, "two", None]},
)
COMMAND = PlaceGoldenOrder(
    command_id="command-1", correlation_id="request-1", customer="ada", total=Price(amount=Decimal("0.10"))
)
ORDER = GoldenOrder(
    id="order-1",
    customer="ada",
    total=Price(amount=Decimal("12.50")),
    lines=[Line(id=1, product="tea", price=Price(amount=Decimal("4.50")))],
    loose=[{"product": "tea", "price": Price(amount=Decimal("4.50")), "at": AT, "count": 2}],
    tags={"b", "a"},
    placed_at=AT,
    wait=timedelta(hours=1, microseconds=5),
    reference=UUID("0190a3f4-5b6c-7d8e-9f00-112233445566"),
    weights=(Decimal("1.10"), Decimal(2)),
)

SERIALIZER = EventSerializer(EventTypeRegistry(GoldenOrdered, discover=False))


def as_json(record: Any) -> Any:
    """A record with its times as text, as a file keeps it."""
    return json.loads(json.dumps(dataclasses.asdict(record), default=lambda value: value.isoformat()))


def stored_event(data: dict[str, Any]) -> StoredEvent:
    return StoredEvent(**{**data, "occurred_at": datetime.fromisoformat(data["occurred_at"])})


def envelope(data: dict[str, Any]) -> MessageEnvelope:
    return MessageEnvelope(**{**data, "occurred_at": datetime.fromisoformat(data["occurred_at"])})


WRITTEN: dict[str, Any] = {
    "stored_event": lambda: as_json(SERIALIZER.to_stored(EVENT)),
    "message_envelope": lambda: as_json(SERIALIZER.to_envelope(EVENT)),
    "command": lambda: COMMAND.model_dump(mode="json"),
    "aggregate_state": lambda: dump_state(ORDER),
}


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def test_there_is_a_folder_for_every_released_format() -> None:
    assert [folder.name for folder in VERSIONS] == ["v0_1"]
    assert {path.stem for folder in VERSIONS for path in folder.glob("*.json")} == set(WRITTEN)


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_stored_looks_as_it_always_has(name: str) -> None:
    """A failure here means that older readers cannot read what this version writes: add a version, change no file."""
    assert WRITTEN[name]() == read(VERSIONS[-1], name)


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_stored_events_are_read(folder: Path) -> None:
    assert SERIALIZER.from_stored(stored_event(read(folder, "stored_event"))) == EVENT


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_messages_are_read(folder: Path) -> None:
    assert SERIALIZER.from_envelope(envelope(read(folder, "message_envelope"))) == EVENT


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_commands_are_read(folder: Path) -> None:
    registry = MessageRegistry(PlaceGoldenOrder, discover=False)
    assert registry.hydrate("golden.place_order", read(folder, "command")) == COMMAND


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_states_of_aggregates_are_read(folder: Path) -> None:
    order = load_state(GoldenOrder, read(folder, "aggregate_state"), version=7)
    assert order.version == 7
    assert order.__dict__ == ORDER.__dict__
