"""What becomes of two changes, strategy by strategy."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqrs_ddd_advanced_core.conflict_resolution import (
    NO_BASE,
    ConflictConfig,
    ConflictResolutionPolicy,
    ConflictResolver,
    DeepMergeStrategy,
    FieldLevelMergeStrategy,
    IMergeStrategy,
    LastWinsStrategy,
    MergeStrategyRegistry,
    TimestampLastWinsStrategy,
    UnionListMergeStrategy,
    field_level_merge,
)
from cqrs_ddd_core import ValueObject
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, MergeStrategyNotFoundError


class Address(ValueObject):
    city: str
    street: str = ""


@dataclass
class Person:
    name: str
    address: Address
    tags: list[str]


# ------------------------------------------------------------------ each by itself


def test_last_wins_is_the_later_one() -> None:
    assert LastWinsStrategy().merge({"a": 1}, {"b": 2}) == {"b": 2}
    assert LastWinsStrategy().merge({"a": 1}, None) is None


@pytest.mark.parametrize(
    ("arguments", "merged"),
    [
        ({}, {"a": 10, "b": 2, "c": 30}),
        ({"ignore_conflicts": True}, {"a": 1, "b": 2, "c": 30}),
        ({"include_fields": ["c"]}, {"a": 1, "b": 2, "c": 30}),
        ({"exclude_fields": {"c"}}, {"a": 10, "b": 2}),
        ({"include_fields": ["a", "c"], "exclude_fields": ["a"]}, {"a": 1, "b": 2, "c": 30}),
    ],
)
def test_fields_are_taken_over_as_a_whole(arguments: dict[str, Any], merged: dict[str, Any]) -> None:
    assert FieldLevelMergeStrategy(**arguments).merge({"a": 1, "b": 2}, {"a": 10, "c": 30}) == merged


def test_with_a_base_only_fields_that_were_changed_are_taken_over() -> None:
    base = {"a": 1, "b": 1, "c": 1, "gone": 1, "kept": 1}
    theirs = {"a": 2, "b": 1, "c": 2, "gone": 1, "kept": 2}
    ours = {"a": 1, "b": 3, "c": 3, "new": 3}
    assert FieldLevelMergeStrategy().merge(theirs, ours, base) == {"a": 2, "b": 3, "c": 3, "kept": 2, "new": 3}
    ignoring = FieldLevelMergeStrategy(ignore_conflicts=True)
    assert ignoring.merge(theirs, ours, base) == {"a": 2, "b": 3, "c": 2, "kept": 2, "new": 3}
    assert FieldLevelMergeStrategy(exclude_fields=["b"]).merge(theirs, ours, base)["b"] == 1


def test_fields_of_what_is_no_mapping_are_replaced() -> None:
    assert field_level_merge(1, 2) == 2
    assert field_level_merge({"a": 1}, [1]) == [1]
    assert field_level_merge({"a": 1}, {"b": 2}) == {"a": 1, "b": 2}
    with pytest.raises(ConfigurationError, match="collections of names"):
        FieldLevelMergeStrategy(include_fields="name")


def test_mappings_are_merged_at_every_depth() -> None:
    existing = {"name": "ada", "address": {"city": "Paris", "street": "Rue A"}, "n": {"deep": {"a": 1}}}
    incoming = {"address": {"city": "Rome"}, "n": {"deep": {"b": 2}}}
    assert DeepMergeStrategy().merge(existing, incoming) == {
        "name": "ada",
        "address": {"city": "Rome", "street": "Rue A"},
        "n": {"deep": {"a": 1, "b": 2}},
    }


def test_with_a_base_it_is_known_who_changed_and_who_removed_what() -> None:
    base = {"theirs": 1, "ours": 1, "both": 1, "they removed": 1, "we removed": 1, "removed and changed": 1}
    theirs = {"theirs": 2, "ours": 1, "both": 2, "we removed": 1, "removed and changed": 2, "they added": 2}
    ours = {"theirs": 1, "ours": 3, "both": 3, "they removed": 1, "we added": 3}
    assert DeepMergeStrategy().merge(theirs, ours, base) == {
        "theirs": 2,
        "ours": 3,
        "both": 3,
        "removed and changed": 2,
        "they added": 2,
        "we added": 3,
    }


def test_items_of_lists_are_merged_by_their_identity() -> None:
    existing = {"lines": [{"id": 1, "n": 1, "x": 0}, {"id": 2, "n": 2}]}
    incoming = {"lines": [{"id": 3, "n": 3}, {"id": 1, "n": 9}]}
    merged = DeepMergeStrategy().merge(existing, incoming)
    assert merged == {"lines": [{"id": 1, "n": 9, "x": 0}, {"id": 2, "n": 2}, {"id": 3, "n": 3}]}
    base = {"lines": [{"id": 1, "n": 1, "x": 0}, {"id": 2, "n": 2}, {"id": 4, "n": 4}]}
    assert DeepMergeStrategy().merge(existing, incoming, base) == {"lines": [{"id": 1, "n": 9}, {"id": 3, "n": 3}]}, (
        "x and 2 were removed by us, 4 by both"
    )


def test_the_identity_may_be_another_key_an_attribute_or_a_function() -> None:
    existing, incoming = [{"sku": "a", "n": 1}], [{"sku": "a", "m": 2}]
    for key in ("sku", lambda item: item["sku"]):
        assert DeepMergeStrategy(list_identity_key=key).merge(existing, incoming) == [{"sku": "a", "n": 1, "m": 2}]
    by_city = DeepMergeStrategy(list_identity_key="city")
    merged = by_city.merge([Address(city="Rome", street="A")], [Address(city="Rome", street="B")])
    assert merged == [{"city": "Rome", "street": "B"}]


def test_lists_without_identities_are_replaced_or_joined() -> None:
    assert DeepMergeStrategy().merge({"tags": ["a", "b"]}, {"tags": ["b", "c"]}) == {"tags": ["b", "c"]}
    joining = DeepMergeStrategy(append_lists=True)
    assert joining.merge(["a", "b", "b"], ["b", "c"]) == ["a", "b", "b", "c"]
    assert joining.merge(["a", "b"], ["b", "c"], ["a", "b", "x"]) == ["b", "c"]
    assert joining.merge(["a", "x"], ["a", "b"], ["a"]) == ["a", "x", "b"]
    assert joining.merge([{"id": 1}, {"id": 1}], [{"id": 2}]) == [{"id": 1}, {"id": 1}, {"id": 2}], "no identities"
    assert joining.merge([True], [1]) == [True, 1]


def test_sets_are_merged_as_sets() -> None:
    assert DeepMergeStrategy().merge({1, 2}, {2, 3}) == {1, 2, 3}
    assert DeepMergeStrategy().merge({1, 2, 4}, {2, 3}, {1, 2}) == {2, 3, 4}


def test_models_and_dataclasses_become_dicts() -> None:
    existing = Person("ada", Address(city="Paris", street="Rue A"), ["x"])
    incoming = {"address": Address(city="Rome", street="Rue A"), "tags": ["x"]}
    without_name = {"address": {"city": "Rome", "street": "Rue A"}, "tags": ["x"]}
    assert DeepMergeStrategy().merge(existing, incoming) == {"name": "ada", **without_name}
    assert DeepMergeStrategy().merge(existing, incoming, existing) == without_name


def test_values_of_different_kinds_are_replaced() -> None:
    assert DeepMergeStrategy().merge({"a": {"b": 1}}, {"a": [1]}) == {"a": [1]}
    assert DeepMergeStrategy().merge({"a": {"b": 1}}, {"a": None}) == {"a": None}
    assert DeepMergeStrategy().merge({"a": 1}, {"a": True})["a"] is True
    assert DeepMergeStrategy().merge({"a": 1}, {"a": {"b": 1}}, {"a": 0}) == {"a": {"b": 1}}


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("existing", "incoming", "newer"),
    [
        (NOON, NOON + timedelta(seconds=1), "incoming"),
        (NOON, NOON, "incoming"),
        (NOON, NOON - timedelta(seconds=1), "existing"),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:30:00+01:00", "existing"),
        ("2026-01-01T12:00:00", NOON, "incoming"),
        (NOON.astimezone(timezone(timedelta(hours=5))), NOON - timedelta(hours=1), "existing"),
        (None, NOON, "existing"),
        (NOON, None, "existing"),
    ],
)
def test_the_newer_state_wins(existing: Any, incoming: Any, newer: str) -> None:
    sides = {"existing": {"modified_at": existing, "n": 1}, "incoming": {"modified_at": incoming, "n": 2}}
    assert TimestampLastWinsStrategy().merge(sides["existing"], sides["incoming"]) is sides[newer]


def test_where_the_time_stands_can_be_said() -> None:
    first, second = Person("2026", Address(city=""), []), Person("2025", Address(city=""), [])
    by_function = TimestampLastWinsStrategy(lambda person: datetime(int(person.name), 1, 1, tzinfo=UTC))
    assert by_function.merge(first, second) is first
    assert TimestampLastWinsStrategy("tag", fallback_to_incoming=True).merge(first, second) is second
    with pytest.raises(TypeError, match="a datetime or a text in ISO 8601, found 7"):
        TimestampLastWinsStrategy().merge({"modified_at": 7}, {"modified_at": 8})
    with pytest.raises(ValueError, match="soon"):
        TimestampLastWinsStrategy().merge({"modified_at": "soon"}, {"modified_at": "soon"})


def test_lists_are_joined_by_identity() -> None:
    union = UnionListMergeStrategy()
    assert union.merge([{"id": 1, "n": 1}, {"id": 2, "n": 2}], [{"id": 3, "n": 3}, {"id": 1, "n": 9}]) == [
        {"id": 1, "n": 9},
        {"id": 2, "n": 2},
        {"id": 3, "n": 3},
    ]
    assert union.merge(["a", "b"], ["b", "c"]) == ["a", "b", "c"]
    assert union.merge(["a", "b", "d"], ["b", "c"], ["a", "b", "x"]) == ["b", "d", "c"]
    base = [{"id": 1, "n": 1}, {"id": 2, "n": 2}]
    theirs, ours = [{"id": 1, "n": 5}, {"id": 2, "n": 2}], [{"id": 1, "n": 1}, {"id": 2, "n": 7}]
    assert union.merge(theirs, ours, base) == [{"id": 1, "n": 5}, {"id": 2, "n": 7}]
    assert union.merge({"a": 1}, {"b": 1}) == {"b": 1}
    assert UnionListMergeStrategy("sku").merge([{"sku": 1, "n": 1}], [{"sku": 1}]) == [{"sku": 1}]


# ------------------------------------------------------------------ properties

_keys = st.sampled_from(["a", "b", "c", "id"])
_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["", "x", "y"])
    | st.floats(allow_infinity=False, width=16)
)
_items = st.dictionaries(_keys, _leaves, max_size=3)
_states: st.SearchStrategy[Any] = st.dictionaries(
    _keys,
    st.recursive(
        _leaves,
        lambda inner: (
            st.lists(inner, max_size=3) | st.lists(_items, max_size=3) | st.dictionaries(_keys, inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=4,
)
_strategies: list[IMergeStrategy] = [
    DeepMergeStrategy(),
    DeepMergeStrategy(append_lists=True),
    DeepMergeStrategy(append_lists=True, list_identity_key=None),
    FieldLevelMergeStrategy(),
    FieldLevelMergeStrategy(ignore_conflicts=True),
    LastWinsStrategy(),
]
_merges = st.sampled_from(_strategies)
_bases = _states | st.just(NO_BASE)


def _equal(first: Any, second: Any) -> bool:
    """Equal in values and their types; NaN is NaN."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_equal(first[key], second[key]) for key in first)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_equal, first, second))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(first, float) and isinstance(second, float) and math.isnan(first):
        return math.isnan(second)
    return first == second and isinstance(first, bool) == isinstance(second, bool)


