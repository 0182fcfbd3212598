r"""Regular expressions that mean the same everywhere and never take long.

The dialect is what Python, PostgreSQL and PCRE have in common, as far as it describes a regular language: characters,
``.`` (any but a newline), classes such as ``[a-z]`` and ``[^0-9]``, ``\d \w \s`` and their opposites (ASCII), groups
``(…)`` and ``(?:…)``, ``|``, ``? * + {n} {n,} {n,m}``, and ``^`` and ``$`` for the start and end of the whole text.
Backreferences, look-around, word boundaries and inline flags are refused. Without them a text is matched in one pass,
whatever the pattern: no pattern can make it backtrack.
"""

from __future__ import annotations

import functools
import string
from dataclasses import dataclass
from typing import Final, Literal

from cqrs_ddd_core.domain.character_set import ANY_BUT_NEWLINE, DIGITS, SPACES, WORD, CharacterSet
from cqrs_ddd_core.domain.text_matching import fold_case

__all__ = ["RegularExpression", "parse_regular_expression"]

_LONGEST_PATTERN: Final = 1000
_DEEPEST_NESTING: Final = 50
_HIGHEST_COUNT: Final = 255
"""The most that PostgreSQL takes in braces."""
_MOST_STEPS: Final = 500
_MOST_STATES: Final = 1000
"""States kept of one expression; more are computed anew, so that a text cannot fill the memory."""

_CLASSES: Final = {"d": DIGITS, "w": WORD, "s": SPACES, "D": ~DIGITS, "W": ~WORD, "S": ~SPACES}
_NAMED: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
_SIMPLE_COUNTS: Final[dict[str, tuple[int, int | None]]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}

# ---------------------------------------------------------------------------------------------------- the tree


@dataclass(frozen=True, slots=True)
class _Anchor:
    where: Literal["start", "end"]


@dataclass(frozen=True, slots=True)
class _Sequence:
    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    part: _Node
    least: int
    most: int | None


type _Node = CharacterSet | _Anchor | _Sequence | _Choice | _Repeat


