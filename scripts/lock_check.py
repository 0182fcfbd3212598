"""Check the lock: what git holds names no address, and it is what this workspace resolves to.

Git's clean filter takes the addresses out of ``uv.lock`` (``scripts/lock.py``). Since the hashes stay in, this also
proves that the index this machine uses served the very files that were locked.
"""

import subprocess

from scripts.lock import without_addresses
from scripts.workspace import ROOT


def _problems() -> list[str]:
    committed = subprocess.run(["git", "show", ":uv.lock"], cwd=ROOT, capture_output=True, text=True, check=False)
    if committed.returncode != 0:
        return ["git holds no uv.lock: run `make setup`, then `git add uv.lock`."]
    problems: list[str] = []
    if "http" in committed.stdout:
        problems.append("The uv.lock in git has addresses in it: run `make setup`, then `git add uv.lock`.")
    elif without_addresses((ROOT / "uv.lock").read_text(encoding="utf-8")) != committed.stdout:
        problems.append("The uv.lock in git is not what uv resolves: look at `git diff uv.lock`, and commit it.")
    fresh = subprocess.run(["scripts/uv", "lock", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    if fresh.returncode != 0:
        problems.append(f"uv.lock does not fit the pyproject.toml files: run `make setup`.\n{fresh.stderr.strip()}")
    return problems


if __name__ == "__main__":
    raise SystemExit("\n".join(_problems()) or 0)
