"""What each operator means, as a table: for which values of a field a condition holds, and for which not.

The contract of specifications runs it against every adapter, and the documentation shows it. Null stands for a missing
value too. Where a path leads into something, the values are those of its first step.
"""

# ruff: noqa: E501, RUF001 - a table has long lines, and letters that look like others are in it to be told apart

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from cqrs_ddd_core.domain.condition import Condition, SpecificationOperator
from cqrs_ddd_core.domain.spatial import Geometry
from cqrs_ddd_core.testing.specification_sample import SampleAddress, SampleColour, SampleLine

__all__ = ["NONSENSE", "ODD_TEXTS", "TRUTH_TABLE", "UNREACHABLE", "Truth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One line of the table."""

    condition: Condition
    holds: tuple[Any, ...]
    fails: tuple[Any, ...]
    because: str = ""
    """What the line is there to show."""
    digits: int = 15
    """How many significant digits a store has to keep of a decimal number for it."""

    @property
    def root(self) -> str:
        """The field that has the values."""
        return self.condition.field.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.condition.field} {self.condition.operator} {self.condition.value!r}"


_O = SpecificationOperator


def _truth(  # noqa: PLR0917 - a line of a table reads from left to right
    field: str,
    operator: SpecificationOperator,
    value: Any,
    holds: Sequence[Any],
    fails: Sequence[Any],
    because: str = "",
    digits: int = 15,
) -> Truth:
    condition = Condition(field, operator, value)
    return Truth(condition=condition, holds=tuple(holds), fails=tuple(fails), because=because, digits=digits)


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]  # year, month, day and so on


_EAST = timezone(timedelta(hours=2))
_KEY = UUID("0191a1b0-0000-7000-8000-00000000000a")
_LATER_KEY = UUID("0191a1b0-0000-7000-8000-0000000000ff")


def _point(x: float, y: float) -> Geometry:
    return Geometry(type="Point", coordinates=[x, y])


def _square(x: float, y: float, side: float) -> Geometry:
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return Geometry(type="Polygon", coordinates=[ring])


def _line(*points: tuple[float, float]) -> Geometry:
    return Geometry(type="LineString", coordinates=[list(point) for point in points])


