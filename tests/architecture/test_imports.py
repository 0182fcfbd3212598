"""Who may import what. ``make check`` asks import-linter too, which knows the rooms of core."""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from scripts.workspace import CORE, Package, packages

EACH = pytest.mark.parametrize("package", [pytest.param(each, id=each.distribution) for each in packages()])
MAY_IMPORT = {"cqrs_ddd_filtering": {"cqrs_ddd_specifications"}}
# Which distribution a module comes from; the editable packages of the workspace do not tell by themselves.
DISTRIBUTIONS = {**packages_distributions(), **{each.module: [each.distribution] for each in packages()}}


def _imports(file: Path, module: str) -> Iterator[str]:
    """The dotted names of all that a file imports, wherever in it the import stands."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
            origin = (above + (node.module or "")).rstrip(".")
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _foreign(package: Package) -> Iterator[tuple[str, str]]:
    """Module and imported name, for imports from outside the standard library and the package."""
    for module, file in package.modules():
        for name in _imports(file, module):
            if name.split(".")[0] not in sys.stdlib_module_names | {package.module}:
                yield module, name


def _is_testing_kit(module: str) -> bool:
    return ".testing." in f"{module}."


@EACH
def test_a_package_imports_only_what_it_declares(package: Package) -> None:
    declared = package.required | package.optional
    undeclared = {
        f"{module} imports {name}"
        for module, name in _foreign(package)
        if not declared & {each.lower().replace("_", "-") for each in DISTRIBUTIONS.get(name.split(".")[0], [])}
    }
    assert not undeclared


@EACH
def test_a_package_imports_no_sibling(package: Package) -> None:
    siblings = {each.module for each in packages()} - {package.module, CORE} - MAY_IMPORT.get(package.module, set())
    assert not {f"{module} imports {name}" for module, name in _foreign(package) if name.split(".")[0] in siblings}


@EACH
def test_only_testing_kits_import_the_testing_kit(package: Package) -> None:
    offenders = {
        f"{module} imports {name}"
        for module, file in package.modules()
        for name in _imports(file, module)
        if name.startswith("cqrs_ddd_") and _is_testing_kit(name) and not _is_testing_kit(module)
    }
    assert not offenders


def test_core_imports_pydantic_and_the_standard_library_and_nothing_else() -> None:
    core = packages()[0]
    used = {name.split(".")[0] for module, name in _foreign(core) if not _is_testing_kit(module)}
    assert used <= {"pydantic"}
