"""Names are the map of the code: what is public is written down, and no room is called 'various'."""

import importlib
import inspect
import types

import pytest

from scripts.workspace import packages

MODULES = [name for package in packages() for name, _file in package.modules()]
PUBLIC = [name for name in MODULES if not any(part.startswith("_") for part in name.split("."))]
SAY_NOTHING = {"base", "common", "helper", "helpers", "misc", "shared", "tools", "util", "utils"}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_named_after_a_concept(name: str) -> None:
    assert not SAY_NOTHING & set(name.split("."))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_module_lists_what_it_offers(name: str) -> None:
    module = importlib.import_module(name)
    defined = {
        each
        for each, value in vars(module).items()
        if not each.startswith("_")
        and each.isidentifier()  # pydantic leaves the likes of `Entity[str]` in a module
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
    }
    listed = list(getattr(module, "__all__", ()))
    assert defined <= set(listed), f"{name}.__all__ lacks {sorted(defined - set(listed))}"
    assert len(listed) == len(set(listed)), f"{name}.__all__ names something twice"
    missing = [each for each in listed if not hasattr(module, each)]
    assert not missing, f"{name}.__all__ has what the module does not: {missing}"
    offered_modules = [each for each in listed if isinstance(getattr(module, each), types.ModuleType)]
    assert not offered_modules, f"{name}.__all__ offers modules: {offered_modules}"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_module_says_in_one_line_what_it_is(name: str) -> None:
    assert importlib.import_module(name).__doc__
