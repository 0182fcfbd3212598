"""What aggregates can take in: audit times, the archive, and a place on earth."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from cqrs_ddd_core.domain import AggregateRoot, ArchivableMixin, AuditableMixin, Geometry, SpatialMixin
from cqrs_ddd_core.domain.state import dump_state, load_state
from cqrs_ddd_core.primitives.exceptions import InvariantViolationError
from cqrs_ddd_core.testing import VirtualClock


class Document(AggregateRoot[str], AuditableMixin, ArchivableMixin, SpatialMixin):
    title: str = ""


class TestAuditable:
    def test_times_are_those_of_the_clock(self) -> None:
        start = datetime(2024, 1, 1, tzinfo=UTC)
        with VirtualClock(start) as clock:
            document = Document(id="1")
            assert document.created_at == document.updated_at == start
            clock.advance(timedelta(hours=1))
            document.touch()
        assert (document.created_at, document.updated_at) == (start, start + timedelta(hours=1))

    def test_a_time_without_a_zone_is_refused(self) -> None:
        with pytest.raises(ValidationError):
            Document(id="1", created_at=datetime(2024, 1, 1))  # noqa: DTZ001 - the subject


class TestArchivable:
    def test_there_and_back(self) -> None:
        document = Document(id="1")
        assert not document.is_archived
        document.archive(by="ada")
        assert document.is_archived
        assert document.archived_by == "ada"
        assert document.archived_at is not None
        document.restore()
        assert (document.is_archived, document.archived_by, document.archived_at) == (False, None, None)

    def test_a_step_that_is_not_possible_is_refused(self) -> None:
        document = Document(id="1")
        with pytest.raises(InvariantViolationError, match="Not archived"):
            document.restore()
        document.archive()
        with pytest.raises(InvariantViolationError, match="Already archived"):
            document.archive(by="bob")
        assert document.archived_by is None


RING = [[0, 0], [1, 0], [1, 1], [0, 0]]


class TestSpatial:
    @pytest.mark.parametrize(
        "geometry",
        [
            {"type": "Point", "coordinates": [13.4, 52.5]},
            {"type": "Point", "coordinates": [13.4, 52.5, 34]},
            {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]},
            {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
            {"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]]]},
            {"type": "Polygon", "coordinates": [RING]},
            {"type": "MultiPolygon", "coordinates": [[RING], [RING]]},
            {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]},
            {"type": "Point", "coordinates": [1, 2], "bbox": [0, 0, 2, 2]},
        ],
    )
    def test_every_kind_of_geometry_fits_and_is_kept(self, geometry: dict[str, Any]) -> None:
        document = Document(id="1", geom=Geometry.model_validate(geometry))
        assert Document.model_validate({"id": "1", "geom": geometry}).geom == document.geom
        assert document.geom is not None
        assert document.geom.model_dump(exclude_none=True) == geometry
        assert load_state(Document, dump_state(document)).geom == document.geom
        assert hash(document.geom) == hash(Geometry.model_validate(geometry))

    @pytest.mark.parametrize(
        ("geometry", "reason"),
        [
            ({"type": "Point"}, "has coordinates"),
            ({"type": "Point", "coordinates": [1]}, "a position is two or three numbers"),
            ({"type": "Point", "coordinates": [1, "2"]}, "a position is two or three numbers"),
            ({"type": "Point", "coordinates": [1, True]}, "a position is two or three numbers"),
            ({"type": "Point", "coordinates": [1, float("nan")]}, "a position is two or three numbers"),
            ({"type": "Point", "coordinates": [[1, 2]]}, "a position is two or three numbers"),
            ({"type": "LineString", "coordinates": [[1, 2]]}, "2 positions or more, found 1"),
            ({"type": "LineString", "coordinates": [1, 2]}, "expected a list, found 1"),
            ({"type": "Polygon", "coordinates": [RING[:3]]}, "4 positions or more, found 3"),
            ({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}, "ends where it begins"),
            ({"type": "GeometryCollection", "coordinates": [1, 2]}, "has geometries and no coordinates"),
            ({"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": []}]}, "a position is"),
            ({"type": "Circle", "coordinates": [1, 2]}, "Input should be"),
            ({"type": "Point", "coordinates": [1, 2], "radius": 3}, "Extra inputs"),
        ],
    )
    def test_what_is_no_geometry_is_refused_wherever_it_is_made(self, geometry: dict[str, Any], reason: str) -> None:
        with pytest.raises(ValidationError, match=reason):
            Geometry.model_validate(geometry)
        with pytest.raises(ValidationError, match=reason):
            Document.model_validate({"id": "1", "geom": geometry})

    def test_a_place_is_optional(self) -> None:
        assert Document(id="1").geom is None
