"""An aggregate that has a field of every kind, for tests of specifications."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.spatial import Geometry
from cqrs_ddd_core.domain.value_object import ValueObject

__all__ = ["SampleAddress", "SampleColour", "SampleLine", "SpecificationSample"]


class SampleColour(StrEnum):
    """What ``colour`` may be."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class SampleAddress(ValueObject):
    """An embedded object."""

    city: str
    floor: int | None = None


class SampleLine(ValueObject):
    """An item of an embedded list."""

    sku: str
    quantity: int = 1
    note: str | None = None


class SpecificationSample(AggregateRoot[str]):
    """One field of each kind, all of them optional."""

    aggregate_type: ClassVar[str] = "SpecificationSample"
    collection_name: ClassVar[str] = "specification_samples"

    batch: str
    """Which test it belongs to."""
    text: str | None = None
    number: int | None = None
    ratio: float | None = None
    amount: Decimal | None = None
    flag: bool | None = None
    moment: datetime | None = None
    day: date | None = None
    clock: time | None = None
    span: timedelta | None = None
    key: UUID | None = None
    colour: SampleColour | None = None
    tags: list[str] | None = None
    numbers: list[int] | None = None
    address: SampleAddress | None = None
    lines: list[SampleLine] | None = None
    data: Any = None
    """Not declared: whatever JSON has."""
    place: Geometry | None = None
