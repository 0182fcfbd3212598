"""Run the tests of each package by itself, where the shared environment cannot hide a missing requirement.

``python -m scripts.alone [--oldest] [DISTRIBUTION...]``: with the locked versions, or with the oldest that the package
says it works with. The environment holds the package, its extras, its ``test`` group, and nothing else.
"""

import argparse
import tempfile
from pathlib import Path

from scripts.environment import interpreter, new_environment, run, uv
from scripts.workspace import ROOT, Package, packages, with_siblings


def _install_locked(package: Package, folder: Path) -> Path:
    options = ["--locked", "--quiet", "--package", package.distribution, "--all-extras", "--group", "test"]
    uv("sync", *options, UV_PROJECT_ENVIRONMENT=str(folder))
    return interpreter(folder)


def _install_oldest(package: Package, folder: Path) -> Path:
    python = new_environment(folder)
    # Not through the lock, which would be rewritten for the old versions.
    editable: list[str | Path] = []
    for each in with_siblings(package):
        extras = ",".join(each.project.get("optional-dependencies", {}))
        editable += ["--editable", f"{each.folder}[{extras}]" if extras else each.folder]
    group = f"{package.folder / 'pyproject.toml'}:test"
    options: list[str | Path] = ["--quiet", "--resolution", "lowest-direct", "--python", python, "--group", group]
    uv("pip", "install", *options, *editable)
    return python


def main() -> int:
    """Test the packages; 0 when all pass."""
    parser = argparse.ArgumentParser(prog="python -m scripts.alone", description=__doc__)
    parser.add_argument("--oldest", action="store_true", help="with the oldest dependencies that are allowed")
    parser.add_argument("distributions", nargs="*", help="none: every package")
    arguments = parser.parse_args()
    install = _install_oldest if arguments.oldest else _install_locked
    failed: list[str] = []
    for package in packages():
        if arguments.distributions and package.distribution not in arguments.distributions:
            continue
        print(f"== {package.distribution}", flush=True)
        with tempfile.TemporaryDirectory(prefix="toolkit-alone-") as folder:
            python = install(package, Path(folder) / "environment")
            code = run(python, "-m", "pytest", "-q", "-n", "auto", "--maxprocesses", "8", package.folder, folder=ROOT)
        if code != 0:
            failed.append(package.distribution)
    if failed:
        print(f"Failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