_EQUALITY = (
    _truth("text", _O.EQ, "abc", ["abc"], ["ABC", "abc ", "ab", "", None], "case and spaces count"),
    _truth("text", _O.EQ, "", [""], [" ", "a", None], "an empty text is not null"),
    _truth("text", _O.EQ, "é", ["é"], ["e\u0301", "e", "É", None], "nothing is normalised: one character is not two"),
    _truth("text", _O.EQ, None, [None], ["", "None", "null"], "null equals null"),
    _truth("text", _O.NE, None, ["", "null"], [None]),
    _truth("text", _O.NE, "abc", ["ABC", "", None], ["abc"], "null is different from any value"),
    _truth("number", _O.EQ, 5, [5], [4, 50, 0, None]),
    _truth("number", _O.EQ, "5", [5], [55, None], "text is read as the number it says"),
    _truth("number", _O.EQ, 5.0, [5], [4, None]),
    _truth("number", _O.EQ, 2**53 + 1, [2**53 + 1], [2**53, None], "whole numbers are exact"),
    _truth("number", _O.EQ, 0, [0], [1, None], "zero is not null"),
    _truth("number", _O.NE, 0, [1, -1, None], [0]),
    _truth("ratio", _O.EQ, Decimal("0.1"), [0.1], [0.2, None], "a float is what its shortest text says"),
    _truth("ratio", _O.EQ, 3, [3.0], [3.5, None]),
    _truth("amount", _O.EQ, "9.9", [Decimal("9.90"), Decimal("9.9")], [Decimal("9.91"), None], "zeros at the end"),
    _truth("amount", _O.EQ, 0.1, [Decimal("0.1")], [Decimal("0.11"), None]),
    _truth("amount", _O.EQ, 7, [Decimal("7.00")], [Decimal("7.01"), Decimal(70), None]),
    _truth(
        "amount",
        _O.EQ,
        "0.1234567890123456789",
        [Decimal("0.1234567890123456789")],
        [Decimal("0.1234567890123456788"), None],
        "decimals are exact",
        digits=19,
    ),
    _truth("flag", _O.EQ, True, [True], [False, None]),
    _truth("flag", _O.EQ, "false", [False], [True, None]),
    _truth("flag", _O.NE, True, [False, None], [True]),
    _truth(
        "moment",
        _O.EQ,
        "2024-05-01T12:00:00Z",
        [_utc(2024, 5, 1, 12), datetime(2024, 5, 1, 14, tzinfo=_EAST), datetime(2024, 5, 1, 12)],  # noqa: DTZ001 - naive is the point
        [_utc(2024, 5, 1, 14), _utc(2024, 5, 1, 12, 0, 0, 1), None],
        "the same moment in any zone; a time without zone is in UTC",
    ),
    _truth(
        "moment", _O.EQ, datetime(2024, 5, 1, 1, tzinfo=_EAST), [_utc(2024, 4, 30, 23)], [_utc(2024, 5, 1, 1), None]
    ),
    _truth("day", _O.EQ, "2024-05-01", [date(2024, 5, 1)], [date(2024, 5, 2), None]),
    _truth("clock", _O.EQ, "12:30", [time(12, 30)], [time(12, 30, 1), time(0, 30), None]),
    _truth("span", _O.EQ, "PT90M", [timedelta(hours=1, minutes=30)], [timedelta(hours=1), None]),
    _truth("span", _O.EQ, "1d 12h", [timedelta(hours=36)], [timedelta(hours=24), None]),
    _truth("key", _O.EQ, str(_KEY).upper(), [_KEY], [_LATER_KEY, None], "a UUID in any spelling"),
    _truth("colour", _O.EQ, "red", [SampleColour.RED], [SampleColour.GREEN, None]),
    _truth("colour", _O.EQ, SampleColour.RED, [SampleColour.RED], [SampleColour.BLUE, None]),
    _truth("tags", _O.EQ, ["a", "b"], [["a", "b"]], [["b", "a"], ["a"], ["a", "b", "b"], [], None], "the order counts"),
    _truth("tags", _O.EQ, [], [[]], [["a"], None], "an empty list is not null"),
    _truth("numbers", _O.EQ, [1, 2], [[1, 2]], [[2, 1], [1], None]),
    _truth(
        "address",
        _O.EQ,
        {"city": "Oslo", "floor": 2},
        [SampleAddress(city="Oslo", floor=2)],
        [SampleAddress(city="Oslo"), SampleAddress(city="Rome", floor=2), None],
    ),
    _truth("address.city", _O.EQ, "Oslo", [SampleAddress(city="Oslo")], [SampleAddress(city="oslo"), None]),
    _truth("address.floor", _O.EQ, None, [SampleAddress(city="Oslo"), None], [SampleAddress(city="Oslo", floor=0)]),
    _truth(
        "lines.sku",
        _O.EQ,
        "b",
        [[SampleLine(sku="a"), SampleLine(sku="b")]],
        [[SampleLine(sku="a")], [], None],
        "through a list: one of its items",
    ),
    _truth(
        "lines.sku",
        _O.NE,
        "b",
        [[SampleLine(sku="a")], [], None],
        [[SampleLine(sku="a"), SampleLine(sku="b")]],
        "through a list: none of its items",
    ),
    _truth("data", _O.EQ, 5, [5, 5.0], ["5", True, [5], {"a": 5}, 6, None], "not declared: JSON kinds stay apart"),
    _truth("data", _O.EQ, 1, [1, 1.0], [True, "1", None], "a bool is no number"),
    _truth("data", _O.EQ, True, [True], [1, "true", False, None]),
    _truth("data", _O.EQ, "5", ["5"], [5, ["5"], None], "a number is no text"),
    _truth("data", _O.EQ, Decimal("0.5"), [0.5], ["0.5", None]),
    _truth("data", _O.EQ, [1, "a"], [[1, "a"], [1.0, "a"]], [[1], ["a", 1], '[1, "a"]', None]),
    _truth("data", _O.EQ, {"a": 1, "b": None}, [{"b": None, "a": 1}], [{"a": 1}, {"a": "1", "b": None}, None]),
    _truth("data.priority", _O.EQ, 5, [{"priority": 5}], [{"priority": "5"}, {"Priority": 5}, {}, 5, [], None]),
    _truth("data.priority", _O.EQ, None, [{"priority": None}, {}, "text", 5, [], None], [{"priority": 0}]),
    _truth("data.priority", _O.NE, 5, [{"priority": "5"}, {}, None], [{"priority": 5}]),
    _truth(
        "data.a.b",
        _O.EQ,
        1,
        [{"a": {"b": 1}}, {"a": [{"b": 0}, {"b": 1}]}, [{"a": {"b": 1}}]],
        [{"a": {"b": [1]}}, {"a": [[{"b": 1}]]}, {"a": 1}, {"a.b": 1}, None],
        "a list stands for its items, a list in a list does not",
    ),
)

