"""Sets of characters, as regular expressions use them."""

from __future__ import annotations

import bisect
import functools
import sys
from collections.abc import Iterable
from typing import Final, Self

from cqrs_ddd_core.domain.text_matching import fold_case

__all__ = ["ANY_BUT_NEWLINE", "DIGITS", "SPACES", "WORD", "CharacterSet"]

_LAST: Final = sys.maxunicode
# Every dialect takes a backslash before these to mean the character, inside brackets and outside.
_SPECIAL: Final = frozenset("\\^$.|?*+()[]{}-/")
_NAMED: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\f": r"\f", "\v": r"\v"}


class CharacterSet:
    """An immutable set of characters, kept as ranges of code points in order."""

    __slots__ = ("_ends", "_starts", "ranges")

    ranges: tuple[tuple[int, int], ...]
    """First and last code point of each range, both included; ordered, and neither overlapping nor touching."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = merged[-1][0], max(merged[-1][1], last)
            else:
                merged.append((first, last))
        self.ranges = tuple(merged)
        self._starts = [first for first, _ in merged]
        self._ends = [last for _, last in merged]

    @classmethod
    def of(cls, characters: str) -> Self:
        return cls((ord(character), ord(character)) for character in characters)

    def __contains__(self, character: str) -> bool:
        code = ord(character)
        place = bisect.bisect_right(self._starts, code) - 1
        return place >= 0 and code <= self._ends[place]

    def __or__(self, other: CharacterSet) -> CharacterSet:
        return CharacterSet((*self.ranges, *other.ranges))

    def __invert__(self) -> CharacterSet:
        gaps: list[tuple[int, int]] = []
        free = 0
        for first, last in self.ranges:
            if free < first:
                gaps.append((free, first - 1))
            free = last + 1
        if free <= _LAST:
            gaps.append((free, _LAST))
        return CharacterSet(gaps)

    def folded(self) -> CharacterSet:
        """This set with the folded form of each of its characters added."""
        return self | CharacterSet.of("".join(lower for upper, lower in _folding() if upper in self))

    def render(self) -> str:
        """The set in the notation that Python, PostgreSQL and PCRE share."""
        if self.ranges == ((0, _LAST),):
            return r"(?:[^\n]|\n)"
        if not self.ranges:
            return r"(?:[^\n]\A)"  # a set without characters matches nothing
        first, last = self.ranges[0]
        if len(self.ranges) == 1 and first == last:
            return _character(first)
        # A set that reaches to the end of Unicode is told by what it lacks: no dialect likes ranges up to there.
        negated = self.ranges[-1][1] == _LAST
        shown = (~self).ranges if negated else self.ranges
        inside = "".join(
            _character(start) if start == end else f"{_character(start)}-{_character(end)}" for start, end in shown
        )
        return f"[^{inside}]" if negated else f"[{inside}]"


def _character(code: int) -> str:
    character = chr(code)
    if character in _SPECIAL:
        return "\\" + character
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{code:02x}" if code < 0x20 or code == 0x7F else character


@functools.cache
def _folding() -> tuple[tuple[str, str], ...]:
    """The characters that ``fold_case`` changes, and what it makes of them."""
    characters = map(chr, range(_LAST + 1))
    return tuple((upper, lower) for upper in characters if (lower := fold_case(upper)) != upper)


DIGITS: Final = CharacterSet([(ord("0"), ord("9"))])
WORD: Final = DIGITS | CharacterSet([(ord("A"), ord("Z")), (ord("a"), ord("z"))]) | CharacterSet.of("_")
SPACES: Final = CharacterSet.of(" \t\n\r\f\v")
ANY_BUT_NEWLINE: Final = ~CharacterSet.of("\n")
