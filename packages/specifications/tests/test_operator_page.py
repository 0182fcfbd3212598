"""The page of the operators shows the table that the tests run.

After a change of the table: ``python packages/specifications/tests/test_operator_page.py`` writes the page anew.
"""

from __future__ import annotations

import itertools
import json
import unicodedata
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from cqrs_ddd_core.domain.condition import SpecificationOperator
from cqrs_ddd_core.domain.spatial import Geometry
from cqrs_ddd_core.testing.specification_truth import TRUTH_TABLE, Truth

PAGE = Path(__file__).parents[1] / "docs" / "operators.md"
MARK = "<!-- written by tests/test_operator_page.py from here on -->\n"


def shown(value: Any) -> str:
    """A value as short as it can be told, in code style."""
    text = plain(value)
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|")


def plain(value: Any) -> str:
    match value:
        case str():
            short = value if len(value) <= 40 else f"{value[:3]}…{value[-2:]}"
            # Marks that join the letter before them, or cannot be seen, are told by their numbers.
            invisible = any(unicodedata.category(character)[0] in "MC" for character in short)
            return json.dumps(short, ensure_ascii=invisible)
        case bool() | None:
            return json.dumps(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta() | UUID() | Decimal() | int() | float():
            return str(value)
        case Geometry():
            return f"{value.type}{json.dumps(value.coordinates)}"
        case BaseModel():
            return plain(value.model_dump(exclude_none=True, exclude_defaults=True))
        case {"type": str(kind), "coordinates": coordinates}:
            return f"{kind}{json.dumps(coordinates)}"
        case dict():
            return "{" + ", ".join(f"{plain(key)}: {plain(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(plain, value)) + "]"
        case _:
            return repr(value)


def line(truth: Truth) -> str:
    cells = [
        f"`{truth.condition.field}`",
        ""
        if truth.condition.value is None and truth.condition.operator.startswith("is_")
        else shown(truth.condition.value),
        ", ".join(map(shown, truth.holds)) or "nothing",
        ", ".join(map(shown, truth.fails)) or "nothing",
        truth.because,
    ]
    return f"| {' | '.join(cells)} |"


def tables() -> str:
    parts: list[str] = []
    order = list(SpecificationOperator)
    lines = sorted(TRUTH_TABLE, key=lambda truth: order.index(SpecificationOperator(truth.condition.operator)))
    for operator, truths in itertools.groupby(lines, key=lambda truth: truth.condition.operator):
        parts.append(
            f"\n## `{operator}`\n\n| field | value | holds for | does not hold for | |\n| --- | --- | --- | --- | --- |"
        )
        parts += map(line, truths)
    return "\n".join(parts) + "\n"


def test_the_page_shows_the_table() -> None:
    introduction, mark, found = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert introduction
    assert mark
    assert found == tables(), f"run: python {__file__}"


def test_every_operator_is_in_the_table() -> None:
    assert {truth.condition.operator for truth in TRUTH_TABLE} == set(SpecificationOperator)


def test_every_line_tells_what_does_not_hold_or_why_nothing_does_not() -> None:
    for truth in TRUTH_TABLE:
        assert truth.fails or truth.condition.value == ()


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(before + MARK + tables(), encoding="utf-8")