@given(_merges, _states, _states, _bases)
def test_merging_is_deterministic_and_changes_nothing_that_it_was_given(
    strategy: IMergeStrategy, existing: Any, incoming: Any, base: Any
) -> None:
    given_ = copy.deepcopy((existing, incoming, None if base is NO_BASE else base))
    first = strategy.merge(existing, incoming, base)
    again = strategy.merge(copy.deepcopy(existing), copy.deepcopy(incoming), base)
    assert _equal(first, again)
    assert list(first) == list(again)
    assert _equal(list(given_), [existing, incoming, None if base is NO_BASE else base])


@given(_merges, _states, _states, _bases)
def test_merging_the_same_change_again_changes_nothing(
    strategy: IMergeStrategy, existing: Any, incoming: Any, base: Any
) -> None:
    merged = strategy.merge(existing, incoming, base)
    assert _equal(strategy.merge(merged, incoming, base), merged)


@given(_merges, _states, _bases)
def test_merging_what_is_equal_changes_nothing(strategy: IMergeStrategy, state: Any, base: Any) -> None:
    assert _equal(strategy.merge(state, copy.deepcopy(state), base), state)


@given(st.sampled_from(_strategies[:5]), _states, _states)
def test_with_a_base_who_changed_nothing_gets_what_the_other_has(
    strategy: IMergeStrategy, base: Any, changed: Any
) -> None:
    assert _equal(strategy.merge(changed, copy.deepcopy(base), base), changed)
    assert _equal(strategy.merge(copy.deepcopy(base), changed, base), changed)


