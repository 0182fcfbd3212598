"""Folding, words and LIKE patterns."""

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqrs_ddd_core.domain.text_matching import LikePattern, fold_case, word_character_ranges, words

EVERY_CHARACTER = "".join(map(chr, range(sys.maxunicode + 1)))


def test_folding_changes_characters_one_by_one() -> None:
    folded = fold_case(EVERY_CHARACTER)
    assert len(folded) == len(EVERY_CHARACTER)
    assert folded == "".join(map(fold_case, EVERY_CHARACTER))


def test_folding_is_the_lower_case_form_where_that_is_one_character() -> None:
    different = [c for c in EVERY_CHARACTER if fold_case(c) != c.lower()]
    assert different == ["\u0130"]


@given(st.text("aAİΣσςßẞÄäıIK\u212a\u0301"), st.text("aAΣσς ßẞ"))  # noqa: RUF001 - these very letters
def test_folding_looks_at_no_neighbour_and_happens_once(left: str, right: str) -> None:
    assert fold_case(left + right) == fold_case(left) + fold_case(right)
    assert fold_case(fold_case(left)) == fold_case(left)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The quick, brown fox!", ("the", "quick", "brown", "fox")),
        ("e-mail it's 3.14 snake_case", ("e", "mail", "it", "s", "3", "14", "snake", "case")),
        ("Crème Brûlée", ("crème", "brûlée")),
        ("cafe\u0301 x", ("cafe\u0301", "x")),
        ("हिन्दी भाषा", ("हिन्दी", "भाषा")),
        ("Ünïcode42 ½ ٣", ("ünïcode42", "٣")),
        ("日本語 です", ("日本語", "です")),
        (" .,;\n", ()),
        ("", ()),
    ],
)
def test_words_are_runs_of_letters_marks_and_digits(text: str, expected: tuple[str, ...]) -> None:
    assert words(text) == expected


def test_the_ranges_of_word_characters_are_those_that_words_are_made_of() -> None:
    ranges = word_character_ranges()
    assert all(first <= last for first, last in ranges)
    inside = re.compile("[" + "".join(f"{re.escape(first)}-{re.escape(last)}" for first, last in ranges) + "]")
    for character in EVERY_CHARACTER[:0x3000]:
        assert bool(inside.match(character)) == bool(words(character)), hex(ord(character))


def as_regex(pattern: str) -> re.Pattern[str]:
    signs = {"%": ".*", "_": "."}
    parts = re.findall(r"\\?.", pattern, re.DOTALL)
    return re.compile("".join(signs.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)


@given(
    st.lists(st.sampled_from(["a", "b", "%", "_", "\\%", "\\_", "\\\\", "\n", "."])).map("".join), st.text("ab%_\\\n.")
)
def test_like_is_the_regular_expression_it_stands_for(pattern: str, text: str) -> None:
    assert LikePattern(pattern).matches(text) == bool(as_regex(pattern).fullmatch(text))


def test_the_pieces_of_a_pattern_are_there_for_backends() -> None:
    assert LikePattern(r"a%_\%").pieces == (("a",), (None, "%"))
    assert LikePattern("").pieces == ((),)


def test_a_backslash_at_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match="escapes nothing"):
        LikePattern("abc\\")


def test_many_wildcards_do_not_make_it_slow() -> None:
    assert not LikePattern("%a" * 200 + "b").matches("a" * 5_000)
