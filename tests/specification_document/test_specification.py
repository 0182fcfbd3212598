"""The code of the specification runs as it is written there, on the in-memory adapters.

Each page beside this file holds the specification's own blocks, unchanged, under headings that say "as written". The
obvious set-up stands before them, and what came of it is checked behind them.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.workspace import ROOT

PAGES = sorted(Path(__file__).parent.glob("*.md"))
# The specification's own code uses it; nothing else that warns is let through.
UTCNOW = "ignore:datetime.datetime.utcnow:DeprecationWarning"


@pytest.mark.parametrize("page", [pytest.param(page, id=page.stem) for page in PAGES])
def test_the_blocks_run_as_written(page: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", UTCNOW, "-m", "scripts.documentation.run_page", page],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, f"{page.name} does not run:\n{done.stdout}{done.stderr}"


def test_every_part_that_is_promised_is_here() -> None:
    promised = {"core_cqrs_pattern", "event_sourcing", "minimal_example", "testing", "undo"}
    assert promised <= {page.stem for page in PAGES}
