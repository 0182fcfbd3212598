"""Take the download addresses out of a ``uv.lock``: standard input to standard output.

Git runs this as the clean filter of ``uv.lock`` (see ``.gitattributes``), so that the committed lock holds versions
and hashes and serves any package index, while the working copy keeps what uv wrote. It must run on whatever
``python3`` a machine has, before any environment exists: standard library only, nothing newer than Python 3.9.
"""

import re
import sys

_REGISTRY = re.compile(r'source = \{ registry = "[^"]*" \}')
_URL = re.compile(r'url = "[^"]*/([^"/#?]+)[^"]*"')
# Indexes disagree on these two, and uv needs neither.
_SIZE = re.compile(r", size = \d+")
_UPLOAD_TIME = re.compile(r', upload-time = "[^"]*"')
# An emptied list tells uv that the lock is out of date: it resolves again, with the locked versions as preferences.
_REQUIRES_DIST = re.compile(r"^requires-dist = \[.*?\]$", re.MULTILINE | re.DOTALL)


def without_addresses(lock: str) -> str:
    """Give the form of ``lock`` that belongs into the repository. Giving it that form again changes nothing."""
    lines: list[str] = []
    for line in lock.splitlines(keepends=True):
        line = _REGISTRY.sub('source = { registry = "." }', line)
        if "hash = " in line:
            line = _URL.sub(r'filename = "\1"', line)
            line = _UPLOAD_TIME.sub("", _SIZE.sub("", line))
        lines.append(line)
    return _REQUIRES_DIST.sub("requires-dist = []", "".join(lines))


if __name__ == "__main__":
    sys.stdout.buffer.write(without_addresses(sys.stdin.buffer.read().decode("utf-8")).encode("utf-8"))