_SETS = (
    _truth("text", _O.IN, ["a", "b"], ["a", "b"], ["c", "A", "", None]),
    _truth("text", _O.IN, [], [], ["a", "", None], "nothing is in an empty list"),
    _truth("text", _O.IN, ["a", None], ["a", None], ["b", ""], "null may be one of them"),
    _truth("text", _O.NOT_IN, ["a", "b"], ["c", "", None], ["a", "b"]),
    _truth("text", _O.NOT_IN, [], ["a", "", None], []),
    _truth("text", _O.NOT_IN, ["a", None], ["b", ""], ["a", None]),
    _truth("number", _O.IN, [1, "2"], [1, 2], [3, None]),
    _truth("amount", _O.IN, [1, "2.5"], [Decimal("1.00"), Decimal("2.5")], [Decimal(2), None]),
    _truth("moment", _O.IN, ["2024-05-01"], [_utc(2024, 5, 1)], [_utc(2024, 5, 1, 1), None]),
    _truth("colour", _O.IN, ["red", "blue"], [SampleColour.RED], [SampleColour.GREEN, None]),
    _truth("key", _O.IN, [str(_KEY)], [_KEY], [_LATER_KEY, None]),
    _truth("data", _O.IN, [1, "a", True], [1, "a", True], ["1", "A", False, 2, None]),
    _truth("lines.quantity", _O.IN, [2, 3], [[SampleLine(sku="a", quantity=3)]], [[SampleLine(sku="a")], [], None]),
    _truth("lines.quantity", _O.NOT_IN, [2, 3], [[SampleLine(sku="a")], None], [[SampleLine(sku="a", quantity=3)]]),
    _truth("tags", _O.CONTAINS, "a", [["a"], ["b", "a"]], [["A"], ["ab"], [], None], "the list has this item"),
    _truth("tags", _O.CONTAINS_ANY, ["a", "b"], [["b"], ["c", "a"]], [["c"], ["A"], [], None]),
    _truth("tags", _O.CONTAINS_ANY, [], [], [["a"], [], None]),
    _truth("tags", _O.CONTAINS_ALL, ["a", "b"], [["b", "a"], ["a", "b", "c"]], [["a"], [], None]),
    _truth("tags", _O.CONTAINS_ALL, [], [["a"], []], [None], "any list has all of nothing"),
    _truth("tags", _O.CONTAINS_ALL, ["a", "a"], [["a"]], [["b"], None], "once is enough"),
    _truth("numbers", _O.CONTAINS, 1, [[1], [2, 1]], [[11], [], None]),
    _truth("numbers", _O.CONTAINS_ANY, [1, "2"], [[2]], [[3], None]),
    _truth("data", _O.CONTAINS, 1, [[1], [1.0]], [["1"], [True], [[1]], 1, {"a": 1}, None]),
    _truth("data.tags", _O.CONTAINS_ANY, ["x"], [{"tags": ["x", 1]}], [{"tags": "x"}, {"tags": {"x": 1}}, {}, None]),
    _truth("data.tags", _O.CONTAINS_ALL, ["x", 1], [{"tags": [1, "x"]}], [{"tags": ["x"]}, {"tags": ["x", "1"]}, None]),
)

