"""Every package has the same shape, so that who knows one knows all."""

import re
import tomllib

import pytest

from scripts.workspace import CORE, ROOT, Package, packages

EACH = pytest.mark.parametrize("package", [pytest.param(each, id=each.distribution) for each in packages()])
SIBLINGS = {package.distribution for package in packages()}
# The one package that builds on a sibling.
MAY_DEPEND_ON = {"cqrs-ddd-filtering": {"cqrs-ddd-specifications"}}


@EACH
def test_a_package_has_its_files(package: Package) -> None:
    wanted = ["README.md", "CHANGELOG.md", "LICENSE", "changes/README.md", "tests", f"src/{package.module}/py.typed"]
    missing = [name for name in wanted if not (package.folder / name).exists()]
    assert not missing, f"{package.folder.relative_to(ROOT)} lacks {', '.join(missing)}"


@EACH
def test_a_package_ships_the_licence_of_the_repository(package: Package) -> None:
    assert (package.folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@EACH
def test_a_package_says_about_itself_what_an_index_shows(package: Package) -> None:
    project = package.project
    assert package.distribution.startswith("cqrs-ddd-")
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", project["version"]), "a version of its own, written down"
    assert project["requires-python"] == ">=3.12"
    assert project["license"] == "MIT"
    assert project["readme"] == "README.md"
    assert len(project["description"]) > 20
    assert "Typing :: Typed" in project["classifiers"]
    for version in ("3.12", "3.13"):
        assert f"Programming Language :: Python :: {version}" in project["classifiers"]


@EACH
def test_a_package_depends_on_core_and_on_no_sibling(package: Package) -> None:
    required = package.required
    siblings = (required & SIBLINGS) - {package.distribution}
    if package.module == CORE:
        assert required == {"pydantic"}
    else:
        assert "cqrs-ddd-core" in siblings
        assert siblings - {"cqrs-ddd-core"} <= MAY_DEPEND_ON.get(package.distribution, set())


@EACH
def test_a_requirement_names_the_oldest_version_that_works(package: Package) -> None:
    extras = package.project.get("optional-dependencies", {})
    requirements = package.project.get("dependencies", []) + [each for extra in extras.values() for each in extra]
    unbounded = [
        each
        for each in requirements
        if ">=" not in each and "==" not in each and not each.startswith(package.distribution)
    ]
    assert not unbounded, f"without a lower bound: {', '.join(unbounded)}"


@EACH
def test_a_package_declares_what_its_own_tests_need(package: Package) -> None:
    groups = tomllib.loads((package.folder / "pyproject.toml").read_text()).get("dependency-groups", {})
    declared = " ".join(each for each in groups.get("test", []) if isinstance(each, str))
    for needed in ("cqrs-ddd-core[testing]", "pytest-timeout", "pytest-xdist"):
        assert needed in declared


def test_every_folder_with_sources_is_a_package() -> None:
    known = {package.folder for package in packages()}
    strangers = [file.parent for file in (ROOT / "packages").glob("**/src") if file.parent not in known]
    assert not strangers, "a folder with src/ but no pyproject.toml, or in a place that the workspace does not list"
