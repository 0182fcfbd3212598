"""Paths reach fields, and nothing else."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, RootModel, computed_field

from cqrs_ddd_core import AggregateRoot, ValueObject
from cqrs_ddd_core.domain.field_path import FieldPath, field_steps, read_path
from cqrs_ddd_core.primitives.exceptions import FieldPathError


class City(ValueObject):
    name: str


class Tags(RootModel[dict[str, int]]):
    pass


class Customer(AggregateRoot[str]):
    city: City | None = None
    tags: Tags | None = None
    data: Any = None
    cities: list[City] = Field(default_factory=list[City])
    born: datetime | None = None
    _secret: str = PrivateAttr(default="secret")

    kind: ClassVar[str] = "person"

    @property
    def shout(self) -> str:
        return self.id.upper()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def whisper(self) -> str:
        return self.id.lower()

    def method(self) -> str:
        return "called"


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


@dataclass
class Point:
    x: int
    y: int = 2
    constant: ClassVar[int] = 3
    hidden: list[int] = field(default_factory=list[int])

    def method(self) -> int:
        return self.x


@dataclass(slots=True)
class Slotted:
    x: int


class Plain:
    shared = "class attribute"

    def __init__(self) -> None:
        self.own = "own"
        self._private = "private"

    @property
    def computed(self) -> str:
        return "computed"

    @classmethod
    def build(cls) -> str:
        return "built"


class Colour(Enum):
    RED = "red"


CUSTOMER = Customer(
    id="Ada",
    city=City(name="Oslo"),
    tags=Tags({"a": 1}),
    data={"a": {"b": [1, 2]}, "_x": 3, "when": datetime(2024, 5, 1, tzinfo=UTC), 7: "seven", Colour.RED: "stop"},
    cities=[City(name="Rome"), City(name="Bonn")],
    born=datetime(1990, 1, 1, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("id", ["Ada"]),
        ("city.name", ["Oslo"]),
        ("tags.root.a", [1]),
        ("data.a.b", [[1, 2]]),
        ("data._x", [3]),
        ("data.7", ["seven"]),
        ("data.red", ["stop"]),
        ("cities.name", ["Rome", "Bonn"]),
        ("cities", [[City(name="Rome"), City(name="Bonn")]]),
        ("shout", ["ADA"]),
        ("whisper", ["ada"]),
        ("version", [0]),
    ],
)
def test_a_path_reaches_fields_keys_and_properties(path: str, values: list[Any]) -> None:
    assert list(FieldPath(path).values(CUSTOMER)) == values


@pytest.mark.parametrize(
    "path",
    [
        "nothing", "city.nothing", "city.name.upper", "id.upper", "id.0", "born.year", "data.when.year", "data.a.b.c",
        "_secret", "_version", "_domain_events", "__class__", "__dict__", "city.__class__", "__pydantic_private__",
        "method", "kind", "model_fields", "model_dump", "model_config", "copy", "add_event", "collect_events",
        "aggregate_type", "collection_name", "data.keys", "cities.append", "cities.0", "tags.a", "reconstitute",
    ],
)  # fmt: skip
def test_a_path_does_not_reach_into_internals_methods_or_values(path: str) -> None:
    assert list(FieldPath(path).values(CUSTOMER)) == []


@pytest.mark.parametrize(
    ("candidate", "found", "missing"),
    [
        (Point(x=1), {"x": 1, "y": 2, "hidden": []}, ["constant", "method", "__doc__", "z"]),
        (Slotted(x=1), {"x": 1}, ["__slots__", "y"]),
        (Plain(), {"own": "own", "computed": "computed"}, ["shared", "_private", "build", "__init__", "__module__"]),
        (Open.model_validate({"a": 1, "copy": 2}), {"a": 1, "copy": 2}, ["b", "model_extra", "model_fields_set"]),
        ({"a": None, "b": 1}, {"b": 1}, ["a", "c", "keys"]),
        ([{"a": 1}], {"a": 1}, ["append", "0"]),
        (5, {}, ["real", "numerator", "__class__"]),
        (None, {}, ["anything"]),
    ],
)
def test_other_objects_show_what_belongs_to_the_instance(
    candidate: Any, found: dict[str, Any], missing: list[str]
) -> None:
    assert {path: FieldPath(path).values(candidate)[0] for path in found} == found
    assert [path for path in missing if FieldPath(path).values(candidate)] == []


def test_a_list_on_the_way_stands_for_its_items_and_a_list_in_a_list_does_not() -> None:
    items = {"a": [{"b": 1}, [{"b": 2}], {"b": None}, {"b": [3]}, 4, {"c": 5}]}
    assert list(FieldPath("a.b").values(items)) == [1, [3]]
    assert list(FieldPath("a").values({"a": []})) == [[]]
    assert list(FieldPath("a.b").values({"a": ({"b": 1},)})) == [1]


def test_what_is_read_of_a_list_has_a_place_for_each_item() -> None:
    assert read_path(CUSTOMER, "cities.name") == ["Rome", "Bonn"]
    assert read_path({"a": [{"b": 1}, {}]}, "a.b") == [1, None]
    assert read_path(CUSTOMER, "city.nothing") is None


def test_reading_does_not_change_what_is_read() -> None:
    counting: defaultdict[str, list[int]] = defaultdict(list)
    assert list(FieldPath("missing").values(counting)) == []
    assert not counting


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a..b", "a\nb", "a\x00", "\ud800", "a" * 501, ".".join("a" * 33), 5, None]
)
def test_an_ill_formed_path_is_refused(path: Any) -> None:
    with pytest.raises(FieldPathError):
        field_steps(path)


def test_one_path_reads_candidates_of_different_classes() -> None:
    path = FieldPath("x")
    assert [list(path.values(candidate)) for candidate in (Point(x=1), {"x": 2}, Slotted(x=3), Plain())] == [
        [1],
        [2],
        [3],
        [],
    ]