_ORDER = (
    _truth("number", _O.GT, 5, [6, 2**40], [5, 4, -6, None]),
    _truth("number", _O.GE, 5, [5, 6], [4, None]),
    _truth("number", _O.LT, 5, [4, -6, 0], [5, 6, None], "null is not less than anything"),
    _truth("number", _O.LE, 5, [5, 4], [6, None]),
    _truth("ratio", _O.GT, 1, [1.5, 1e10], [1.0, 0.5, -2.0, None]),
    _truth("amount", _O.LT, "10", [Decimal("9.99"), Decimal(2)], [Decimal(10), Decimal(100), None], "not as texts"),
    _truth(
        "amount",
        _O.GT,
        "12345678901234567.89",
        [Decimal("12345678901234567.90")],
        [Decimal("12345678901234567.89"), None],
        digits=19,
    ),
    _truth("text", _O.GT, "b", ["ba", "c", "ä", "é"], ["b", "a", "B", "", None], "by code points: capitals come first"),
    _truth("text", _O.LT, "a", ["B", "", " ", "9"], ["a", "b", "ä", None]),
    _truth("text", _O.GE, "10", ["9", "10", "1a"], ["1", "", None], "texts are not numbers"),
    _truth("text", _O.LT, "\uffff", ["a", "é"], ["\U0001f600", None], "by code points, not by code units"),
    _truth(
        "moment",
        _O.GT,
        "2024-05-01",
        [_utc(2024, 5, 1, 0, 0, 0, 1), datetime(2024, 5, 1, 3, tzinfo=_EAST)],
        [_utc(2024, 5, 1), datetime(2024, 5, 1, 1, tzinfo=_EAST), None],
        "a day is its first moment in UTC",
    ),
    _truth("day", _O.LE, date(2024, 5, 1), [date(2024, 5, 1), date(1999, 12, 31)], [date(2024, 5, 2), None]),
    _truth("clock", _O.LT, "12:00", [time(9, 5), time(11, 59, 59)], [time(12), time(23), None]),
    _truth("span", _O.GT, "1h", [timedelta(days=1), timedelta(minutes=61)], [timedelta(hours=1), timedelta(0), None]),
    _truth("key", _O.GT, _KEY, [_LATER_KEY], [_KEY, None]),
    _truth(
        "colour", _O.GT, "green", [SampleColour.RED], [SampleColour.BLUE, SampleColour.GREEN, None], "as their values"
    ),
    _truth("data", _O.GT, 5, [6, 5.5], [5, "6", True, [6], {"a": 6}, None]),
    _truth("data", _O.GT, "b", ["c"], ["a", 5, None, ["c"], True]),
    _truth("data.priority", _O.GT, 5, [{"priority": 5.1}], [{"priority": 5}, {"priority": "9"}, {}, None]),
    _truth(
        "lines.quantity",
        _O.GT,
        5,
        [[SampleLine(sku="a"), SampleLine(sku="b", quantity=6)]],
        [[SampleLine(sku="a")], None],
    ),
    _truth("number", _O.BETWEEN, [1, 5], [1, 3, 5], [0, 6, None], "both bounds are included"),
    _truth("number", _O.BETWEEN, [5, 1], [], [1, 3, 5, None], "bounds in the wrong order have nothing between them"),
    _truth("number", _O.NOT_BETWEEN, [1, 5], [0, 6], [1, 3, 5, None], "null is not outside either"),
    _truth("number", _O.NOT_BETWEEN, [5, 1], [1, 3, 5], [None]),
    _truth("text", _O.BETWEEN, ["a", "c"], ["a", "b", "bz", "c"], ["cc", "B", "", None]),
    _truth("amount", _O.BETWEEN, ["0.5", 10], [Decimal("0.50"), Decimal(9)], [Decimal("0.4"), Decimal("10.1"), None]),
    _truth(
        "moment",
        _O.BETWEEN,
        ["2024-01-01", "2024-12-31"],
        [_utc(2024, 1, 1), _utc(2024, 6, 1), _utc(2024, 12, 31)],
        [_utc(2023, 12, 31, 23), _utc(2024, 12, 31, 1), None],
        "the last day ends as it begins",
    ),
    _truth("day", _O.BETWEEN, ["2024-01-01", "2024-01-31"], [date(2024, 1, 31)], [date(2024, 2, 1), None]),
    _truth("data", _O.BETWEEN, [1, 5], [1, 2.5, 5], [0, "3", True, None]),
    _truth("data", _O.NOT_BETWEEN, [1, 5], [0, 5.5], [3, "9", True, [9], None]),
)

