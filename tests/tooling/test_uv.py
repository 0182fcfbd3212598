"""``scripts/uv`` works on machines that have neither a uv nor a Python worth naming on PATH."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.workspace import ROOT


def _program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def _python(file: Path) -> Path:
    """A Python new enough, at this place."""
    return _program(file.parent, file.name, f'exec {sys.executable} "$@"')


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with a uv that tells which Python it was given."""
    uv = _program(tmp_path / "bin", "uv", '[ "$1" = --version ] && echo "uv 99.0.0 (x)" || echo "python: $UV_PYTHON"')
    _program(tmp_path / "bin", "python3", "exit 1")
    return {"PATH": f"{uv.parent}:/usr/bin:/bin", "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path / "pyenv")}


def _chosen(machine: dict[str, str]) -> str:
    done = subprocess.run([ROOT / "scripts" / "uv", "sync"], env=machine, capture_output=True, text=True, check=True)
    return done.stdout.strip().removeprefix("python:").strip()


def test_a_python_on_path_that_runs_is_chosen(machine: dict[str, str], tmp_path: Path) -> None:
    python = _python(tmp_path / "bin" / "python3.13")
    assert _chosen(machine) == str(python)


def test_a_python_on_path_that_does_not_run_is_passed_over(machine: dict[str, str], tmp_path: Path) -> None:
    _program(tmp_path / "bin", "python3.13", "exit 127")
    python = _python(tmp_path / "bin" / "python3.12")
    assert _chosen(machine) == str(python)


def test_the_newest_tested_python_of_pyenv_is_chosen_when_none_on_path_will_do(
    machine: dict[str, str], tmp_path: Path
) -> None:
    for name in ("python3.12", "python3.13", "python3.14"):
        _program(tmp_path / "bin", name, "exit 127")
    for version in ("3.12.9", "3.13.2", "3.13.11"):
        _python(tmp_path / "pyenv" / "versions" / version / "bin" / "python")
    assert _chosen(machine) == str(tmp_path / "pyenv/versions/3.13.11/bin/python")


def test_uv_is_left_to_fetch_a_python_when_there_is_none(machine: dict[str, str], tmp_path: Path) -> None:
    for name in ("python3.12", "python3.13", "python3.14"):
        _program(tmp_path / "bin", name, "exit 127")
    assert _chosen(machine) == ""


def test_the_python_that_the_caller_names_is_kept(machine: dict[str, str], tmp_path: Path) -> None:
    _python(tmp_path / "bin" / "python3.13")
    assert _chosen({**machine, "UV_PYTHON": "3.12"}) == "3.12"


def test_an_old_uv_on_path_is_passed_over(machine: dict[str, str], tmp_path: Path) -> None:
    _program(tmp_path / "bin", "uv", 'echo "uv 0.4.0"')
    newer = _program(tmp_path / "elsewhere", "uv", '[ "$1" = --version ] && echo "uv 99.1.0" || echo "python: newer"')
    # As the one in .tools would be: named by UV here, so that this test does not touch the repository.
    assert _chosen({**machine, "UV": str(newer)}) == "newer"