class _Parser:
    """Recursive descent over the pattern. Raises ``ValueError`` that says what is wrong, and where (1-based)."""

    def __init__(self, pattern: str, *, fold: bool) -> None:
        self._pattern, self._fold, self._position, self._depth = pattern, fold, 0, 0

    def parse(self) -> _Node:
        node = self._choice()
        if self._position < len(self._pattern):
            raise self._problem("this ')' closes nothing: write \\) for the character")
        return node

    def _problem(self, text: str) -> ValueError:
        return ValueError(f"{text} (at character {self._position + 1} of the regular expression)")

    def _next(self) -> str:
        """The next character, not yet taken; empty at the end."""
        return self._pattern[self._position : self._position + 1]

    def _take(self) -> str:
        character = self._next()
        self._position += 1
        return character

    def _choice(self) -> _Node:
        parts = [self._sequence()]
        while self._next() == "|":
            self._position += 1
            parts.append(self._sequence())
        sets = [part for part in parts if isinstance(part, CharacterSet)]
        if len(sets) == len(parts):
            return functools.reduce(CharacterSet.__or__, sets)  # a|b is [ab]
        return _Choice(tuple(parts))

    def _sequence(self) -> _Node:
        parts: list[_Node] = []
        while self._next() not in {"", "|", ")"}:
            parts.append(self._counted(self._atom()))
        return parts[0] if len(parts) == 1 else _Sequence(tuple(parts))

    def _counted(self, part: _Node) -> _Node:
        count = self._count()
        if count is None:
            return part
        if isinstance(part, _Anchor):
            raise self._problem("an anchor cannot be repeated")
        if self._next() == "?":
            self._position += 1  # as few as possible: what matches is the same
        if self._next() == "+" or self._count() is not None:
            raise self._problem("one repetition directly behind another: put the first into a group (?:…)")
        return _Repeat(part, *count)

    def _count(self) -> tuple[int, int | None] | None:
        sign = self._next()
        if sign in _SIMPLE_COUNTS:
            self._position += 1
            return _SIMPLE_COUNTS[sign]
        if sign != "{":
            return None
        inside, closed, _rest = self._pattern[self._position + 1 :].partition("}")
        lowest, comma, highest = inside.partition(",")
        if not closed or not _is_number(lowest) or not (highest == "" or _is_number(highest)):
            raise self._problem("a repetition is {n}, {n,} or {n,m}: write \\{ for the character")
        least = int(lowest)
        most = None if comma and not highest else int(highest or lowest)
        if max(least, most or 0) > _HIGHEST_COUNT or (most is not None and most < least):
            raise self._problem(f"a repetition counts up to {_HIGHEST_COUNT}, the lower number first")
        self._position += len(inside) + 2
        return least, most

    def _atom(self) -> _Node:
        character = self._take()
        match character:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return ANY_BUT_NEWLINE
            case "^":
                return _Anchor("start")
            case "$":
                return _Anchor("end")
            case "\\":
                return self._escape_outside()
            case "*" | "+" | "?" | "{":
                self._position -= 1
                raise self._problem(f"nothing to repeat: write \\{character} for the character")
            case _:
                return self._folded(CharacterSet.of(character))

    def _group(self) -> _Node:
        if self._next() == "?":
            if self._pattern[self._position : self._position + 2] != "?:":
                raise self._problem("of the groups that begin with '(?' only '(?:' is known: no look-around, no flags")
            self._position += 2
        self._depth += 1
        if self._depth > _DEEPEST_NESTING:
            raise self._problem(f"groups are nested at most {_DEEPEST_NESTING} deep")
        node = self._choice()
        if self._take() != ")":
            raise self._problem("a group is not closed: ')' is missing")
        self._depth -= 1
        return node

    def _escape_outside(self) -> _Node:
        if self._next() == "A":
            self._position += 1
            return _Anchor("start")
        if self._next() in {"Z", "z"}:
            self._position += 1
            return _Anchor("end")
        found = self._escape()
        return found if isinstance(found, CharacterSet) else self._folded(CharacterSet.of(found))

    def _escape(self) -> CharacterSet | str:
        """What the escape means whose backslash was just taken: a class, or one character."""
        character = self._take()
        if character in _CLASSES:
            return _CLASSES[character]
        if character in _NAMED:
            return _NAMED[character]
        if character in {"x", "u"}:
            digits = self._pattern[self._position : self._position + (2 if character == "x" else 4)]
            if len(digits) != (2 if character == "x" else 4) or not all(
                digit in "0123456789abcdefABCDEF" for digit in digits
            ):
                raise self._problem("\\x takes two and \\u four hexadecimal digits")
            self._position += len(digits)
            return chr(int(digits, 16))
        if character and character.isascii() and not character.isalnum():
            return character
        self._position -= 1
        raise self._problem(
            f"\\{character} is not known: no back-references, no word boundaries; \\d \\w \\s, \\n \\t \\r, \\xhh and "
            "a backslash before a punctuation mark are"
        )

    def _hexadecimal(self, count: int) -> str:
        digits = self._pattern[self._position : self._position + count]
        if len(digits) != count or not set(digits) <= set(string.hexdigits):
            raise self._problem("\\x takes two and \\u four hexadecimal digits")
        self._position += count
        return chr(int(digits, 16))

    def _class(self) -> CharacterSet:
        negated = self._next() == "^"
        if negated:
            self._position += 1
        found = CharacterSet(())
        while self._next() != "]":
            found |= self._class_item()
        self._position += 1
        if not found.ranges:
            raise self._problem("a class [ ] has at least one character: write \\] for a bracket in it")
        # Folded before it is turned round: what is not an A is, folded, not an a.
        found = self._folded(found)
        return ~found if negated else found

    def _class_item(self) -> CharacterSet:
        first = self._class_member()
        if isinstance(first, CharacterSet):
            return first
        if self._next() != "-" or self._pattern[self._position + 1 : self._position + 2] in {"]", ""}:
            return CharacterSet.of(first)
        self._position += 1
        last = self._class_member()
        if isinstance(last, CharacterSet) or last < first:
            raise self._problem("a range goes from a lower character to a higher one: write \\- for the character")
        return CharacterSet([(ord(first), ord(last))])

    def _class_member(self) -> CharacterSet | str:
        character = self._take()
        if not character:
            raise self._problem("a class is not closed: ']' is missing")
        if character == "[":
            raise self._problem("a '[' inside a class is written \\[")
        return self._escape() if character == "\\" else character

    def _folded(self, found: CharacterSet) -> CharacterSet:
        return found.folded() if self._fold else found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3  # more digits would be refused as too high a number