_TEXT = (
    _truth("text", _O.LIKE, "a%", ["a", "abc", "a\nb"], ["Abc", "ba", "", None]),
    _truth("text", _O.LIKE, "a_c", ["abc", "aéc", "a\U0001f600c", "a\nc"], ["ac", "abbc", "ABC", None], "one character"),
    _truth("text", _O.LIKE, "%b%", ["b", "abc"], ["ac", "B", "", None]),
    _truth("text", _O.LIKE, "%", ["", "a", "\n"], [None]),
    _truth("text", _O.LIKE, "", [""], ["a", None]),
    _truth("text", _O.LIKE, r"100\%", ["100%"], ["100", "1000", "100\\", None], "a backslash makes a sign literal"),
    _truth("text", _O.LIKE, r"a\\b", ["a\\b"], ["ab", "a\\\\b", None]),
    _truth("text", _O.LIKE, r"a\_b", ["a_b"], ["axb", None]),
    _truth("text", _O.NOT_LIKE, "a%", ["ba", "", "Abc"], ["a", "abc", None], "null is not unlike either"),
    _truth("text", _O.ILIKE, "Ä%B", ["äb", "Äxb", "ÄB"], ["ab", "äbc", None]),
    _truth("text", _O.CONTAINS, "b", ["b", "abc"], ["ac", "B", "", None]),
    _truth("text", _O.CONTAINS, "", ["", "a"], [None], "every text contains the empty one"),
    _truth("text", _O.CONTAINS, "%", ["50%"], ["50", None], "no sign is special"),
    _truth("text", _O.CONTAINS, "_", ["a_b"], ["ab", None]),
    _truth("text", _O.CONTAINS, "\\", ["a\\b"], ["ab", None]),
    _truth("text", _O.ICONTAINS, "ÉTÉ", ["l'été", "ÉTÉ"], ["ete", "e\u0301te\u0301", None], "accents count"),
    _truth("text", _O.ICONTAINS, "straße", ["STRAßE", "Straße"], ["STRASSE", None], "one character for one"),
    _truth("text", _O.ICONTAINS, "ΟΔΟΣ", ["οδοσ", "ΟΔΟΣ"], ["οδος", None], "a sigma at the end of a word is its own"),
    _truth("text", _O.ICONTAINS, "i", ["I", "İ", "i"], ["ı", None], "a dotted capital I is an i, a dotless i is not"),
    _truth("text", _O.ICONTAINS, "ПРИВЕТ", ["Привет, мир"], ["привeт", None]),
    _truth("text", _O.STARTSWITH, "Pre", ["Premium", "Pre"], ["premium", "A Premium", "", None]),
    _truth("text", _O.STARTSWITH, "a%", ["a%b"], ["ab", None]),
    _truth("text", _O.STARTSWITH, "", ["", "a"], [None]),
    _truth("text", _O.ISTARTSWITH, "pRE", ["Premium", "PRE"], ["A Premium", None]),
    _truth("text", _O.ENDSWITH, ".pdf", ["a.pdf", ".pdf"], ["a.PDF", "a.pdf ", "apdf", None]),
    _truth("text", _O.IENDSWITH, ".pdf", ["a.PDF"], ["a.pdf.", None]),
    _truth("text", _O.REGEX, "b+", ["abc", "b"], ["a", "B", "", None], "some part of the text"),
    _truth("text", _O.REGEX, "^a.c$", ["abc", "aéc"], ["xabc", "abcx", "a\nc", "abc\n", None], "the dot is no newline"),
    _truth("text", _O.REGEX, r"^\d{2,3}$", ["12", "123"], ["1", "1234", "٣٤", None], "digits are 0 to 9"),
    _truth("text", _O.REGEX, r"^(foo|bar)[^0-9]?$", ["foo", "bar!"], ["foo1", "foobar", None]),
    _truth("text", _O.REGEX, r"\.", ["a.b"], ["ab", "", None]),
    _truth("text", _O.REGEX, "^$", [""], ["a", "\n", None]),
    _truth("text", _O.REGEX, "(a+)+$", ["aa", "baa"], ["a" * 40 + "b", None], "and it takes no longer for that"),
    _truth("text", _O.IREGEX, "^[Ä-Ö]bc$", ["äBC", "ÖBC"], ["abc", None]),
    _truth("text", _O.IREGEX, "^[^A]$", ["b", "é"], ["a", "A", "", None]),
    _truth("address.city", _O.ICONTAINS, "OS", [SampleAddress(city="Oslo")], [SampleAddress(city="Rome"), None]),
    _truth("lines.note", _O.STARTSWITH, "x", [[SampleLine(sku="a"), SampleLine(sku="b", note="xy")]], [[SampleLine(sku="x")], [], None]),
    _truth("colour", _O.STARTSWITH, "r", [SampleColour.RED], [SampleColour.GREEN, None]),
    _truth("colour", _O.CONTAINS, "ee", [SampleColour.GREEN], [SampleColour.RED, None], "part of a value of an enum"),
    _truth("data", _O.LIKE, "a%", ["abc"], [["abc"], {"a": 1}, 1, True, None], "text only"),
    _truth("data", _O.NOT_LIKE, "a%", ["b"], ["abc", ["b"], 1, None]),
    _truth("data.name", _O.CONTAINS, "b", [{"name": "abc"}, {"name": ["b"]}], [{"name": ["abc"]}, {"name": 1}, {}, None]),
)  # fmt: skip

