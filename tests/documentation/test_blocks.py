"""Every Python block of the documentation runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.documentation.page import Page, PageError, pages
from scripts.servers.catalogue import server_named
from scripts.workspace import ROOT


def _run(page: Page, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "examples")])}
    return subprocess.run(
        [sys.executable, "-m", "scripts.documentation.run_page", page.file],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def _parameters() -> list:
    return [
        pytest.param(page, id=page.name, marks=[getattr(pytest.mark, f"needs_{name}") for name in page.servers])
        for page in pages()
    ]


@pytest.mark.parametrize("page", _parameters())
def test_the_python_of_a_page_runs(page: Page, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    list(page.blocks())  # an ill-formed page is told here, by its line
    addresses = {server_named(name).variable: request.getfixturevalue(f"{name}_url") for name in page.servers}
    done = _run(page, tmp_path, addresses)
    assert done.returncode == 0, f"{page.name} does not run:\n{done.stdout}{done.stderr}"
    _check_printed(page, done.stdout)


def _check_printed(page: Page, output: str) -> None:
    """What the page says is printed is found in the output, in the order of the page."""
    found = 0
    for printed in page.printed():
        position = f"\n{output}".find(f"\n{printed.text}\n", found)
        assert position >= 0, f"{page.name}:{printed.line}: this is not printed:\n{printed.text}\nbut:\n{output}"
        found = position + len(printed.text)


def _page(folder: Path, text: str) -> Page:
    file = folder / "page.md"
    file.write_text(text)
    return Page(file=file, text=text)


def test_blocks_of_one_page_share_a_namespace_a_loop_and_context_variables(tmp_path: Path) -> None:
    page = _page(
        tmp_path,
        """
```python
import asyncio, contextvars
who = contextvars.ContextVar("who")
async def answer(): return await asyncio.sleep(0, 42)
```

```python
who.set("ada")
loop = asyncio.get_running_loop()
result = await answer()
```

```bash
exit 1
```

- in a list

  ```python title="indented"
  assert result == await answer()
  assert who.get() == "ada"
  print("same loop:", asyncio.get_running_loop() is loop)
  ```
""",
    )
    done = _run(page, tmp_path, {})
    assert done.stdout == "same loop: True\n", done.stderr


def test_a_block_may_start_a_loop_of_its_own(tmp_path: Path) -> None:
    page = _page(tmp_path, "```python\nimport asyncio\nasyncio.run(asyncio.sleep(0))\nprint('done')\n```\n")
    assert _run(page, tmp_path, {}).stdout == "done\n"


def test_classes_of_a_page_find_their_annotations(tmp_path: Path) -> None:
    page = _page(
        tmp_path,
        """```python
from __future__ import annotations
from pydantic import BaseModel

class Node(BaseModel):
    children: list[Node] = []

print(len(Node(children=[{"children": []}]).children))
```""",
    )
    done = _run(page, tmp_path, {})
    assert done.stdout == "1\n", done.stderr


def test_a_failing_block_is_reported_with_the_line_of_the_page(tmp_path: Path) -> None:
    page = _page(tmp_path, "# Title\n\n```python\nx = 1\nraise ValueError(x)\n```\n")
    done = _run(page, tmp_path, {})
    assert done.returncode != 0
    assert 'page.md", line 5' in done.stderr


def test_a_block_marked_as_not_run_is_left_out_and_the_next_one_is_not(tmp_path: Path) -> None:
    page = _page(tmp_path, "<!-- not run: it needs a printer -->\n```python\n1 / 0\n```\n\n```python\nprint(2)\n```\n")
    assert [block.source for block in page.blocks()] == ["print(2)"]


def test_what_a_page_says_is_printed_has_to_be_printed(tmp_path: Path) -> None:
    page = _page(
        tmp_path,
        """
```python
print("one")  # one
print("two")
print("one")  # one
```

```text
two lines
of text
```

<!-- not run: it needs a printer -->
```python
print("three")  # three
```
""",
    )
    assert [(printed.text, printed.line) for printed in page.printed()] == [
        ("one", 3),
        ("one", 5),
        ("two lines\nof text", 8),
    ]
    _check_printed(page, "one\ntwo\none\ntwo lines\nof text\n")
    for wrong in (
        "one\ntwo lines\nof text\n",
        "one\none\ntwo lines\n of text\n",
        "one\none more\ntwo lines\nof text\n",
    ):
        with pytest.raises(AssertionError, match="is not printed"):
            _check_printed(page, wrong)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!-- not run: -->\n```python\n1 / 0\n```\n", "say why"),
        ("<!-- not run: it is long -->\n\nSome words.\n", "directly above"),
        ("```python\n1\n", "never closed"),
        ("<!-- setup: nowhere -->\n", "no set-up 'nowhere'"),
    ],
)
def test_an_ill_formed_page_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    page = Page(file=ROOT / "docs" / "page.md", text=text)
    with pytest.raises(PageError, match=problem):
        list(page.blocks())