# ------------------------------------------------------------------------------------------------- the machine


@dataclass(frozen=True, slots=True)
class _Eat:
    """One character of a set, then the step with the next number."""

    characters: CharacterSet


@dataclass(frozen=True, slots=True)
class _Fork:
    """Go on at each of these steps."""

    targets: tuple[int, ...]


type _Step = _Eat | _Fork | _Anchor | None
"""None: everything has matched."""


class _Compiler:
    """Turns the tree into steps. Raises ``ValueError`` when they are too many."""

    def __init__(self) -> None:
        self.steps: list[_Step] = []

    def add(self, step: _Step) -> int:
        if len(self.steps) >= _MOST_STEPS:
            raise ValueError(
                f"the regular expression is too large: at most {_MOST_STEPS} steps, repetitions written out"
            )
        self.steps.append(step)
        return len(self.steps) - 1

    def compile(self, node: _Node) -> None:
        match node:
            case CharacterSet():
                self.add(_Eat(node))
            case _Anchor():
                self.add(node)
            case _Sequence(parts):
                for part in parts:
                    self.compile(part)
            case _Choice(parts):
                self._choice(parts)
            case _Repeat(part, least, most):
                for _ in range(least):
                    self.compile(part)
                if most is None:
                    self._any_number(part)
                else:
                    self._at_most(part, most - least)

    def _choice(self, parts: tuple[_Node, ...]) -> None:
        fork = self.add(None)
        starts: list[int] = []
        ends: list[int] = []
        for part in parts:
            starts.append(len(self.steps))
            self.compile(part)
            ends.append(self.add(None))
        self.steps[fork] = _Fork(tuple(starts))
        for end in ends:
            self.steps[end] = _Fork((len(self.steps),))

    def _any_number(self, part: _Node) -> None:
        fork = self.add(None)
        self.compile(part)
        self.add(_Fork((fork,)))
        self.steps[fork] = _Fork((fork + 1, len(self.steps)))

    def _at_most(self, part: _Node, times: int) -> None:
        forks: list[int] = []
        for _ in range(times):
            forks.append(self.add(None))
            self.compile(part)
        for fork in forks:
            self.steps[fork] = _Fork((fork + 1, len(self.steps)))


class _State:
    """Where one may be in the steps after some text."""

    __slots__ = ("eating", "following", "matched", "matched_at_end")

    def __init__(self, eating: frozenset[int], *, matched: bool, matched_at_end: bool) -> None:
        self.eating, self.matched, self.matched_at_end = eating, matched, matched_at_end
        self.following: dict[str, _State] = {}