_NULL = (
    _truth("text", _O.IS_NULL, None, [None], ["", "null"]),
    _truth("text", _O.IS_NOT_NULL, None, ["", "a"], [None]),
    _truth("text", _O.IS_EMPTY, None, [None, ""], [" ", "a"], "a text of spaces is not empty"),
    _truth("text", _O.IS_NOT_EMPTY, None, [" ", "a"], [None, ""]),
    _truth("number", _O.IS_EMPTY, None, [None], [0, 1], "zero is not empty"),
    _truth("flag", _O.IS_EMPTY, None, [None], [False, True], "nor is false"),
    _truth("moment", _O.IS_NULL, None, [None], [_utc(2024, 1, 1)]),
    _truth("tags", _O.IS_NULL, None, [None], [[], ["a"]]),
    _truth("tags", _O.IS_EMPTY, None, [None, []], [["a"], [""]]),
    _truth("tags", _O.IS_NOT_EMPTY, None, [["a"]], [None, []]),
    _truth("address", _O.IS_NULL, None, [None], [SampleAddress(city="")]),
    _truth("address", _O.IS_EMPTY, None, [None], [SampleAddress(city="")]),
    _truth("address.floor", _O.IS_NULL, None, [None, SampleAddress(city="a")], [SampleAddress(city="a", floor=0)]),
    _truth(
        "lines.note",
        _O.IS_NULL,
        None,
        [None, [], [SampleLine(sku="a")]],
        [[SampleLine(sku="a"), SampleLine(sku="b", note="")]],
        "through a list: no item has a value",
    ),
    _truth("lines.note", _O.IS_NOT_NULL, None, [[SampleLine(sku="a"), SampleLine(sku="b", note="")]], [None, [], [SampleLine(sku="a")]]),
    _truth("lines.note", _O.IS_EMPTY, None, [None, [], [SampleLine(sku="a", note="")]], [[SampleLine(sku="a", note="x")]]),
    _truth("data", _O.IS_NULL, None, [None], [{}, [], "", 0, False]),
    _truth("data", _O.IS_EMPTY, None, [None, {}, [], ""], [0, False, " ", [None], {"a": None}]),
    _truth("data.a", _O.IS_NULL, None, [None, {}, {"a": None}, [], "a", {"b": 1}], [{"a": 0}, {"a": []}, [{"a": 1}]]),
    _truth("data.a", _O.IS_NOT_NULL, None, [{"a": 0}, {"a": {}}], [{"a": None}, {}, None]),
)  # fmt: skip

_DOCUMENTS = (
    _truth(
        "data",
        _O.JSON_CONTAINS,
        {"a": 1},
        [{"a": 1}, {"a": 1.0, "b": 2}],
        [{"a": 2}, {"a": "1"}, {"a": [1]}, {"a": {"a": 1}}, [{"a": 1}], {}, None],
    ),
    _truth("data", _O.JSON_CONTAINS, {"a": {"b": [1]}}, [{"a": {"b": [2, 1], "c": 0}}], [{"a": {"b": [2]}}, {"a": [1]}, None]),
    _truth("data", _O.JSON_CONTAINS, {"a": None}, [{"a": None}], [{}, {"a": 0}, None], "null is something in a document"),
    _truth("data", _O.JSON_CONTAINS, {}, [{}, {"a": 1}], [[], [1], "a", None], "any object contains the empty one"),
    _truth("data", _O.JSON_CONTAINS, [1, 2], [[2, 1], [1, 2, 3]], [[1], [[1, 2]], {"a": [1, 2]}, None]),
    _truth("data", _O.JSON_CONTAINS, [1, 1], [[1]], [[2], None], "as often as it likes"),
    _truth("data", _O.JSON_CONTAINS, [{"a": 1}], [[{"a": 1, "b": 2}, 5]], [[{"a": 2}], {"a": 1}, None]),
    _truth("data", _O.JSON_CONTAINS, [True], [[True]], [[1], ["true"], None]),
    _truth("data.a", _O.JSON_CONTAINS, {"b": 1}, [{"a": {"b": 1, "c": 2}}], [{"b": 1}, {"a": 1}, None]),
    _truth(
        "address",
        _O.JSON_CONTAINS,
        {"city": "Oslo"},
        [SampleAddress(city="Oslo", floor=1)],
        [SampleAddress(city="Rome"), None],
    ),
    _truth("tags", _O.JSON_CONTAINS, ["a"], [["b", "a"]], [["b"], [], None]),
    _truth("data", _O.JSON_CONTAINED_BY, {"a": 1, "b": [1, 2]}, [{"a": 1}, {"b": [2]}, {}], [{"a": 2}, {"c": 1}, [], 1, None]),
    _truth("data", _O.JSON_CONTAINED_BY, [1, 2], [[], [2], [2, 2, 1]], [[3], 1, {}, None]),
    _truth("tags", _O.JSON_CONTAINED_BY, ["a", "b"], [["a"], [], ["b", "a"]], [["c"], ["a", "c"], None]),
    _truth("data", _O.JSON_HAS_KEY, "a", [{"a": 1}, {"a": None}], [{"A": 1}, {"b": {"a": 1}}, ["a"], "a", {}, None]),
    _truth("data", _O.JSON_HAS_KEY, "a.b", [{"a.b": 1}], [{"a": {"b": 1}}, None], "a key, not a path"),
    _truth("data", _O.JSON_HAS_ANY, ["a", "b"], [{"b": 1}], [{"c": 1}, ["a"], {}, None]),
    _truth("data", _O.JSON_HAS_ANY, [], [], [{"a": 1}, {}, None]),
    _truth("data", _O.JSON_HAS_ALL, ["a", "b"], [{"b": 1, "a": None, "c": 0}], [{"a": 1}, ["a", "b"], None]),
    _truth("data", _O.JSON_HAS_ALL, [], [{"a": 1}, {}], [[], "a", None]),
    _truth("address", _O.JSON_HAS_KEY, "floor", [SampleAddress(city="a")], [None], "a declared field is there"),
    _truth("data", _O.JSON_PATH_EXISTS, "$.a.b", [{"a": {"b": None}}, {"a": [{}, {"b": 1}]}], [{"a": {}}, {"a": 1}, {"a.b": 1}, None]),
    _truth("data", _O.JSON_PATH_EXISTS, '$."a.b"', [{"a.b": 1}], [{"a": {"b": 1}}, None]),
    _truth("data", _O.JSON_PATH_EXISTS, ["a", "b c"], [{"a": {"b c": 0}}], [{"a": {"b": 0}}, None]),
    _truth("lines", _O.JSON_PATH_EXISTS, "sku", [[SampleLine(sku="a")]], [[], None]),
)  # fmt: skip

