"""Geometry needs an extra, and says so."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from typing import Any

import pytest
import shapely  # type: ignore[import-untyped]

from cqrs_ddd_core import AggregateRoot
from cqrs_ddd_core.domain import SpatialMixin
from cqrs_ddd_core.primitives.exceptions import MissingExtraError
from cqrs_ddd_specifications import AttributeSpecification

POINT = {"type": "Point", "coordinates": [1, 1]}


class Shop(AggregateRoot[str], SpatialMixin):
    pass


def test_without_shapely_the_extra_is_named_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name="shapely")

    spec = AttributeSpecification("geom", "intersects", POINT)
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"cqrs-ddd-specifications\[geometry\]"):
        spec.is_satisfied_by({"geom": POINT})


def test_another_missing_module_is_not_mistaken_for_shapely(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError("No module named 'numpy'", name="numpy")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="numpy"):
        AttributeSpecification("geom", "intersects", POINT).is_satisfied_by({"geom": POINT})


def test_nothing_imports_shapely_until_geometry_is_asked_for() -> None:
    program = """
        import sys
        from cqrs_ddd_specifications import AttributeSpecification
        AttributeSpecification("a", "=", 1).is_satisfied_by({"a": 1})
        AttributeSpecification("a", "intersects", {"type": "Point", "coordinates": [1, 1]})
        assert "shapely" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_geometries_of_all_makes_can_be_asked() -> None:
    near = AttributeSpecification("geom", "dwithin", (shapely.Point(0, 0), 2))
    shop = Shop.model_validate({"id": "1", "geom": POINT})
    for geometry in (POINT, shop.geom, shapely.Point(1, 1), shapely.Point(1, 1, 500)):
        assert near.is_satisfied_by({"geom": geometry})
    assert near.is_satisfied_by(shop)
    assert not near.is_satisfied_by(Shop(id="2"))
    assert not near.is_satisfied_by({"geom": "POINT (1 1)"})


def test_an_ill_formed_geometry_is_nowhere() -> None:
    for operator in ("intersects", "disjoint"):
        spec = AttributeSpecification("geom", operator, POINT)
        assert not spec.is_satisfied_by({"geom": {"type": "Point", "coordinates": ["a", "b"]}})
        assert not spec.is_satisfied_by({"geom": {"type": "Star", "coordinates": [1, 1]}})
