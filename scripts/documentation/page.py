"""A Markdown page as the tests see it: its kind, and the Python in it that runs.

The Python blocks of a page run in order, in one namespace, ``await`` allowed at the top level. HTML comments, each on a
line of its own, say what a reader need not see:

``<!-- kind: how-to -->``      what kind of page this is, in its first lines (or ``kind: how-to`` in the front matter)
``<!-- setup: orders -->``     run ``setups/orders.py`` here, in the namespace of the page
``<!-- needs: postgres -->``   the page talks to a server; ``TEST_POSTGRES_URL`` is set while it runs
``<!-- not run: reason -->``   directly above a block that cannot run, and why

What a page says is printed has to be printed: the comment behind a ``print(…)``, and a block of ``text``.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.workspace import ROOT

SETUPS = ROOT / "tests" / "documentation" / "setups"
KINDS = ("tutorial", "how-to", "reference", "explanation", "decision")

_COMMENT = re.compile(r"^\s*<!--\s*(kind|setup|needs|not run):\s*(.*?)\s*-->\s*$")
_FENCE = re.compile(r"^(?P<indent>\s*)(?P<fence>`{3,}|~{3,})\s*\{?\.?(?P<language>\w*)")
_PYTHON = {"python", "py", "python3"}
_PRINTED = re.compile(r"^\s*print\(.*\)  # (.+)$")


class PageError(Exception):
    """The page does not say what the tests have to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Python to run, with the line where it starts (1-based) in ``file``."""

    source: str
    file: Path
    line: int

    def padded(self) -> str:
        """The source on the line numbers of its file, so that tracebacks point there."""
        return "\n" * (self.line - 1) + self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What a page says is printed, with the line (1-based) where it says so."""

    text: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page."""

    file: Path
    text: str

    @property
    def name(self) -> str:
        """Its path in the repository, or its whole path when it is elsewhere."""
        return (self.file.relative_to(ROOT) if self.file.is_relative_to(ROOT) else self.file).as_posix()

    @property
    def kind(self) -> str | None:
        """What the page says it is, one of ``KINDS`` or not; None when it says nothing."""
        head = self.text.split("\n---", 1)[0] if self.text.startswith("---\n") else ""
        declared = re.search(r"^kind:\s*(\S+)\s*$", head, re.MULTILINE)
        if declared:
            return declared[1]
        comments = (_COMMENT.match(line) for line in self.text.splitlines()[:5])
        return next((comment[2] for comment in comments if comment and comment[1] == "kind"), None)

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the servers that its blocks talk to."""
        comments = (_COMMENT.match(line) for line in self.text.splitlines())
        return tuple(
            name.strip() for comment in comments if comment and comment[1] == "needs" for name in comment[2].split(",")
        )

    def blocks(self) -> Iterator[Block]:
        """What runs, in order: the set-ups it names and its Python blocks, without those marked as not run."""
        not_run: str | None = None
        lines = enumerate(self.text.splitlines(), start=1)
        for number, line in lines:
            comment = _COMMENT.match(line)
            if comment and comment[1] == "setup":
                yield _setup(comment[2], self.name, number)
            elif comment and comment[1] == "not run":
                not_run = comment[2]
                if not not_run:
                    raise PageError(f"{self.name}:{number}: say why the block is not run: <!-- not run: reason -->")
            elif fence := _FENCE.match(line):
                source = textwrap.dedent("\n".join(_until_closed(lines, fence["fence"], f"{self.name}:{number}")))
                if fence["language"].lower() in _PYTHON and not_run is None:
                    yield Block(source=source, file=self.file, line=number + 1)
                not_run = None
            elif line.strip() and not_run is not None:
                raise PageError(f"{self.name}:{number}: 'not run' stands directly above the block that it is about")

    def printed(self) -> Iterator[Printed]:
        """What its blocks print, in order, as far as the page tells it."""
        not_run = False
        lines = enumerate(self.text.splitlines(), start=1)
        for number, line in lines:
            comment = _COMMENT.match(line)
            if comment and comment[1] == "not run":
                not_run = True
            elif fence := _FENCE.match(line):
                block = list(_until_closed(lines, fence["fence"], f"{self.name}:{number}"))
                language = fence["language"].lower()
                if language == "text" and not not_run:
                    yield Printed(text=textwrap.dedent("\n".join(block)), line=number)
                elif language in _PYTHON and not not_run:
                    for offset, source in enumerate(block, start=1):
                        if found := _PRINTED.match(source):
                            yield Printed(text=found[1], line=number + offset)
                not_run = False


def pages() -> list[Page]:
    """Every page that readers are meant to read, changelogs aside."""
    files = {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/**/README.md")}
    files |= {*ROOT.glob("examples/**/README.md"), *ROOT.glob("benchmarks/**/README.md")}
    visible = (file for file in files if not any(part.startswith(".") for part in file.relative_to(ROOT).parts))
    return [Page(file=file, text=file.read_text(encoding="utf-8")) for file in sorted(visible)]


def _until_closed(lines: Iterator[tuple[int, str]], fence: str, place: str) -> Iterator[str]:
    for _number, line in lines:
        stripped = line.strip()
        if stripped.startswith(fence) and not stripped.strip(fence[0]):
            return
        yield line
    raise PageError(f"{place}: this block is never closed")


def _setup(name: str, page: str, number: int) -> Block:
    file = SETUPS / f"{name}.py"
    if not file.is_file():
        known = ", ".join(sorted(each.stem for each in SETUPS.glob("*.py"))) or "none"
        raise PageError(
            f"{page}:{number}: there is no set-up {name!r} in tests/documentation/setups (there are: {known})"
        )
    return Block(source=file.read_text(encoding="utf-8"), file=file, line=1)