_FULL_TEXT = (
    _truth("text", _O.FTS, "quick fox", ["The quick brown fox.", "fox, QUICK!"], ["quick", "quickfox", "quick foxes", "", None]),
    _truth("text", _O.FTS, "Fox fox", ["a fox"], ["a foxtrot", None], "no stemming, and a word is a whole word"),
    _truth("text", _O.FTS, "e-mail", ["my e mail", "E-Mail"], ["email", None], "what is no letter or digit separates"),
    _truth("text", _O.FTS, "café", ["Le CAFÉ"], ["cafe", None], "accents count"),
    _truth("text", _O.FTS, "42", ["answer: 42"], ["4 2", "421", "forty", None]),
    _truth("text", _O.FTS, "it's", ["s it"], ["its", None]),
    _truth("text", _O.FTS, "the", ["the", "THE end"], ["then", None], "no stop words"),
    _truth("text", _O.FTS_PHRASE, "brown fox", ["quick Brown, Fox", "brown-fox"], ["fox brown", "brown red fox", "brown foxes", None]),
    _truth("text", _O.FTS_PHRASE, "a b a", ["x a b a y"], ["a b", "b a b", None]),
    _truth("data", _O.FTS, "fox", ["A fox"], [["fox"], {"fox": 1}, 1, None]),
    _truth("lines.note", _O.FTS, "a b", [[SampleLine(sku="x", note="b a")]], [[SampleLine(sku="x", note="a"), SampleLine(sku="y", note="b")], None]),
)  # fmt: skip

_UNIT = _square(0, 0, 10)
_GEOMETRY = (
    _truth("place", _O.INTERSECTS, _UNIT, [_point(5, 5), _point(0, 5), _square(5, 5, 10)], [_point(11, 5), _square(20, 20, 1), None]),
    _truth("place", _O.DISJOINT, _UNIT, [_point(11, 5)], [_point(5, 5), _point(0, 5), None], "null is not apart either"),
    _truth("place", _O.WITHIN, _UNIT, [_point(5, 5), _square(1, 1, 2), _UNIT], [_point(0, 5), _square(5, 5, 10), None], "not on the border alone"),
    _truth("place", _O.CONTAINS_GEOM, _point(5, 5), [_UNIT, _point(5, 5)], [_square(5, 5, 1), _point(5, 6), None]),
    _truth("place", _O.TOUCHES, _UNIT, [_point(0, 5), _square(10, 0, 5)], [_point(5, 5), _square(5, 5, 10), _point(20, 20), None]),
    _truth("place", _O.CROSSES, _UNIT, [_line((-5, 5), (15, 5))], [_line((1, 1), (2, 2)), _line((20, 0), (30, 0)), None]),
    _truth("place", _O.OVERLAPS, _UNIT, [_square(5, 5, 10)], [_square(1, 1, 2), _UNIT, _square(20, 20, 1), None]),
    _truth("place", _O.GEOM_EQUALS, _line((0, 0), (5, 5)), [_line((0, 0), (5, 5)), _line((5, 5), (0, 0))], [_line((0, 0), (5, 6)), None]),
    _truth("place", _O.DISTANCE_LT, (_point(0, 0), 5), [_point(3, 3), _point(0, 0)], [_point(3, 4), _point(9, 9), None], "in units of the coordinates"),
    _truth("place", _O.DWITHIN, (_point(0, 0), 5), [_point(3, 4), _point(1, 1)], [_point(3, 4.5), None]),
    _truth("place", _O.BBOX_INTERSECTS, (0, 0, 10, 10), [_point(10, 10), _line((-5, 5), (15, 5))], [_point(11, 5), None]),
    _truth("place", _O.BBOX_INTERSECTS, (8, 0, 9, 1), [_line((0, 0), (10, 10))], [_point(7, 0), None], "the box around it, not the geometry"),
)  # fmt: skip

