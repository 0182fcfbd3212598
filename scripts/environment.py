"""Throw-away environments, to try packages as their users will get them."""

import os
import subprocess
import sys
from pathlib import Path

from scripts.workspace import ROOT

# What one of our own processes inherits must not reach into the environment under test.
_HIDDEN = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT")


def uv(*arguments: str | Path, **variables: str) -> None:
    """Run uv in the repository; its output is shown only when it fails, which ends this program."""
    environment = {name: value for name, value in os.environ.items() if name not in _HIDDEN} | variables
    command = [str(ROOT / "scripts" / "uv"), *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def new_environment(folder: Path) -> Path:
    """Make an empty environment of the Python that runs this, and give its interpreter."""
    uv("venv", "--quiet", "--python", sys.executable, folder)
    return interpreter(folder)


def interpreter(environment: Path) -> Path:
    """The Python of an environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run(python: Path, *arguments: str | Path, folder: Path) -> int:
    """Run a Python of such an environment in ``folder``, its output shown; the exit code."""
    environment = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
    command = [python, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
