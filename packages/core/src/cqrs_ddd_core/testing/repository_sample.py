"""Aggregates with a field of every kind, for tests of repositories and units of work.

The names are such that they meet no aggregate of an application whose tests run the same suites.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, override
from uuid import UUID

from pydantic import Field

from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.condition import Condition, ConditionVisitor, SpecificationOperator
from cqrs_ddd_core.domain.entity import Entity
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.field_path import read_path
from cqrs_ddd_core.domain.specification import Specification
from cqrs_ddd_core.domain.value_object import ValueObject

__all__ = [
    "FIELDS_OF_EVERY_KIND",
    "FerryAddress",
    "FerryBooked",
    "FerryBooking",
    "FerryCabin",
    "FerryCompany",
    "FerryDeck",
    "FerryFare",
    "FerryFieldIs",
    "FerryFieldIsAbove",
    "FerryGroupBooking",
    "FerryLeg",
    "FerryPassengerRenamed",
    "FerryReducedFare",
    "FerryStatus",
]


class FerryStatus(StrEnum):
    """An enum of texts."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    SAILED = "sailed"


class FerryDeck(Enum):
    """An enum of numbers."""

    LOWER = 1
    UPPER = 2


class FerryFare(ValueObject):
    """An embedded value."""

    amount: Decimal = Decimal(0)
    currency: str = "EUR"


class FerryReducedFare(FerryFare):
    """A subclass that stands in a field of its base."""

    percent: int


class FerryAddress(ValueObject):
    """An embedded value in which there is another one."""

    street: str
    city: str | None = None
    lines: tuple[str, ...] = ()
    surcharge: FerryFare | None = None


class FerryLeg(Entity[int]):
    """A child entity."""

    port: str
    sails_at: datetime | None = None
    fare: FerryFare = FerryFare()
    notes: dict[str, Any] = Field(default_factory=dict[str, Any])


class FerryBooked(DomainEvent):
    """A booking was made."""

    passenger: str
    fare: FerryFare


class FerryPassengerRenamed(DomainEvent):
    """The passenger has another name now."""

    passenger: str


class FerryBooking(AggregateRoot[str]):
    """An aggregate with an id of text, and everything that an aggregate may hold."""

    passenger: str = ""
    status: FerryStatus = FerryStatus.REQUESTED
    fare: FerryFare = FerryFare()
    legs: list[FerryLeg] = Field(default_factory=list[FerryLeg])
    extras: list[dict[Any, Any]] = Field(default_factory=list[dict[Any, Any]])
    details: dict[str, Any] = Field(default_factory=dict[str, Any])
    labels: set[str] = Field(default_factory=set[str])
    seats: tuple[int, ...] = ()
    place: tuple[int, str] | None = None
    weights: list[float] = Field(default_factory=list[float])
    fares: dict[int, FerryFare] = Field(default_factory=dict[int, FerryFare])
    home: FerryAddress | None = None
    sails_at: datetime | None = None
    travels_on: date | None = None
    boards_at: time | None = None
    stays: timedelta | None = None
    rating: float | None = None
    cabin: int | None = None
    paid: bool = False
    deposit: Decimal | None = None
    reference: UUID | None = None
    deck: FerryDeck | None = None
    ticket: bytes = b""
    contact: int | str | None = None

    @classmethod
    def book(cls, booking_id: str, passenger: str = "Ada", **fields: Any) -> FerryBooking:
        """A new booking, and the event that says so."""
        booking = cls(id=booking_id, passenger=passenger, **fields)
        booking.add_event(FerryBooked(passenger=passenger, fare=booking.fare))
        return booking

    def rename(self, passenger: str) -> None:
        """Change it, and say so."""
        self.passenger = passenger
        self.add_event(FerryPassengerRenamed(passenger=passenger))


class FerryGroupBooking(FerryBooking):
    """A subclass that is kept where its base is."""

    size: int = 2


class FerryCompany(AggregateRoot[UUID]):
    """An aggregate with a UUID as its id."""

    collection_name = "ferry_companies"

    name: str = ""


