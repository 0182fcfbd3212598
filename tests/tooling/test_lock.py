"""The lock that is committed holds versions and hashes, and no address."""

import subprocess
import sys

from scripts.lock import without_addresses
from scripts.workspace import ROOT

# What uv writes, from an index that does not exist.
WRITTEN = """\
[[package]]
name = "pydantic"
version = "2.11.0"
source = { registry = "https://index.example/simple" }
dependencies = [
    { name = "typing-extensions" },
]
sdist = { url = "https://a.example/pydantic-2.11.0.tar.gz", hash = "sha256:aa", size = 1, upload-time = "2025-01-01" }
wheels = [
    { url = "https://files.example/c/pydantic-2.11.0-py3-none-any.whl#x", hash = "sha256:bb", size = 20 },
]

[[package]]
name = "cqrs-ddd-core"
version = "0.1.0"
source = { editable = "packages/core" }

[package.metadata]
requires-dist = [
    { name = "hypothesis", marker = "extra == 'testing'", specifier = ">=6.112" },
    { name = "pydantic", specifier = ">=2.11" },
]
provides-extras = ["testing"]
"""

COMMITTED = """\
[[package]]
name = "pydantic"
version = "2.11.0"
source = { registry = "." }
dependencies = [
    { name = "typing-extensions" },
]
sdist = { filename = "pydantic-2.11.0.tar.gz", hash = "sha256:aa" }
wheels = [
    { filename = "pydantic-2.11.0-py3-none-any.whl", hash = "sha256:bb" },
]

[[package]]
name = "cqrs-ddd-core"
version = "0.1.0"
source = { editable = "packages/core" }

[package.metadata]
requires-dist = []
provides-extras = ["testing"]
"""


def test_addresses_and_what_differs_between_indexes_are_taken_out() -> None:
    assert without_addresses(WRITTEN) == COMMITTED


def test_a_lock_without_addresses_stays_as_it_is() -> None:
    assert without_addresses(COMMITTED) == COMMITTED


def test_the_filter_reads_and_writes_what_git_pipes_through_it() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "lock.py"], input=WRITTEN.encode(), capture_output=True, check=True
    )
    assert done.stdout == COMMITTED.encode()


def test_the_lock_of_this_workspace_loses_every_address() -> None:
    assert "http" not in without_addresses((ROOT / "uv.lock").read_text(encoding="utf-8"))
