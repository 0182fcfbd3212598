"""Check who may import whom, with import-linter, for whatever packages and rooms exist.

``python -m scripts.imports``. The contracts are made here and not written into pyproject.toml, because there every new
package would have to be added to each of them.
"""

import configparser
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts.workspace import CORE, Package, packages

# Rooms of core, the outer ones first: a room imports from the rooms below it, never from one above.
# Rooms in one line may know each other.
_CORE_LAYERS = (
    ("testing",),
    ("adapters",),
    ("cqrs", "middleware"),
    ("ports", "validation", "worker"),
    ("domain",),
    ("context", "instrumentation"),
    ("primitives",),
)
_EXCEPTIONS = (
    # The buses are ports about messages, and messages stand with their handlers.
    "cqrs_ddd_core.ports.bus -> cqrs_ddd_core.cqrs.message",
    "cqrs_ddd_core.ports.bus -> cqrs_ddd_core.cqrs.response",
)
# The one package that builds on a sibling.
_MAY_IMPORT = {"cqrs_ddd_filtering": {"cqrs_ddd_specifications"}}


def _contracts(found: tuple[Package, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    modules = [package.module for package in found]
    for module in modules:
        allowed = {module, CORE} | _MAY_IMPORT.get(module, set())
        siblings = [other for other in modules if other not in allowed]
        if siblings:
            yield f"{module} imports no sibling", _forbidden([module], siblings)
    for package in found:
        rooms = [f"{package.module}.{room}" for room in _rooms(package) if room != "testing"]
        yield f"{package.module} does not need the testing kit", _forbidden(rooms, [f"{CORE}.testing"])
    core = next(package for package in found if package.module == CORE)
    rooms_of_core = set(_rooms(core))
    layers = [" : ".join(room for room in layer if room in rooms_of_core) for layer in _CORE_LAYERS]
    yield (
        "the rooms of core",
        {
            "type": "layers",
            "containers": CORE,
            "layers": _lines(filter(None, layers)),
            "ignore_imports": _lines(_EXCEPTIONS),
            # A new room has to be given its place above.
            "exhaustive": "True",
        },
    )


def _forbidden(sources: list[str], forbidden: list[str]) -> dict[str, str]:
    return {
        "type": "forbidden",
        "source_modules": _lines(sources),
        "forbidden_modules": _lines(forbidden),
        "allow_indirect_imports": "True",
    }


def _rooms(package: Package) -> list[str]:
    return sorted({name.split(".")[1] for name, _file in package.modules() if "." in name})


def _lines(values: Iterable[str]) -> str:
    return "\n" + "\n".join(values)


def main() -> int:
    """Run import-linter on the contracts; its exit code."""
    found = packages()
    config = configparser.ConfigParser()
    config["importlinter"] = {"root_packages": _lines(package.module for package in found)}
    for number, (name, contract) in enumerate(_contracts(found)):
        config[f"importlinter:contract:{number}"] = {"name": name, **contract}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "contracts.ini"
        with file.open("w", encoding="utf-8") as output:
            config.write(output)
        linter = Path(sys.executable).parent / "lint-imports"
        return subprocess.run([linter, "--config", file, "--no-cache", "--no-logo"], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
