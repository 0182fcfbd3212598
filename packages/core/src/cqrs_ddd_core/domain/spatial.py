"""Where something is, as GeoJSON (RFC 7946)."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from cqrs_ddd_core.domain.value_object import ValueObject

__all__ = ["Geometry", "GeometryType", "SpatialMixin"]

type GeometryType = Literal[
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"
]

_DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
"""How many lists are around the positions."""
_MINIMUM = {"LineString": 2, "MultiLineString": 2, "Polygon": 4, "MultiPolygon": 4}
"""How many positions a line or a ring has at least."""


class Geometry(ValueObject):
    """A GeoJSON geometry: ``Geometry(type="Point", coordinates=[13.4, 52.5])`` (longitude first, WGS 84).

    A line has two positions or more; the rings of a polygon have four or more and end where they begin.
    """

    type: GeometryType
    coordinates: list[Any] | None = None
    geometries: list[Geometry] | None = None
    """The members of a ``GeometryCollection``, which has no coordinates."""
    bbox: list[float] | None = Field(default=None, min_length=4, max_length=6)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.type == "GeometryCollection":
            if self.geometries is None or self.coordinates is not None:
                raise ValueError("a GeometryCollection has geometries and no coordinates")
            return self
        if self.coordinates is None or self.geometries is not None:
            raise ValueError(f"a {self.type} has coordinates and no geometries")
        _check_positions(self.coordinates, _DEPTH[self.type], self.type)
        return self


def _check_positions(value: Any, depth: int, kind: str) -> None:
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list, found {value!r}")  # noqa: TRY004 - pydantic reports ValueError
    items: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
    if depth == 0:
        _check_position(items)
        return
    for item in items:
        _check_positions(item, depth - 1, kind)
    least = _MINIMUM.get(kind)
    if depth == 1 and least is not None:
        if len(items) < least:
            raise ValueError(f"a line or ring of a {kind} has {least} positions or more, found {len(items)}")
        if least == 4 and list(items[0]) != list(items[-1]):
            raise ValueError(f"a ring of a {kind} ends where it begins: {items[0]!r} is not {items[-1]!r}")


def _check_position(position: list[Any]) -> None:
    if not 2 <= len(position) <= 3 or not all(
        isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
        for number in position
    ):
        raise ValueError(f"a position is two or three numbers (longitude, latitude, altitude), found {position!r}")


class SpatialMixin(BaseModel):
    """Adds ``geom``: a GeoJSON geometry or None. Longitude first, WGS 84, as RFC 7946 has it."""

    geom: Geometry | None = None
