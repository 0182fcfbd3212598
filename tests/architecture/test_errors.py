"""One tree of errors, in one place."""

import importlib
import inspect
from collections.abc import Iterator

import pytest

from scripts.workspace import CORE, packages


def _errors_of(module_name: str) -> Iterator[type[BaseException]]:
    module = importlib.import_module(module_name)
    for _name, value in inspect.getmembers(module, inspect.isclass):
        if issubclass(value, BaseException) and value.__module__ == module_name and not _is_internal(value):
            yield value


def _is_internal(error: type[BaseException]) -> bool:
    return error.__name__.startswith("_") or error.__name__ in CONTROL_FLOW


CONTROL_FLOW = {"StateProblem": "carries a path out of a recursion; state.py turns it into an error of the tree"}
"""Exceptions that never leave their package. Those whose names begin with an underscore are taken for such too."""

MODULES = [name for package in packages() for name, _file in package.modules() if ".testing" not in name]


@pytest.mark.parametrize("module", MODULES)
def test_every_error_is_in_the_one_tree(module: str) -> None:
    root = importlib.import_module(f"{CORE}.primitives.exceptions").CQRSDDDError
    outside = [error.__name__ for error in _errors_of(module) if not issubclass(error, root)]
    assert not outside, f"not derived from CQRSDDDError: {outside}"


def test_every_error_of_core_is_exported_from_one_module() -> None:
    exported = set(importlib.import_module(f"{CORE}.primitives.exceptions").__all__)
    names = {name for name, _file in packages()[0].modules() if ".testing" not in name}
    defined = {error.__name__ for name in names for error in _errors_of(name)}
    assert defined <= exported


def test_every_error_of_core_is_importable_from_the_top() -> None:
    top = importlib.import_module(CORE)
    exported = {error.__name__ for error in _errors_of(f"{CORE}.primitives.exceptions")}
    assert exported <= set(top.__all__)


@pytest.mark.parametrize("module", MODULES)
def test_every_error_says_what_it_is_about(module: str) -> None:
    silent = [error.__name__ for error in _errors_of(module) if not error.__doc__]
    assert not silent
