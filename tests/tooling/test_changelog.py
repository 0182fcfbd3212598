"""Fragments become a changelog, and a bad fragment is named before a release meets it."""

from pathlib import Path

import pytest

from scripts.changelog import fragments, release
from scripts.release import released
from scripts.workspace import Package


def _package(folder: Path, **changes: str) -> Package:
    (folder / "changes").mkdir()
    (folder / "changes" / "README.md").write_text("# How to\n")
    for name, text in changes.items():
        (folder / "changes" / f"{name.replace('__', '.').replace('_', '-')}.md").write_text(text)
    (folder / "CHANGELOG.md").write_text(
        "# Changelog\n\nNewest first.\n\n## 0.1.0 (2026-01-01)\n\n### Added\n\n- It.\n"
    )
    (folder / "pyproject.toml").write_text('[project]\nname = "cqrs-ddd-x"\nversion = "0.1.0"\n')
    return Package(folder=folder, distribution="cqrs-ddd-x", module="cqrs_ddd_x", project={"version": "0.1.0"})


def test_a_release_moves_the_fragments_into_the_changelog_and_sets_the_version(tmp_path: Path) -> None:
    package = _package(
        tmp_path,
        a_bug__fixed="`send` now waits.\nIt did not.\n",
        new_port__added="There is a port.",
        other_name__breaking="`a` is `b` now.",
    )
    release(package, "0.2.0", "2026-02-03")
    assert (tmp_path / "CHANGELOG.md").read_text() == (
        "# Changelog\n\nNewest first.\n\n"
        "## 0.2.0 (2026-02-03)\n\n"
        "### Breaking\n\n- `a` is `b` now.\n\n"
        "### Added\n\n- There is a port.\n\n"
        "### Fixed\n\n- `send` now waits.\n  It did not.\n\n"
        "## 0.1.0 (2026-01-01)\n\n### Added\n\n- It.\n"
    )
    assert [file.name for file in (tmp_path / "changes").iterdir()] == ["README.md"]
    assert 'version = "0.2.0"' in (tmp_path / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("Some Words.added.md", "It is.", "some-words.KIND.md"),
        ("words.improved.md", "It is.", "one of breaking, added"),
        ("words.added.txt", "It is.", "some-words.KIND.md"),
        ("words.added.md", "It is", "full stop"),
        ("words.added.md", "", "full stop"),
        ("words.added.md", "- It is.\n- That is.", "one change"),
    ],
)
def test_a_bad_fragment_is_refused(tmp_path: Path, name: str, text: str, problem: str) -> None:
    package = _package(tmp_path)
    (package.folder / "changes" / name).write_text(text)
    with pytest.raises(ValueError, match=problem):
        fragments(package.folder / "changes")


@pytest.mark.parametrize(("version", "problem"), [("0.1.0", "already"), ("next", "no version")])
def test_a_release_of_an_impossible_version_is_refused(tmp_path: Path, version: str, problem: str) -> None:
    package = _package(tmp_path, words__added="It is.")
    with pytest.raises(ValueError, match=problem):
        release(package, version, "2026-02-03")
    assert (tmp_path / "changes" / "words.added.md").exists()


def test_a_release_without_changes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to release"):
        release(_package(tmp_path), "0.2.0", "2026-02-03")


def _releasing(monkeypatch: pytest.MonkeyPatch, package: Package) -> None:
    monkeypatch.setattr("scripts.release.package_named", lambda _name: package)


def test_a_tag_that_fits_is_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _package(tmp_path)
    _releasing(monkeypatch, package)
    assert released("cqrs-ddd-x==0.1.0") is package


@pytest.mark.parametrize(
    ("tag", "changes", "problem"),
    [
        ("cqrs-ddd-x-0.1.0", {}, "DISTRIBUTION==VERSION"),
        ("cqrs-ddd-x==0.2.0", {}, "version in cqrs-ddd-x's pyproject.toml is 0.1.0"),
        ("cqrs-ddd-x==0.1.0", {"words__added": "It is."}, "in no changelog"),
    ],
)
def test_a_tag_that_the_repository_is_not_ready_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str, changes: dict[str, str], problem: str
) -> None:
    _releasing(monkeypatch, _package(tmp_path, **changes))
    with pytest.raises(ValueError, match=problem):
        released(tag)


def test_a_tag_of_an_unknown_package_is_refused() -> None:
    with pytest.raises(ValueError, match="no package 'cqrs-ddd-nothing'; there are: cqrs-ddd-core"):
        released("cqrs-ddd-nothing==1.0.0")