def _check_keys(merged: Any, existing: Any, incoming: Any, base: Any) -> None:
    """A key that one side has is in the merged state unless a side that knew it has removed it."""
    for mine, other in ((existing, incoming), (incoming, existing)):
        for key in mine:
            removed = base is not NO_BASE and key in base and key not in other
            assert key in merged or removed
    for key in existing.keys() & incoming.keys():
        if base is NO_BASE and isinstance(existing[key], dict) and isinstance(incoming[key], dict):
            _check_keys(merged[key], existing[key], incoming[key], base)


@given(st.sampled_from(_strategies[:3]), _states, _states, _bases)
def test_a_key_that_neither_side_removed_is_never_lost(
    strategy: IMergeStrategy, existing: Any, incoming: Any, base: Any
) -> None:
    _check_keys(strategy.merge(existing, incoming, base), existing, incoming, base)


@given(_states, _states, _states)
def test_a_change_survives_a_removal(base: Any, changed: Any, removing: Any) -> None:
    for key in base:
        if key in changed and not _equal(changed[key], base[key]) and key not in removing:
            assert _equal(DeepMergeStrategy().merge(changed, removing, base)[key], changed[key])
            assert _equal(DeepMergeStrategy().merge(removing, changed, base)[key], changed[key])


@given(st.lists(_leaves, max_size=5), st.lists(_leaves, max_size=5))
def test_a_union_has_everything_once(existing: list[Any], incoming: list[Any]) -> None:
    union = UnionListMergeStrategy()
    merged = union.merge(existing, incoming)
    for item in [*existing, *incoming]:
        assert sum(_equal(item, found) for found in merged) == 1
    assert _equal(union.merge(merged, incoming), merged)


