"""Run a program with servers.

``python -m scripts.servers postgres -- python benchmarks/event_store.py``: each server's address is in its environment
variable for the program, and the servers are stopped when it ends.
"""

import os
import subprocess
import sys

from scripts.servers.catalogue import SERVERS, server_named
from scripts.servers.run import ServerRun

_USAGE = f"usage: python -m scripts.servers NAME... -- COMMAND...   (names: {', '.join(each.name for each in SERVERS)})"


def _main(arguments: list[str]) -> int:
    if "--" not in arguments[:-1]:
        raise SystemExit(_USAGE)
    separator = arguments.index("--")
    names, command = arguments[:separator], arguments[separator + 1 :]
    run = ServerRun.open()
    try:
        environment = dict(os.environ)
        for name in names:
            server = server_named(name)
            provision = run.provide(server)
            print(f"{server.name}: {provision.how}", file=sys.stderr)
            if provision.address is None:
                return 1
            environment[server.variable] = provision.address
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        run.close()


if __name__ == "__main__":
    raise SystemExit(_main(sys.argv[1:]))
