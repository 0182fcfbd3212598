"""How text is compared: folding of case, words, and the patterns of LIKE. One definition for memory and databases."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator

__all__ = ["LikePattern", "fold_case", "word_character_ranges", "words"]

_ASCII_WORD = re.compile(r"[a-z0-9]+")


def fold_case(text: str) -> str:
    """``text`` with every character replaced by its simple lower-case form: one character for one.

    Simple means that no character becomes two and none looks at its neighbours: U+0130 (a dotted capital I) becomes a
    plain ``i``, a capital sigma becomes U+03C3 at the end of a word too, and ``ß`` is not ``ss``. Accents count, and
    nothing is normalised: an ``é`` of one character is not an ``é`` of two.
    """
    if not text.isascii():
        # The only two characters for which Python's lower() does more than the simple mapping.
        text = text.replace("İ", "i").replace("Σ", "σ")  # noqa: RUF001 - these very characters
    return text.lower()


def words(text: str) -> tuple[str, ...]:
    """The words of a text for full-text search, folded, in order.

    A word is a longest run of letters, combining marks and decimal digits (Unicode categories L, M and Nd); everything
    else separates. There is no stemming and there are no stop words.
    """
    folded = fold_case(text)
    if folded.isascii():
        return tuple(_ASCII_WORD.findall(folded))
    return tuple("".join(run) for inside, run in itertools.groupby(folded, _is_word_character) if inside)


def word_character_ranges() -> tuple[tuple[str, str], ...]:
    """The characters that words are made of, as ranges with both ends included, for backends that spell them out."""
    return _word_character_ranges()


@functools.lru_cache(maxsize=4096)
def _is_word_character(character: str) -> bool:
    return character.isalpha() or character.isdecimal() or unicodedata.category(character)[0] == "M"


@functools.cache
def _word_character_ranges() -> tuple[tuple[str, str], ...]:
    ranges: list[tuple[str, str]] = []
    for inside, run in itertools.groupby(map(chr, range(0x110000)), _is_word_character.__wrapped__):
        if inside:
            characters = list(run)
            ranges.append((characters[0], characters[-1]))
    return tuple(ranges)


class LikePattern:
    """A pattern of LIKE: ``%`` is any run of characters, ``_`` any one, a backslash takes the next one literally.

    Raises ``ValueError`` for a backslash at the end, which would escape nothing.
    """

    __slots__ = ("pieces",)

    pieces: tuple[tuple[str | None, ...], ...]
    """What stands between the ``%``: characters, with None for any one. One piece if the pattern has no ``%``."""

    def __init__(self, pattern: str) -> None:
        pieces: list[list[str | None]] = [[]]
        characters = iter(pattern)
        for character in characters:
            if character == "%":
                pieces.append([])
            elif character == "_":
                pieces[-1].append(None)
            elif character == "\\":
                pieces[-1].append(_escaped(characters))
            else:
                pieces[-1].append(character)
        self.pieces = tuple(tuple(piece) for piece in pieces)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches. It takes time in proportion to the lengths of both at most."""
        first, *middle = self.pieces
        if not middle:
            return len(text) == len(first) and _stands_at(first, text, 0)
        last = middle.pop()
        end = len(text) - len(last)
        if end < len(first) or not _stands_at(first, text, 0) or not _stands_at(last, text, end):
            return False
        position = len(first)
        for piece in middle:
            # The leftmost place is always good enough: it leaves the most room for what follows.
            found = _find(piece, text, position, end)
            if found is None:
                return False
            position = found + len(piece)
        return True


def _escaped(characters: Iterator[str]) -> str:
    for character in characters:
        return character
    raise ValueError("the pattern ends in a backslash, which escapes nothing: write two for one")


def _stands_at(piece: tuple[str | None, ...], text: str, position: int) -> bool:
    return all(wanted is None or wanted == text[position + offset] for offset, wanted in enumerate(piece))


def _find(piece: tuple[str | None, ...], text: str, start: int, end: int) -> int | None:
    if None not in piece:
        found = text.find("".join(filter(None, piece)), start, end)
        return None if found < 0 else found
    return next((place for place in range(start, end - len(piece) + 1) if _stands_at(piece, text, place)), None)