class FerryCabin(AggregateRoot[int]):
    """An aggregate with a number as its id."""

    beds: int = 0

    def add_bed(self) -> None:
        """Change it without an event."""
        self.beds += 1


FIELDS_OF_EVERY_KIND: dict[str, Any] = {
    "passenger": "Ådá “Lovelace” \N{SHIP}\t'; --",
    "status": FerryStatus.CONFIRMED,
    "fare": FerryReducedFare(amount=Decimal("12345678901234567890.123456789"), percent=50),
    "legs": [
        FerryLeg(
            id=2,
            port="Malmö",
            sails_at=datetime(2025, 3, 30, 1, 59, 59, 999_999, tzinfo=UTC),
            fare=FerryReducedFare(amount=Decimal("0.10"), percent=5),
            notes={"bag": {"kg": Decimal("7.5")}, "when": date(2025, 3, 1)},
        ),
        FerryLeg(id=1, port="Åbo"),
    ],
    "extras": [
        {"product": "bike", "quantity": 2, "price": FerryFare(amount=Decimal("29.99"))},
        {"nested": [{"price": FerryReducedFare(amount=Decimal(1), percent=1)}], "none": None, "on": True},
    ],
    "details": {
        "price": FerryFare(amount=Decimal(3)),
        "uuid": UUID("018f0000-0000-7000-8000-000000000001"),
        "deck": FerryDeck.UPPER,
        "at": datetime(2025, 1, 1, 12, 30, tzinfo=UTC),
        "naive": datetime(2025, 1, 1, 12, 30),  # noqa: DTZ001 - the subject
        "pair": (1, "a"),
        "set": {1, 2},
        "bytes": b"\x00\xff",
        "numbers": {1: "one", 2: "two"},
        "empty": {"list": [], "dict": {}, "text": ""},
        "@type": "data like any other",
        "key with spaces.and:dots$": 1.5,
    },
    "labels": {"b", "a", "ü"},
    "seats": (3, 1, 2),
    "place": (7, "B"),
    "weights": [0.1, 1e-300, 1.7976931348623157e308, -0.0],
    "fares": {7: FerryFare(amount=Decimal("1.00")), -1: FerryReducedFare(amount=Decimal(2), percent=9)},
    "home": FerryAddress(
        street="Hafenstraße 1", city="Kiel", lines=("", "c/o"), surcharge=FerryFare(amount=Decimal("0.00"))
    ),
    "sails_at": datetime(2025, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    "travels_on": date(2024, 2, 29),
    "boards_at": time(6, 30, 0, 5),
    "stays": timedelta(days=-1, seconds=3, microseconds=7),
    "rating": 4.25,
    "cabin": 2**62,
    "paid": True,
    "deposit": Decimal("-0.001"),
    "reference": UUID("6f4922f4-5568-4a8e-8c1f-3d1f8a2b9c4d"),
    "deck": FerryDeck.LOWER,
    "ticket": bytes(range(256)),
    "contact": "12",
}
"""Values for every field of ``FerryBooking``: such as stores have been seen to lose."""


class FerryFieldIs(Specification[Any]):
    """The field has this value; null counts as one."""

    operator = SpecificationOperator.EQ

    def __init__(self, field: str, value: Any) -> None:
        self.field, self.value = field, value

    @override
    def is_satisfied_by(self, candidate: Any, /) -> bool:
        return bool(read_path(candidate, self.field) == self.value)

    @override
    def accept[ResultT](self, visitor: ConditionVisitor[ResultT], /) -> ResultT:
        return visitor.condition(Condition(self.field, self.operator, self.value))

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"attr": self.field, "op": str(self.operator), "val": self.value}


class FerryFieldIsAbove(FerryFieldIs):
    """The field is greater than this value."""

    operator = SpecificationOperator.GT

    @override
    def is_satisfied_by(self, candidate: Any, /) -> bool:
        value = read_path(candidate, self.field)
        return value is not None and bool(value > self.value)
