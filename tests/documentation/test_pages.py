"""Every page says what it is, and leads where it says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scripts.documentation.page import KINDS, Page, pages
from scripts.workspace import ROOT, packages

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)[^)]*\)|<a\s[^>]*href=\"([^\"]+)\"")
_CODE = re.compile(r"^(`{3,}|~{3,}).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)

ALL = [pytest.param(page, id=page.name) for page in pages()]
DOCS = [pytest.param(page, id=page.name) for page in pages() if page.file.is_relative_to(ROOT / "docs")]


@pytest.mark.parametrize("page", DOCS)
def test_a_page_says_which_kind_it_is(page: Page) -> None:
    assert page.kind in KINDS, f"{page.name}: put `kind: …` into its front matter, one of {', '.join(KINDS)}"


@pytest.mark.parametrize("page", DOCS)
def test_a_page_stands_in_the_folder_of_its_kind(page: Page) -> None:
    folders = {"tutorial": "tutorial", "how-to": "how-to", "reference": "reference", "decision": "decisions"}
    first = page.file.relative_to(ROOT / "docs").parts[0]
    assert first not in folders.values() or first == folders.get(page.kind or ""), f"{page.name} is a {page.kind}"


@pytest.mark.parametrize("page", ALL)
def test_links_into_the_repository_lead_somewhere(page: Page) -> None:
    dead: list[str] = []
    for match in _LINK.finditer(_CODE.sub("", page.text)):
        target = (match[1] or match[2]).split("#", 1)[0]
        if (
            target
            and "://" not in target
            and not target.startswith("mailto:")
            and not (page.file.parent / target).exists()
        ):
            dead.append(target)
    assert not dead, f"{page.name} links to what is not there: {', '.join(dead)}"


def _listed(navigation: object) -> Iterator[str]:
    """The files that a navigation leads to, however deep."""
    if isinstance(navigation, str):
        yield navigation
    elif isinstance(navigation, dict):
        for entry in navigation.values():
            yield from _listed(entry)
    elif isinstance(navigation, list):
        for entry in navigation:
            yield from _listed(entry)


def test_the_navigation_leads_to_every_page_and_to_nothing_else() -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    files = [file.relative_to(ROOT / "docs").as_posix() for file in (ROOT / "docs").rglob("*.md")]
    assert sorted(_listed(navigation)) == sorted(files), "mkdocs.yml and docs/ disagree"


@pytest.mark.parametrize("map_of_packages", ["README.md", "docs/package-organization.md"])
def test_the_map_shows_every_package(map_of_packages: str) -> None:
    text = (ROOT / map_of_packages).read_text()
    missing = [package.distribution for package in packages() if package.distribution not in text]
    assert not missing, f"{map_of_packages} does not show {', '.join(missing)}"


def test_there_are_pages() -> None:
    assert Path("README.md") in {page.file.relative_to(ROOT) for page in pages()}
