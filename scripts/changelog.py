"""The changelogs: one small file per change in ``<package>/changes/``, collected at a release.

``python -m scripts.changelog check`` looks at every fragment of every package.
``python -m scripts.changelog release cqrs-ddd-core 0.2.0`` moves the fragments of one package into its CHANGELOG.md and
sets its version. ``changes/README.md`` in each package says how to write a fragment.
"""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from scripts.workspace import ROOT, Package, package_named, packages

# In the order of the changelog: what a reader has to act on comes first.
KINDS = {
    "breaking": "Breaking",
    "added": "Added",
    "changed": "Changed",
    "fixed": "Fixed",
    "deprecated": "Deprecated",
}
_NAME = re.compile(r"(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)\.(?P<kind>[a-z]+)\.md")
_TITLE = "# Changelog\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One change, as users are told of it."""

    file: Path
    kind: str
    text: str


def fragments(folder: Path) -> list[Fragment]:
    """The fragments in a ``changes`` folder. Raises ``ValueError`` that lists everything that is wrong with them."""
    found: list[Fragment] = []
    problems: list[str] = []
    for file in sorted(folder.iterdir()):
        if file.name == "README.md":
            continue
        name = _NAME.fullmatch(file.name)
        text = file.read_text(encoding="utf-8").strip() if name else ""
        if name is None or name["kind"] not in KINDS:
            problems.append(f"{file}: call it some-words.KIND.md, where KIND is one of {', '.join(KINDS)}")
        elif not text.endswith((".", "```")):
            problems.append(f"{file}: write whole sentences for users, the last one with its full stop")
        elif re.search(r"^(#|[-*] )", text, re.MULTILINE):
            problems.append(f"{file}: one change, without headings and lists; a second change gets a second file")
        else:
            found.append(Fragment(file=file, kind=name["kind"], text=text))
    if problems:
        raise ValueError("\n".join(problems))
    return found


def section(version: str, day: str, changes: Iterable[Fragment]) -> str:
    """The part of a changelog that tells of one version."""
    parts = [f"## {version} ({day})\n"]
    by_kind = {kind: [change for change in changes if change.kind == kind] for kind in KINDS}
    for kind, heading in KINDS.items():
        if by_kind[kind]:
            entries = ("- " + change.text.replace("\n", "\n  ") for change in by_kind[kind])
            parts.append(f"### {heading}\n\n" + "\n".join(entries) + "\n")
    return "\n".join(parts)


def release(package: Package, version: str, day: str) -> None:
    """Write the section of ``version``, remove its fragments, and set the package's version."""
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        raise ValueError(f"{version!r} is no version: wanted something like 0.2.0 or 1.0.0rc1")
    changes = fragments(package.folder / "changes")
    if not changes:
        raise ValueError(f"{package.distribution} has no fragments in {package.folder / 'changes'}: nothing to release")
    changelog = package.folder / "CHANGELOG.md"
    history = changelog.read_text(encoding="utf-8")
    if f"\n## {version} " in history:
        raise ValueError(f"{changelog} tells of {version} already")
    introduction, separator, earlier = history.partition("\n## ")
    changelog.write_text(
        f"{introduction.rstrip()}\n\n{section(version, day, changes)}{separator}{earlier}", encoding="utf-8"
    )
    for change in changes:
        change.file.unlink()
    settings = package.folder / "pyproject.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(re.sub(r'^version = ".*"$', f'version = "{version}"', text, count=1, flags=re.MULTILINE))


def check(package: Package) -> None:
    """Raise ``ValueError`` for fragments or a changelog that a release could not use."""
    fragments(package.folder / "changes")
    changelog = package.folder / "CHANGELOG.md"
    if not changelog.read_text(encoding="utf-8").startswith(_TITLE):
        raise ValueError(f"{changelog}: start it with the line {_TITLE.strip()!r}")


def main(arguments: list[str]) -> None:
    """Do what the arguments say; a problem ends the program with its description."""
    problems: list[str] = []
    match arguments:
        case ["check"]:
            for package in packages():
                try:
                    check(package)
                except (ValueError, OSError) as error:
                    problems.append(str(error))
        case ["release", distribution, version]:
            try:
                release(package_named(distribution), version, datetime.now(UTC).date().isoformat())
            except ValueError as error:
                problems.append(str(error))
        case _:
            problems.append("usage: python -m scripts.changelog check | release DISTRIBUTION VERSION")
    if problems:
        raise SystemExit("\n".join(problems).replace(f"{ROOT}/", ""))


if __name__ == "__main__":
    main(sys.argv[1:])
