"""The servers of one run, shared by all its processes.

A run has a folder. The process that owns the run holds a lock on a file in it for as long as it lives. Each server is
held by a keeper process, which stops it as soon as that lock is free: nothing is left behind, however the owner ends.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from scripts.servers.catalogue import SERVERS, Server

ROOT = Path(__file__).parents[2]
_FOLDER_VARIABLE = "TOOLKIT_SERVERS_FOLDER"
_OWNER = "owner.lock"
_START_SECONDS = 110.0
_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """What a run has of one server."""

    address: str | None
    """None when there is no such server for this run."""
    how: str
    """Where it came from, or why there is none, in one line for the table of the run."""
    details: str = ""
    """All that a failed start printed."""


class ServerRun:
    """The servers of one run. The first process makes it, the others of the same run join it."""

    def __init__(self, folder: Path, owner_lock: int | None) -> None:
        self._folder = folder
        self._owner_lock = owner_lock

    @classmethod
    def open(cls) -> Self:
        """Join the run that a parent process has opened; open one, and own it, when there is none."""
        joined = os.environ.get(_FOLDER_VARIABLE)
        if joined:
            return cls(Path(joined), None)
        folder = Path(tempfile.mkdtemp(prefix="toolkit-servers-"))
        # A server may run as another user than the one who started the run.
        folder.chmod(0o755)
        owner_lock = os.open(folder / _OWNER, os.O_CREAT | os.O_RDWR)
        fcntl.flock(owner_lock, fcntl.LOCK_EX)
        os.environ[_FOLDER_VARIABLE] = str(folder)
        return cls(folder, owner_lock)

    @property
    def folder(self) -> Path:
        """Where the files of this run's servers are; it goes when the run ends."""
        return self._folder

    @property
    def is_owner(self) -> bool:
        """Whether this process opened the run and has to close it."""
        return self._owner_lock is not None

    def provide(self, server: Server) -> Provision:
        """The server for this run, found or started once however many processes ask."""
        given = os.environ.get(server.variable)
        if given:
            provision = Provision(address=given, how=f"given by {server.variable}")
            write_provision(self._folder, server, provision)
            return provision
        with _locked(self._folder / f"{server.name}.start.lock"):
            known = self.provided(server)
            if known is not None:
                return known
            self._launch_keeper(server)
            return self._wait_for_keeper(server)

    def provided(self, server: Server) -> Provision | None:
        """What ``provide`` found, in whichever process it was asked; None when nobody has asked."""
        try:
            record = json.loads(_provision_file(self._folder, server).read_text())
        except FileNotFoundError:
            return None
        return Provision(**record)

    def close(self) -> None:
        """Stop what this run started and remove its folder. Only the owner's call does something; twice is harmless."""
        if self._owner_lock is None:
            return
        os.close(self._owner_lock)
        self._owner_lock = None
        os.environ.pop(_FOLDER_VARIABLE, None)
        for server in SERVERS:
            _wait_for_free_lock(keeper_lock_file(self._folder, server), limit=_STOP_SECONDS)
        remove_unless_kept(self._folder)

    def _launch_keeper(self, server: Server) -> None:
        command = [sys.executable, "-m", "scripts.servers.keeper", server.name, str(self._folder)]
        log = self._folder / f"{server.name}.keeper.log"
        with log.open("wb") as output:
            # It detaches itself and returns at once.
            subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True)

    def _wait_for_keeper(self, server: Server) -> Provision:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            provision = self.provided(server)
            if provision is not None:
                return provision
            time.sleep(0.05)
        log = (self._folder / f"{server.name}.keeper.log").read_text()
        provision = Provision(address=None, how=f"did not start within {_START_SECONDS:.0f} s", details=log)
        write_provision(self._folder, server, provision)
        return provision


def write_provision(folder: Path, server: Server, provision: Provision) -> None:
    """Tell the other processes of the run; they see all of it or nothing."""
    draft = folder / f"{server.name}.{os.getpid()}.draft"
    draft.write_text(json.dumps(asdict(provision)))
    draft.replace(_provision_file(folder, server))


def wait_until_owner_is_gone(folder: Path) -> None:
    """Return when the owner of the run has closed it or has died."""
    lock = os.open(folder / _OWNER, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.close(lock)


def remove_unless_kept(folder: Path) -> None:
    """Remove the folder of a run that is over, unless one of its servers is still being stopped."""
    if all(_wait_for_free_lock(keeper_lock_file(folder, server), limit=0) for server in SERVERS):
        shutil.rmtree(folder, ignore_errors=True)


def keeper_lock_file(folder: Path, server: Server) -> Path:
    """Locked by the server's keeper for as long as it lives."""
    return folder / f"{server.name}.keeper.lock"


def _provision_file(folder: Path, server: Server) -> Path:
    return folder / f"{server.name}.json"


@contextmanager
def _locked(file: Path) -> Generator[None]:
    with file.open("wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _wait_for_free_lock(file: Path, *, limit: float) -> bool:
    """Whether nobody holds the lock, after at most ``limit`` seconds."""
    end = time.monotonic() + limit
    while True:
        try:
            with file.open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.05)
        else:
            return True