class _Machine:
    """All ways through the steps at once: one look at each character, whatever the pattern."""

    def __init__(self, node: _Node) -> None:
        compiler = _Compiler()
        compiler.compile(node)
        compiler.add(None)
        self._steps = tuple(compiler.steps)
        self._states: dict[tuple[frozenset[int], bool, bool], _State] = {}
        self._begin = self._state([0], at_start=True)
        # The expression may begin to match at any later place too.
        self._restart = self._state([0], at_start=False)

    def search(self, text: str) -> bool:
        state = self._begin
        for character in text:
            if state.matched:
                return True
            following = state.following.get(character)
            state = self._follow(state, character) if following is None else following
        return state.matched_at_end

    def _follow(self, state: _State, character: str) -> _State:
        if len(self._states) > _MOST_STATES:
            for known in self._states.values():
                known.following.clear()
            self._states.clear()
        places = [place + 1 for place in state.eating if character in self._eat(place)]
        following = state.following[character] = self._state([0, *places], at_start=False)
        return following

    def _eat(self, place: int) -> CharacterSet:
        step = self._steps[place]
        assert isinstance(step, _Eat)
        return step.characters

    def _state(self, places: list[int], *, at_start: bool) -> _State:
        eating, matched = self._reach(places, at_start=at_start, at_end=False)
        _, matched_at_end = self._reach(places, at_start=at_start, at_end=True)
        key = (eating, matched, matched_at_end)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(eating, matched=matched, matched_at_end=matched_at_end)
        return state

    def _reach(self, places: list[int], *, at_start: bool, at_end: bool) -> tuple[frozenset[int], bool]:
        """The steps that eat, reached without eating; and whether everything has matched."""
        seen: set[int] = set()
        eating: set[int] = set()
        matched = False
        waiting = list(places)
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            match self._steps[place]:
                case None:
                    matched = True
                case _Eat():
                    eating.add(place)
                case _Fork(targets):
                    waiting += targets
                case _Anchor(where):
                    if at_start if where == "start" else at_end:
                        waiting.append(place + 1)
        return frozenset(eating), matched


# ------------------------------------------------------------------------------------------------- the outside


class RegularExpression:
    """A pattern of the dialect above. Made by ``parse_regular_expression``."""

    __slots__ = ("_machine", "_node", "ignore_case", "pattern")

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        if len(pattern) > _LONGEST_PATTERN:
            raise ValueError(f"a regular expression has at most {_LONGEST_PATTERN} characters, found {len(pattern)}")
        self.pattern, self.ignore_case = pattern, ignore_case
        self._node = _Parser(pattern, fold=ignore_case).parse()
        self._machine = _Machine(self._node)

    def __repr__(self) -> str:
        return f"RegularExpression({self.pattern!r}, ignore_case={self.ignore_case})"

    def matches(self, text: str) -> bool:
        """Whether some part of the text matches. The time grows with the length of the text, and not faster."""
        return self._machine.search(fold_case(text) if self.ignore_case else text)

    def render(self, *, start: str = r"\A", end: str = r"\Z") -> str:
        r"""The pattern for another engine, in notation that Python, PostgreSQL and PCRE read alike.

        With ``ignore_case`` it is for a text that ``fold_case`` or its equivalent has folded, and is to be matched with
        regard to case. ``end`` is how the engine writes the very end of the text: PCRE wants ``\z``.
        """
        return _render(self._node, {"start": start, "end": end})


@functools.lru_cache(maxsize=256)
def parse_regular_expression(pattern: str, *, ignore_case: bool = False) -> RegularExpression:
    """Read a pattern. Raises ``ValueError`` for one that is ill-formed, too large or outside of the dialect."""
    return RegularExpression(pattern, ignore_case=ignore_case)


def _render(node: _Node, anchors: dict[str, str]) -> str:
    match node:
        case CharacterSet():
            return node.render()
        case _Anchor(where):
            return anchors[where]
        case _Sequence(parts):
            return "".join(_render(part, anchors) for part in parts)
        case _Choice(parts):
            return "(?:" + "|".join(_render(part, anchors) for part in parts) + ")"
        case _Repeat(part, least, most):
            inside = _render(part, anchors)
            if not isinstance(part, CharacterSet):
                inside = f"(?:{inside})"
            return inside + _render_count(least, most)


def _render_count(least: int, most: int | None) -> str:
    match least, most:
        case 0, None:
            return "*"
        case 1, None:
            return "+"
        case 0, 1:
            return "?"
        case _, None:
            return f"{{{least},}}"
        case _:
            return f"{{{least},{most}}}"
