"""A server that we start ourselves, from programs installed on this machine."""

import random
import socket
import subprocess
from pathlib import Path

from scripts.servers.catalogue import Server

_HERE = Path(__file__).parent
# Below the range from which operating systems hand out ports of outgoing connections.
_FIRST_PORT, _LAST_PORT = 20_000, 30_000


class ServerFailedError(Exception):
    """The programs are there, but the server did not do what it was told; the message has what it printed."""


class PrivateServer:
    """One server with all its files in one folder; it may be stopped, killed and started again."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._port = 0

    def why_not(self) -> str | None:
        """Why this machine cannot start one, in words for the table of a run; None when it can."""
        try:
            self._script("available")
        except (ServerFailedError, OSError) as error:
            return str(error)
        return None

    def start(self) -> str:
        """Start it unless it runs, wait until it answers, and give its address. It keeps its port over restarts."""
        self._port = self._port or _free_ports(self._server.ports)
        return self._script("start", str(self._folder), str(self._port)).strip()

    def stop(self) -> None:
        """Stop it in order; the data stays."""
        self._script("stop", str(self._folder))

    def kill(self) -> None:
        """Stop it as a crash would; the data stays."""
        self._script("kill", str(self._folder))

    def wipe(self) -> None:
        """Stop it and remove its folder."""
        self._script("wipe", str(self._folder))

    def _script(self, *arguments: str) -> str:
        script = _HERE / f"{self._server.name}.sh"
        done = subprocess.run(
            [script, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode != 0:
            raise ServerFailedError(done.stderr.strip() or f"{script.name} {arguments[0]} failed")
        return done.stdout


def _free_ports(count: int) -> int:
    """The first of ``count`` ports in a row on which nothing listens now."""
    for _ in range(1000):
        first = random.randrange(_FIRST_PORT, _LAST_PORT - count)
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise ServerFailedError(f"no {count} free ports in a row between {_FIRST_PORT} and {_LAST_PORT}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