# ------------------------------------------------------------------ resolver and registry


def test_a_resolution_says_where_the_changes_met() -> None:
    base = {"name": "ada", "address": {"city": "Paris", "zip": 1}, "n": 1, "left": 1}
    theirs = {"name": "ada", "address": {"city": "Rome", "zip": 1}, "n": 2}
    ours = {"name": "eve", "address": {"city": "Oslo", "zip": 2}, "n": 1, "left": 3}
    resolution = ConflictResolver(DeepMergeStrategy()).resolve(theirs, ours, base, attempt=2)
    assert resolution.merged == {"name": "eve", "address": {"city": "Oslo", "zip": 2}, "n": 2, "left": 3}
    assert [(field.path, field.existing, field.incoming, field.merged) for field in resolution.conflicts][:1] == [
        ("address.city", "Rome", "Oslo", "Oslo")
    ]
    assert [field.path for field in resolution.conflicts] == ["address.city", "left"]
    assert resolution.as_metadata() == {
        "merge_strategy": "DeepMergeStrategy",
        "merge_base_known": True,
        "merge_conflicts": ["address.city", "left"],
    }


def test_without_a_base_a_resolution_names_what_differs() -> None:
    resolution = ConflictResolver().resolve({"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2, "d": 1})
    assert (resolution.strategy, resolution.base_known) == ("LastWinsStrategy", False)
    assert [field.path for field in resolution.conflicts] == ["b"]
    assert ConflictResolver().merge(1, 2) == 2


def test_strategies_are_found_by_name_in_any_case() -> None:
    registry = MergeStrategyRegistry.get_stock_registry()
    assert registry.names() == ("deep", "field", "last_wins", "timestamp", "union")
    assert registry.get("DEEP") is DeepMergeStrategy
    assert registry.create("Field", ignore_conflicts=True).merge({"a": 1}, {"a": 2}) == {"a": 1}
    registry.register("Mine", LastWinsStrategy)
    assert isinstance(registry.create("mine"), LastWinsStrategy)
    with pytest.raises(MergeStrategyNotFoundError, match=r"no merge strategy 'dep'\. Did you mean 'deep'"):
        registry.get("dep")
    with pytest.raises(ConfigurationError, match="not empty"):
        registry.register("", LastWinsStrategy)
    assert MergeStrategyRegistry.get_stock_registry().names() == ("deep", "field", "last_wins", "timestamp", "union")


@pytest.mark.parametrize(
    ("config", "merged"),
    [
        (ConflictConfig(policy=ConflictResolutionPolicy.LAST_WINS), {"a": [3], "b": {"x": 1}, "c": 9}),
        (ConflictConfig(policy=ConflictResolutionPolicy.MERGE), {"a": [3], "b": {"y": 2, "x": 1}, "c": 9}),
        (
            ConflictConfig(policy=ConflictResolutionPolicy.MERGE, append_lists=True),
            {"a": [2, 3], "b": {"y": 2, "x": 1}, "c": 9},
        ),
        (
            ConflictConfig(strategy_name="field", ignore_conflicts=True),
            {"a": [2], "b": {"y": 2}, "c": 9},
        ),
        (ConflictConfig(strategy_name="timestamp", timestamp_field="z"), {"a": [3], "b": {"x": 1}}),
        (ConflictConfig(strategy_name="union"), {"a": [3], "b": {"x": 1}}),
    ],
)
def test_a_configuration_chooses_its_strategy(config: ConflictConfig, merged: Any) -> None:
    strategy = MergeStrategyRegistry.get_stock_registry().for_config(config)
    assert strategy.merge({"a": [2], "b": {"y": 2}, "c": 9}, {"a": [3], "b": {"x": 1}}) == merged


def test_a_configuration_that_chooses_nothing_is_refused() -> None:
    registry = MergeStrategyRegistry.get_stock_registry()
    for policy in (ConflictResolutionPolicy.CUSTOM, ConflictResolutionPolicy.FIRST_WINS):
        with pytest.raises(ConfigurationError, match="says not how states are merged: name a strategy"):
            registry.for_config(ConflictConfig(policy=policy))
    with pytest.raises(ConfigurationError, match="max_attempts"):
        ConflictConfig(max_attempts=0)
