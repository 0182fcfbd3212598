"""The packages of this workspace, as found on disk: whoever asks here notices a new package by itself."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CORE = "cqrs_ddd_core"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package that is published on its own."""

    folder: Path
    distribution: str
    """The name by which it is installed, such as ``cqrs-ddd-core``."""
    module: str
    """The name by which it is imported, such as ``cqrs_ddd_core``."""
    project: dict[str, Any]
    """The ``[project]`` table of its pyproject.toml."""

    @property
    def source(self) -> Path:
        """The folder of the import package."""
        return self.folder / "src" / self.module

    @property
    def version(self) -> str:
        """The version that the next release of this package will have."""
        return str(self.project["version"])

    @property
    def required(self) -> frozenset[str]:
        """The distributions it cannot do without."""
        return _names(self.project.get("dependencies", []))

    @property
    def optional(self) -> frozenset[str]:
        """The distributions that its extras bring."""
        return _names(each for extra in self.project.get("optional-dependencies", {}).values() for each in extra)

    def modules(self) -> Iterator[tuple[str, Path]]:
        """The dotted name and the file of every module."""
        for file in sorted(self.source.rglob("*.py")):
            parts = file.relative_to(self.source.parent).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def packages() -> tuple[Package, ...]:
    """Every package of the workspace, core first."""
    members = _read(ROOT / "pyproject.toml")["tool"]["uv"]["workspace"]["members"]
    folders = sorted(file.parent for member in members for file in ROOT.glob(f"{member}/pyproject.toml"))
    return tuple(sorted((_package(folder) for folder in folders), key=lambda package: package.module != CORE))


def package_named(distribution: str) -> Package:
    """The package of that name. Raises ``ValueError`` with the names that exist when there is none."""
    for package in packages():
        if package.distribution == distribution:
            return package
    known = ", ".join(package.distribution for package in packages())
    raise ValueError(f"no package {distribution!r}; there are: {known}")


def with_siblings(package: Package) -> list[Package]:
    """The package and the packages of this workspace that it cannot do without, those first."""
    by_name = {each.distribution: each for each in packages()}
    needed: dict[str, Package] = {}

    def visit(each: Package) -> None:
        for name in sorted(each.required & by_name.keys()):
            visit(by_name[name])
        needed[each.distribution] = each

    visit(package)
    return list(needed.values())


def _names(requirements: Iterable[str]) -> frozenset[str]:
    """The names in requirements such as ``redis[hiredis]>=5``."""
    return frozenset(re.split(r"[^\w.-]", each, maxsplit=1)[0].lower().replace("_", "-") for each in requirements)


def _package(folder: Path) -> Package:
    project = _read(folder / "pyproject.toml")["project"]
    name = project["name"]
    return Package(folder=folder, distribution=name, module=name.replace("-", "_"), project=project)


def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))
