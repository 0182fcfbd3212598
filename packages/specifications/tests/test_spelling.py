"""Operators are known by every name that users give them."""

import itertools

import pytest

from cqrs_ddd_specifications import (
    SPELLINGS,
    AttributeSpecification,
    OperatorNotFoundError,
    SpecificationOperator,
    default_registry,
)
from cqrs_ddd_specifications.spelling import find_operator, spelling_key

O = SpecificationOperator  # noqa: E741 - as short as it is in tables


@pytest.mark.parametrize(
    ("spelling", "operator"),
    [
        ("==", O.EQ), ("=", O.EQ), ("eq", O.EQ), ("Equals", O.EQ), ("!=", O.NE), ("<>", O.NE), ("ne", O.NE),
        (">", O.GT), ("gt", O.GT), (">=", O.GE), ("ge", O.GE), ("gte", O.GE), ("<", O.LT), ("lt", O.LT), ("<=", O.LE),
        ("lte", O.LE), ("in", O.IN), ("IN", O.IN), ("not_in", O.NOT_IN), ("not in", O.NOT_IN), ("nin", O.NOT_IN),
        ("between", O.BETWEEN), ("not_between", O.NOT_BETWEEN), ("contains_any", O.CONTAINS_ANY),
        ("containsAny", O.CONTAINS_ANY), ("contains_all", O.CONTAINS_ALL), ("all", O.CONTAINS_ALL), ("like", O.LIKE),
        ("not_like", O.NOT_LIKE), ("ILIKE", O.ILIKE), ("contains", O.CONTAINS), ("icontains", O.ICONTAINS),
        ("starts_with", O.STARTSWITH), ("startswith", O.STARTSWITH), ("Starts With", O.STARTSWITH),
        ("starts-with", O.STARTSWITH), ("istartswith", O.ISTARTSWITH), ("ends_with", O.ENDSWITH),
        ("endswith", O.ENDSWITH), ("iends_with", O.IENDSWITH), ("regex", O.REGEX), ("~", O.REGEX), ("iregex", O.IREGEX),
        ("is_null", O.IS_NULL), ("isnull", O.IS_NULL), ("null", O.IS_NULL), ("is_not_null", O.IS_NOT_NULL),
        ("not_null", O.IS_NOT_NULL), ("is_empty", O.IS_EMPTY), ("is_not_empty", O.IS_NOT_EMPTY),
        ("json_contains", O.JSON_CONTAINS), ("@>", O.JSON_CONTAINS), ("json_has_key", O.JSON_HAS_KEY),
        ("?", O.JSON_HAS_KEY), ("fts", O.FTS), ("fts_phrase", O.FTS_PHRASE), ("intersects", O.INTERSECTS),
        ("ST_DWithin", O.DWITHIN), ("distance_lt", O.DISTANCE_LT), (O.GT, O.GT),
    ],
)  # fmt: skip
def test_an_operator_is_found_under_its_spellings(spelling: str, operator: SpecificationOperator) -> None:
    assert default_registry.resolve(spelling) is operator


def test_every_operator_is_found_under_its_value_and_its_name() -> None:
    for operator in SpecificationOperator:
        assert find_operator(operator.value) is operator
        assert find_operator(operator.name) is operator


def test_no_spelling_means_two_things() -> None:
    everything = [
        (spelling_key(spelling), operator)
        for operator, others in SPELLINGS.items()
        for spelling in {operator.value, operator.name, *others}
    ]
    for (one, operator), (other, another) in itertools.combinations(everything, 2):
        assert one != other or operator is another
    assert set(SPELLINGS) == set(SpecificationOperator)


@pytest.mark.parametrize(
    ("spelling", "hint"),
    [
        ("startwith", "'startswith'"),
        ("contain", "'contains'"),
        ("betwen", "'between'"),
        ("is_nul", "'is_null'"),
        ("=>", "'>'"),
        ("", "Known"),
        ("xyzzy", "Known: !=,"),
        ("and", "There is no operator 'and'"),
    ],
)
def test_what_is_no_operator_is_told_what_is_near(spelling: str, hint: str) -> None:
    with pytest.raises(OperatorNotFoundError) as raised:
        AttributeSpecification("total", spelling, 1)
    assert hint in str(raised.value)
    assert raised.value.to_dict()["operator"] == spelling


@pytest.mark.parametrize("spelling", [None, 5, ["="], b"="])
def test_what_is_no_text_is_no_operator(spelling: object) -> None:
    with pytest.raises(OperatorNotFoundError):
        AttributeSpecification("total", spelling, 1)  # type: ignore[arg-type]
