"""Questions to geometries, answered by shapely (extra ``geometry``)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from cqrs_ddd_core.domain.condition import SpecificationOperator
from cqrs_ddd_core.domain.json_value import to_json_value
from cqrs_ddd_core.primitives.exceptions import MissingExtraError
from cqrs_ddd_specifications.evaluation.value_test import Test

__all__ = ["of_geometry"]

_O = SpecificationOperator
_PREDICATES: Final[Mapping[SpecificationOperator, str]] = {
    _O.INTERSECTS: "intersects",
    _O.WITHIN: "within",
    _O.CONTAINS_GEOM: "contains",
    _O.TOUCHES: "touches",
    _O.CROSSES: "crosses",
    _O.OVERLAPS: "overlaps",
    _O.DISJOINT: "disjoint",
    _O.GEOM_EQUALS: "equals",
}


def of_geometry(operator: SpecificationOperator, wanted: Any) -> Test:
    """The test of one of ``GEOMETRY_OPERATORS``. A value that is no geometry never passes.

    Raises ``MissingExtraError`` when shapely is not installed.
    """
    test = _test(operator, wanted)

    def guarded(value: Any) -> bool:
        try:
            geometry = _shape(value)
            return geometry is not None and bool(test(geometry))
        except Exception:  # noqa: BLE001 - shapely raises what numpy, GEOS and ill-formed data happen to raise
            return False

    return guarded


def _test(operator: SpecificationOperator, wanted: Any) -> Callable[[Any], bool]:
    shapely = _shapely()
    match operator:
        case _O.BBOX_INTERSECTS:
            return lambda geometry: _boxes_meet(geometry.bounds, wanted)
        case _O.DISTANCE_LT:
            other, distance = _shape(wanted[0]), wanted[1]
            return lambda geometry: geometry.distance(other) < distance
        case _O.DWITHIN:
            other, distance = _shape(wanted[0]), wanted[1]
            return lambda geometry: geometry.distance(other) <= distance
        case _:
            other, name = _shape(wanted), _PREDICATES[operator]
            shapely.prepare(other)
            return lambda geometry: getattr(geometry, name)(other)


def _boxes_meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _shape(value: Any) -> Any | None:
    """The value as a plane geometry of shapely, or None when it is no GeoJSON."""
    shapely = _shapely()
    if isinstance(value, shapely.Geometry):
        return shapely.force_2d(value)
    plain = to_json_value(getattr(value, "__geo_interface__", value))
    if not isinstance(plain, dict) or "type" not in plain:
        return None
    return shapely.force_2d(shapely.geometry.shape(plain))


def _shapely() -> Any:
    # By name, because it has no types, and because only those who ask for geometry have it.
    try:
        importlib.import_module("shapely.geometry")
        return importlib.import_module("shapely")
    except ModuleNotFoundError as error:
        if error.name != "shapely":
            raise
        raise MissingExtraError("Geometry in memory", "cqrs-ddd-specifications", "geometry") from error