TRUTH_TABLE: Final[tuple[Truth, ...]] = (
    *_EQUALITY,
    *_SETS,
    *_ORDER,
    *_TEXT,
    *_NULL,
    *_DOCUMENTS,
    *_FULL_TEXT,
    *_GEOMETRY,
)
"""Every operator, in groups."""

NONSENSE: Final[tuple[Condition, ...]] = (
    Condition("number", _O.EQ, "five"),
    Condition("number", _O.GT, 2.5),
    Condition("number", _O.EQ, True),
    Condition("ratio", _O.LT, "1,5"),
    Condition("amount", _O.GT, "cheap"),
    Condition("flag", _O.EQ, "yes"),
    Condition("flag", _O.EQ, 1),
    Condition("text", _O.EQ, 5),
    Condition("moment", _O.GT, "yesterday"),
    Condition("moment", _O.EQ, 1714564800),
    Condition("moment", _O.BETWEEN, ["2024-01-01", "2024-13-01"]),
    Condition("day", _O.EQ, "2024-05-01T12:00:00"),
    Condition("clock", _O.EQ, "25:00"),
    Condition("span", _O.GT, "long"),
    Condition("key", _O.EQ, "no-uuid"),
    Condition("colour", _O.EQ, "purple"),
    Condition("colour", _O.IN, ["red", "purple"]),
    Condition("tags", _O.EQ, "a"),
    Condition("numbers", _O.CONTAINS, "x"),
    Condition("address", _O.EQ, {"town": "Oslo"}),
    Condition("lines.quantity", _O.GT, "many"),
    Condition("data", _O.BETWEEN, [1, "b"]),
    Condition("number", _O.STARTSWITH, "1"),
    Condition("text", _O.CONTAINS_ANY, ["a"]),
    Condition("flag", _O.GT, 0),
    Condition("tags", _O.GT, "a"),
    Condition("number", _O.JSON_HAS_KEY, "a"),
    Condition("text", _O.INTERSECTS, {"type": "Point", "coordinates": [0, 0]}),
)
"""Questions that make no sense for their field: each is an error, and never an empty answer."""

UNREACHABLE: Final[tuple[str, ...]] = (
    "nothing",
    "Text",
    "text.upper",
    "number.real",
    "moment.year",
    "address.country",
    "lines.price",
    "version",
    "_version",
    "__class__",
    "__dict__",
    "address.__class__",
    "model_fields",
    "model_dump",
    "collect_events",
    "aggregate_type",
    "id; DROP TABLE specification_samples",
    "id' OR '1'='1",
    'text"',
    "text)",
    "*",
    "$where",
    "text--",
    "data->>'a'",
    "(select 1)",
    "text COLLATE NOCASE",
)
"""Paths that lead to no field: a search for any of them is an error."""

ODD_TEXTS: Final[tuple[str, ...]] = (
    "'",
    "''",
    '"',
    "`",
    "\\",
    "\\\\",
    "%",
    "_",
    "' OR '1'='1",
    "' OR 1=1 --",
    "'; DROP TABLE specification_samples; --",
    '" OR ""="',
    "\\' OR 1=1 --",
    "') OR ('1'='1",
    "$ne",
    "$where",
    '{"$gt": ""}',
    "[]",
    "{}",
    "null",
    "*",
    "a*b?c[d]",
    ":name",
    "%(name)s",
    "%s",
    "{0}",
    "${x}",
    "@>",
    "?",
    "a|b",
    "^a$",
    ".*",
    "a & b | !c",
    "line\nbreak",
    "tab\there",
    "\u202e\u200b",
    "\U0001f600",
    "/* */",
    "0x31",
    "NaN",
    "true",
)
"""Texts that mean something to somebody else. As values and as keys they mean themselves."""
