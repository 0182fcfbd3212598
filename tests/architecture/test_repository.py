"""What must not be in any file of the repository."""

import re
import subprocess
from pathlib import Path

import pytest

from scripts.workspace import ROOT

# Written so that they do not find themselves.
REGISTRIES = re.compile(r"(?<![\w.-])(py[p]i\.org|python[h]osted\.org|registry\.npm[j]s\.org|deb\.[d]ebian\.org)")
MACHINE_PATHS = re.compile(r"(?<![\w.~-])/(wor[k]|roo[t]|hom[e]/\w+|User[s]/\w+)/")


def _files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    # The lock's working copy holds addresses; what git holds of it is checked by scripts/lock_check.py.
    return [ROOT / name for name in listed.stdout.split("\0") if name and name != "uv.lock" and (ROOT / name).is_file()]


def _found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for file in _files()
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry() -> None:
    """Whoever has a mirror of their own, or none, can use the repository as it is."""
    assert not _found(REGISTRIES)


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    assert not _found(MACHINE_PATHS)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "uv.lock", ".ci/run"])
def test_the_repository_has(name: str) -> None:
    assert (ROOT / name).is_file()
