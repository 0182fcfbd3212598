"""Build the one package that a tag names: ``python -m scripts.release cqrs-ddd-core==0.2.0 FOLDER``.

Refuses a tag that does not fit what the repository says, before anything is built.
"""

import sys
from pathlib import Path

from scripts.changelog import fragments
from scripts.environment import uv
from scripts.workspace import Package, package_named


def released(tag: str) -> Package:
    """The package that ``tag`` releases. Raises ``ValueError`` when the repository is not ready for that release."""
    distribution, separator, version = tag.partition("==")
    if not separator:
        raise ValueError(f"{tag!r} is no release: wanted DISTRIBUTION==VERSION, such as cqrs-ddd-core==0.2.0")
    package = package_named(distribution)
    if package.version != version:
        raise ValueError(f"{tag} does not fit: the version in {distribution}'s pyproject.toml is {package.version}")
    if f"\n## {version} (" not in (package.folder / "CHANGELOG.md").read_text(encoding="utf-8"):
        raise ValueError(f"the changelog of {distribution} says nothing about {version}: run `make changelog` first")
    if fragments(package.folder / "changes"):
        raise ValueError(f"{distribution} has fragments that are in no changelog: run `make changelog` first")
    return package


def main(arguments: list[str]) -> None:
    """Build into the folder; a problem ends the program with its description."""
    if len(arguments) != 2:
        raise SystemExit("usage: python -m scripts.release DISTRIBUTION==VERSION FOLDER")
    tag, folder = arguments
    try:
        package = released(tag)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    uv("build", "--quiet", "--package", package.distribution, "--no-sources", "--out-dir", Path(folder).resolve())


if __name__ == "__main__":
    main(sys.argv[1:])
