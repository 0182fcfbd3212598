"""The fingerprint of a class: the same for the same shape, another for any other."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import make_dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, NamedTuple

import pytest
from pydantic import AfterValidator, Field, create_model

from cqrs_ddd_advanced_core.snapshots import JSONSnapshotSerializer, schema_fingerprint
from cqrs_ddd_core import AggregateRoot, ValueObject


def _made(**fields: Any) -> type[AggregateRoot[Any]]:
    return create_model("Shaped", __base__=AggregateRoot[str], __module__=__name__, **fields)


BASE = schema_fingerprint(_made(size=(int, 0)))


def test_the_same_shape_has_the_same_fingerprint() -> None:
    assert schema_fingerprint(_made(size=(int, 0))) == BASE
    assert schema_fingerprint(_made(size=(int, 5))) == BASE, "a default is not a shape"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"size": (float, 0)},
        {"size": (int | None, 0)},
        {"length": (int, 0)},
        {"size": (int, 0), "more": (str, "")},
    ],
    ids=["removed", "another type", "optional", "renamed", "added"],
)
def test_another_shape_has_another_fingerprint(fields: dict[str, Any]) -> None:
    assert schema_fingerprint(_made(**fields)) != BASE


def _value(**fields: Any) -> Any:
    return create_model("Price", __base__=ValueObject, __module__=__name__, **fields)


def test_shapes_of_what_is_inside_count() -> None:
    first = schema_fingerprint(_made(prices=(list[_value(amount=(int, 0))], Field(default_factory=list))))  # type: ignore[misc]
    second = schema_fingerprint(_made(prices=(list[_value(amount=(str, ""))], Field(default_factory=list))))  # type: ignore[misc]
    assert first != second


def test_dataclasses_named_tuples_and_enums_count() -> None:
    class Small(Enum):
        A = "a"

    class Bigger(Enum):
        A = "a"
        B = "b"

    class Pair(NamedTuple):
        left: int

    Bigger.__qualname__, Bigger.__name__ = Small.__qualname__, Small.__name__
    fingerprints = {
        schema_fingerprint(_made(part=(each, ...)))
        for each in (
            make_dataclass("Part", [("size", int)]),
            make_dataclass("Part", [("size", str)]),
            Small,
            Bigger,
            Pair,
        )
    }
    assert len(fingerprints) == 5


def test_the_snapshot_version_of_the_class_counts() -> None:
    class Versioned(AggregateRoot[str]):
        snapshot_version: ClassVar[int] = 1

    before = schema_fingerprint(Versioned)
    Versioned.snapshot_version = 2
    assert schema_fingerprint(Versioned) != before


def test_a_serializer_puts_its_format_in_front() -> None:
    fingerprint = JSONSnapshotSerializer().fingerprint(_made(size=(int, 0)))
    assert fingerprint == f"json-1:{BASE}"


def _positive(value: int) -> int:
    return value


class Checked(AggregateRoot[str]):
    size: Annotated[int, AfterValidator(_positive)] | Annotated[str, AfterValidator(_positive)] = 0


_PROGRAM = """
from typing import Annotated
from pydantic import AfterValidator
from cqrs_ddd_core import AggregateRoot
from cqrs_ddd_advanced_core.snapshots import schema_fingerprint
class Checked(AggregateRoot[str]):
    size: Annotated[int, AfterValidator(lambda value: value)] | Annotated[str, AfterValidator(lambda value: value)] = 0
    tags: frozenset[str] = frozenset()
print(schema_fingerprint(Checked))
"""


def test_every_process_finds_the_same_fingerprint() -> None:
    """Functions in annotations have addresses in their texts, and sets have orders that differ."""
    found = {
        subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    }
    assert len(found) == 1
    assert len(found.pop().strip()) == 32
