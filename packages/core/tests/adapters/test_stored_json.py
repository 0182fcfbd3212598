"""JSON as databases keep it."""

import enum
import json
from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqrs_ddd_core.adapters.stored_json import from_json, to_json
from cqrs_ddd_core.primitives.exceptions import InvalidPayloadError
from cqrs_ddd_core.testing.stored_values import EVERY_JSON_VALUE, NO_JSON_VALUES

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


def kept(value: object) -> Any:
    return from_json(to_json(value, kind="event", name="OrderPlaced"))


@given(JSON)
def test_json_comes_back_as_it_was(value: Any) -> None:
    assert kept(value) == value
    assert repr(kept(value)) == repr(value)


def test_an_example_of_everything_comes_back() -> None:
    assert kept(EVERY_JSON_VALUE) == EVERY_JSON_VALUE


def test_the_text_is_json_in_utf_8() -> None:
    text = to_json({"name": "žluť 🦄"}, kind="event", name="OrderPlaced")
    assert json.loads(text.encode()) == {"name": "žluť 🦄"}


@pytest.mark.parametrize("value", NO_JSON_VALUES)
def test_what_json_does_not_have_is_refused(value: Any) -> None:
    with pytest.raises(InvalidPayloadError, match=r"event 'OrderPlaced': data\.a\[0\]"):
        to_json({"a": [value]}, kind="event", name="OrderPlaced", field="data")


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Plain(enum.Enum):
    A = 1


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        ((1, (2,)), [1, [2]]),
        (Colour.RED, "red"),
        ({Colour.RED: Level.HIGH}, {"red": 3}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (OrderedDict(a=1), {"a": 1}),
    ],
)
def test_what_is_json_by_another_name_becomes_json(value: object, becomes: object) -> None:
    assert kept(value) == becomes
    assert type(kept(value)) is type(becomes)


def test_an_enum_that_is_neither_text_nor_number_is_refused() -> None:
    with pytest.raises(InvalidPayloadError, match="Plain"):
        to_json([Plain.A], kind="event", name="OrderPlaced")


@pytest.mark.parametrize("value", ["a\x00b", {"a\x00b": 1}])
def test_the_character_nul_is_refused(value: object) -> None:
    with pytest.raises(InvalidPayloadError, match="NUL"):
        to_json(value, kind="event", name="OrderPlaced")


def test_what_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidPayloadError, match="contains itself"):
        to_json(endless, kind="event", name="OrderPlaced")


def test_the_value_is_a_new_one_each_time() -> None:
    text = to_json({"a": [1]}, kind="event", name="OrderPlaced")
    from_json(text)["a"].append(2)
    assert from_json(text) == {"a": [1]}
