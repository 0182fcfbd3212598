"""The process that holds one server of a run.

``python -m scripts.servers.keeper NAME FOLDER`` detaches itself, gets the server, writes what it got into the run's
folder, and stops the server when the owner of the run is gone, whether that ended in order, was killed or crashed.
"""

import fcntl
import os
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from scripts.servers.catalogue import Server, server_named
from scripts.servers.private import PrivateServer
from scripts.servers.run import (
    Provision,
    keeper_lock_file,
    remove_unless_kept,
    wait_until_owner_is_gone,
    write_provision,
)


def keep(server: Server, folder: Path) -> None:
    """Hold ``server`` for the run in ``folder`` until its owner is gone."""
    with keeper_lock_file(folder, server).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with _obtained(server, folder) as provision:
            write_provision(folder, server, provision)
            wait_until_owner_is_gone(folder)
    # The owner does this when it ends in order; when it was killed, its last keeper does.
    remove_unless_kept(folder)


@contextmanager
def _obtained(server: Server, folder: Path) -> Generator[Provision]:
    private = PrivateServer(server, folder / server.name)
    containers_wanted = os.environ.get("SERVERS_FROM") == "containers"
    no_programs = "SERVERS_FROM=containers" if containers_wanted else private.why_not()
    if no_programs is None:
        try:
            yield Provision(address=private.start(), how="private, started by this run")
        finally:
            private.wipe()
        return
    no_engine = _why_no_container_engine()
    if no_engine is not None:
        yield Provision(address=None, how=f"{no_programs}; {no_engine}")
        return
    with server.container() as address:
        yield Provision(address=address, how="container, started by this run")


def _why_no_container_engine() -> str | None:
    try:
        from testcontainers.core.docker_client import DockerClient  # noqa: PLC0415 - only where there is no other way

        DockerClient().client.version()  # pyright: ignore[reportUnknownMemberType] - docker has no types
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the answer is that there is none
        return f"no container engine answers ({type(error).__name__})"
    return None


def _main() -> None:
    name, folder = sys.argv[1:]
    server = server_named(name)
    if os.fork() != 0:
        os._exit(0)
    os.setsid()
    try:
        keep(server, Path(folder))
    except Exception as error:  # noqa: BLE001 - whoever waits for the server must hear why there is none
        how = str(error).strip().rsplit("\n", 1)[-1] or type(error).__name__
        provision = Provision(address=None, how=how, details=traceback.format_exc())
        write_provision(Path(folder), server, provision)


if __name__ == "__main__":
    _main()
