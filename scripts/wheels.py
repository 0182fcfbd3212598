"""Check what users will install: ``python -m scripts.wheels``.

Every package is built, its wheel is installed in an empty environment with what it requires and nothing else, and
imported. Core's own tests then run against the installed wheel with only its ``testing`` extra.
"""

import shutil
import tempfile
from pathlib import Path

from scripts.environment import new_environment, run, uv
from scripts.workspace import CORE, Package, packages, with_siblings

# Runs in the environment under test.
_SMOKE = """
import importlib, importlib.metadata, importlib.resources, pkgutil, sys

distribution, module, version = sys.argv[1:]
before = set(sys.modules)
package = importlib.import_module(module)
assert importlib.metadata.version(distribution) == version, importlib.metadata.version(distribution)
assert importlib.resources.files(module).joinpath("py.typed").is_file(), "py.typed is not in the wheel"
assert package.__all__, "nothing is exported"
for name in package.__all__:
    getattr(package, name)
if module == "cqrs_ddd_core":
    for each in pkgutil.walk_packages(package.__path__, module + "."):
        if not each.name.startswith(module + ".testing"):
            importlib.import_module(each.name)
    files = {name: getattr(sys.modules[name], "__file__", None) or "" for name in set(sys.modules) - before}
    loaded = {name.split(".")[0] for name, file in files.items() if "site-packages" in file}
    pydantic = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
    assert loaded <= pydantic | {module}, f"more than pydantic was imported: {loaded - pydantic - {module}}"
print(f"{distribution} {version}: installed alone, imports")
"""

# The settings of the workspace that core's tests rely on, without the plugins that its `testing` extra does not bring.
_PYTEST_INI = """
[pytest]
addopts = --import-mode=importlib --strict-markers --strict-config -q
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
xfail_strict = true
filterwarnings = error
"""
_CONFTEST = """
from hypothesis import settings

# How well the code works is tested elsewhere, at length; here the question is whether the wheel has all of it.
settings.register_profile("wheel", deadline=None, max_examples=15, stateful_step_count=15)
settings.load_profile("wheel")
"""


def _wheel(package: Package, folder: Path) -> Path:
    name = package.distribution.replace("-", "_")
    return next(folder.glob(f"{name}-{package.version}-*.whl"))


def _check_alone(package: Package, wheels: Path, folder: Path) -> bool:
    python = new_environment(folder / package.distribution)
    uv("pip", "install", "--quiet", "--python", python, *(_wheel(each, wheels) for each in with_siblings(package)))
    return run(python, "-c", _SMOKE, package.distribution, package.module, package.version, folder=folder) == 0


def _test_core(core: Package, wheels: Path, folder: Path) -> bool:
    python = new_environment(folder / "core-testing")
    uv(
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        f"{core.distribution}[testing] @ {_wheel(core, wheels).as_uri()}",
    )
    tests = folder / "core-tests"
    # Away from the sources, so that what is imported is what was installed. Typing tests are for type checkers.
    shutil.copytree(core.folder / "tests", tests, ignore=shutil.ignore_patterns("__pycache__"))
    (tests / "pytest.ini").write_text(_PYTEST_INI)
    if not (tests / "conftest.py").exists():
        (tests / "conftest.py").write_text(_CONFTEST)
    return run(python, "-m", "pytest", folder=tests) == 0


def main() -> int:
    """Check every package; 0 when all are as they should be."""
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="toolkit-wheels-") as name:
        folder = Path(name)
        wheels = folder / "dist"
        # By way of the source distribution, so that this is known to be complete too; and without the workspace's
        # sources, as an installer will see it.
        uv("build", "--quiet", "--all-packages", "--no-sources", "--out-dir", wheels)
        for package in packages():
            if not _check_alone(package, wheels, folder):
                failed.append(f"{package.distribution} does not work when installed alone")
            if package.module == CORE and not _test_core(package, wheels, folder):
                failed.append(f"the tests of {package.distribution} fail on its wheel")
    print("\n".join(failed), end="\n" if failed else "")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
