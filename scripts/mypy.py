"""Run ``mypy --strict`` on what packages ship, on the tests that say which types users see, and on the examples."""

import subprocess
import sys
from pathlib import Path

from scripts.workspace import ROOT, packages


def _targets() -> list[Path]:
    """Folders that mypy takes in one run; typing tests have names of their own in each package."""
    found: list[Path] = []
    for package in packages():
        found.append(package.source)
        typing_tests = package.folder / "tests" / "typing"
        if any(typing_tests.glob("**/*.py")):
            found.append(typing_tests)
    examples = (folder for folder in (ROOT / "examples").glob("*") if any(folder.glob("*.py")))
    return [*found, *sorted(examples), ROOT / "scripts"]


def main() -> int:
    """Run mypy; its exit code."""
    command = [sys.executable, "-m", "mypy", "--strict", *map(str, _targets())]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
