"""Where something is, as GeoJSON (RFC 7946)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["Geometry", "GeometryType", "SpatialMixin"]

type GeometryType = Literal[
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"
]

_DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}


def _check_positions(value: Any, depth: int) -> None:
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list, found {value!r}")  # noqa: TRY004 - pydantic reports ValueError
    if depth:
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            _check_positions(item, depth - 1)
        return
    position: Any = value
    if not 2 <= len(position) <= 3 or not all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in position
    ):
        raise ValueError(f"a position is two or three numbers (longitude, latitude, altitude), found {position!r}")


def _check(geometry: Geometry) -> Geometry:
    if geometry.type == "GeometryCollection":
        if geometry.geometries is None or geometry.coordinates is not None:
            raise ValueError("a GeometryCollection has geometries and no coordinates")
        return geometry
    if geometry.coordinates is None or geometry.geometries is not None:
        raise ValueError(f"a {geometry.type} has coordinates and no geometries")
    _check_positions(geometry.coordinates, _DEPTH[geometry.type])
    return geometry


class Geometry(BaseModel):
    """A GeoJSON geometry: ``Geometry(type="Point", coordinates=[13.4, 52.5])`` (longitude first, WGS 84)."""

    model_config = ConfigDict(frozen=True)

    type: GeometryType
    coordinates: list[Any] | None = None
    geometries: list[Annotated[Geometry, AfterValidator(_check)]] | None = None


class SpatialMixin(BaseModel):
    """Adds ``geom``: a GeoJSON geometry or None. Longitude first, WGS 84, as RFC 7946 has it."""

    geom: Annotated[Geometry, AfterValidator(_check)] | None = Field(default=None)
