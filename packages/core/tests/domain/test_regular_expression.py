"""Regular expressions mean the same as Python's where both know them, and never take long."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqrs_ddd_core.domain.regular_expression import RegularExpression, parse_regular_expression
from cqrs_ddd_core.domain.text_matching import fold_case

ATOMS = st.sampled_from(
    ["a", "b", "A", " ", ".", r"\d", r"\w", r"\W", r"\s", r"\.", "[ab]", "[^a]", "[a-c_]", r"[\d-]", "é", "^", "$", ""]
)
COUNTS = st.sampled_from(["*", "+", "?", "{2}", "{0}", "{1,2}", "{1,}", "*?", "+?"])
PATTERNS = st.recursive(
    ATOMS,
    lambda parts: (
        st.tuples(parts, parts).map("".join)
        | st.tuples(parts, parts).map(lambda pair: f"(?:{pair[0]}|{pair[1]})")
        | st.tuples(parts, COUNTS).map(lambda pair: f"(?:{pair[0]}){pair[1]}")
        | parts.map(lambda part: f"({part})")
    ),
    max_leaves=8,
)
TEXTS = st.text("abcA1 _-.\né", max_size=8)


def in_python(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("$", r"\Z"), re.ASCII)


@given(PATTERNS, TEXTS)
def test_what_matches_is_what_python_matches(pattern: str, text: str) -> None:
    assert RegularExpression(pattern).matches(text) == bool(in_python(pattern).search(text))


@given(PATTERNS, TEXTS)
def test_what_is_rendered_means_the_same_to_another_engine(pattern: str, text: str) -> None:
    expression = RegularExpression(pattern)
    assert bool(re.search(expression.render(), text)) == expression.matches(text)


@given(PATTERNS, TEXTS)
def test_what_ignores_case_is_rendered_for_folded_text(pattern: str, text: str) -> None:
    expression = RegularExpression(pattern, ignore_case=True)
    assert bool(re.search(expression.render(), fold_case(text))) == expression.matches(text)
    assert expression.matches(text.upper()) == expression.matches(text.lower())


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"^[[:alpha:]]$", "a", None),
        (r"a{,3}", "a", None),
        ("^a.c$", "a\nc", False),
        ("^a$", "a\n", False),
        (r"\Aab\z", "ab", True),
        (r"\x41\u00e9", "Aé", True),
        (r"[\]\-\^]", "^", True),
        ("[a-]", "-", True),
        (r"\D", "٣", True),
        (r"[^\d]", "5", False),
        ("", "", True),
        ("a||b", "", True),
        ("(^|,)b(,|$)", "a,b,c", True),
        ("(?:^a)*b", "ab", True),
        ("x*y*z*", "", True),
    ],
)
def test_the_dialect(pattern: str, text: str, *, matches: bool | None) -> None:
    if matches is None:
        with pytest.raises(ValueError, match="regular expression"):
            RegularExpression(pattern)
    else:
        assert RegularExpression(pattern).matches(text) is matches


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a", "not closed"),
        ("a)", "closes nothing"),
        ("[a", "not closed"),
        ("[]", "at least one character"),
        ("[z-a]", "lower character"),
        (r"[a-\d]", "lower character"),
        ("*a", "nothing to repeat"),
        ("a|*", "nothing to repeat"),
        ("a**", "one repetition directly behind another"),
        ("a*+", "one repetition directly behind another"),
        ("^*", "anchor"),
        ("a{2", "repetition is"),
        ("a{x}", "repetition is"),
        ("a{3,2}", "lower number first"),
        ("a{256}", "counts up to 255"),
        (r"(a)\1", "back-references"),
        (r"\bword\b", "word boundaries"),
        ("(?=a)", "look-around"),
        ("(?<!a)b", "look-around"),
        ("(?i)a", "no flags"),
        ("(?P<x>a)", r"\(\?:"),
        ("a\\", "not known"),
        (r"\xg1", "hexadecimal"),
        ("(" * 51 + ")" * 51, "nested"),
        ("(?:a{255}){255}", "too large"),
        ("a" * 1001, "at most 1000"),
    ],
)
def test_what_is_outside_of_the_dialect_is_refused_in_words(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_regular_expression(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "(a|aa)+$", "^(a*)*$", "(.*)*x", "(a*){20}b", "(?:a?){50}a{50}b", "([a-z]+)*9", "a*a*a*a*c"],
)  # fmt: skip
def test_patterns_that_make_others_backtrack_for_ever_take_one_pass(pattern: str) -> None:
    """Ten times the text takes about ten times as long; backtracking would take longer than anybody waits."""
    expression = RegularExpression(pattern)
    short, long = "a" * 2_000 + "!", "a" * 20_000 + "!"
    expression.matches(short)
    durations: list[float] = []
    for text in (short, long):
        began = time.perf_counter()
        expression.matches(text)
        durations.append(time.perf_counter() - began)
    assert durations[1] < 100 * durations[0] + 1


def test_a_text_cannot_fill_the_memory_with_states() -> None:
    expression = RegularExpression("(?:a|b)*a(?:a|b){60}c")
    text = "".join("ab"[(n * n + n // 7) % 2] for n in range(6_000))
    assert expression.matches(text) is False
    assert expression.matches(text + "a" + "b" * 60 + "c") is True
    assert len(expression._machine._states) <= 1_002
