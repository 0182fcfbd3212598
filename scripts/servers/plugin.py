"""The pytest side: fixtures with the addresses of servers, a mark for tests that need one, a table at the end of a run.

A test that asks for ``postgres_server`` or ``postgres_url``, directly or through other fixtures, is marked
``needs_postgres`` by itself. ``--no-servers`` leaves such tests out.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NoReturn
from uuid import uuid4

import pytest

from scripts.servers.catalogue import SERVERS, Server, server_named
from scripts.servers.private import PrivateServer
from scripts.servers.run import ServerRun

_RUN = pytest.StashKey[ServerRun]()
_TABLE = pytest.StashKey["_Table"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("servers").addoption(
        "--no-servers", action="store_true", help="leave out the tests that need a server"
    )


def pytest_configure(config: pytest.Config) -> None:
    for server in SERVERS:
        config.addinivalue_line("markers", f"{_mark(server)}: needs {server.name}; {server.variable} may name one")
    config.stash[_RUN] = ServerRun.open()
    if not hasattr(config, "workerinput"):
        config.stash[_TABLE] = _Table(config)
        config.pluginmanager.register(config.stash[_TABLE], "servers-table")


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_RUN].close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        for server in SERVERS:
            if _fixture(server) in getattr(item, "fixturenames", ()) and not item.get_closest_marker(_mark(server)):
                item.add_marker(_mark(server))
        needs_server = any(item.get_closest_marker(_mark(server)) for server in SERVERS)
        (left_out if needs_server and config.getoption("no_servers") else kept).append(item)
    if left_out:
        items[:] = kept
        config.hook.pytest_deselected(items=left_out)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for server in SERVERS:
        if item.get_closest_marker(_mark(server)):
            _address(item.config, server)


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> str:
    """The address of this run's PostgreSQL server, for tests that make databases of their own."""
    return _address(pytestconfig, server_named("postgres"))


@pytest.fixture(scope="session")
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty PostgreSQL database of this test process alone; ``postgres_database`` says what is installed in it."""
    from scripts.servers.postgres_database import database_for_tests  # noqa: PLC0415 - needs psycopg

    with database_for_tests(postgres_server, owner=os.environ.get("PYTEST_XDIST_WORKER", "main")) as url:
        yield url


@pytest.fixture
def private_server(pytestconfig: pytest.Config) -> Iterator[Callable[[str], PrivateServer]]:
    """Make a server that belongs to one test alone, to stop or kill it: ``private_server("postgres").start()``."""
    run = pytestconfig.stash[_RUN]
    made: list[PrivateServer] = []

    def make(name: str) -> PrivateServer:
        # Not in tmp_path: its parents are closed to the user that PostgreSQL runs as when root starts it.
        folder = run.folder / f"{name}-{uuid4().hex}"
        server = PrivateServer(server_named(name), folder)
        reason = server.why_not()
        if reason is not None:
            _missing(reason)
        made.append(server)
        return server

    yield make
    for server in made:
        server.wipe()


def _mark(server: Server) -> str:
    return f"needs_{server.name}"


def _fixture(server: Server) -> str:
    return f"{server.name}_server"


def _address(config: pytest.Config, server: Server) -> str:
    provision = config.stash[_RUN].provide(server)
    if provision.address is None:
        _missing(f"{server.name}: {provision.how}")
    return provision.address


def _missing(reason: str) -> NoReturn:
    if os.environ.get("REQUIRE_SERVICES", "0") not in {"", "0"}:
        pytest.fail(f"REQUIRE_SERVICES is set, but there is no {reason}", pytrace=False)
    pytest.skip(f"no {reason}")


class _Table:
    """Collects, in the process that prints, which servers the run used and what it skipped."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ran: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self._skipped.update(self._needed(report))
            self._reasons[_reason(report)] += 1
        elif report.when == "call":
            self._ran.update(self._needed(report))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._reasons[_reason(report)] += 1

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        terminalreporter.section("servers used, tests skipped")
        for server in SERVERS:
            terminalreporter.write_line(f"{server.name:<12} {self._line(server)}")
            for line in self._details(server):
                terminalreporter.write_line(f"             | {line}")
        if not self._reasons:
            terminalreporter.write_line("skipped: nothing")
        for reason, count in self._reasons.most_common():
            terminalreporter.write_line(f"skipped: {count} because {reason}")

    def _line(self, server: Server) -> str:
        if self._config.getoption("no_servers"):
            return "not used: --no-servers left out the tests that need it"
        provision = self._config.stash[_RUN].provided(server)
        if provision is None:
            return "no test of this run needed it"
        ran, skipped = self._ran[server.name], self._skipped[server.name]
        tests = f"{ran} tests ran" + (f", {skipped} skipped" if skipped else "")
        origin = provision.how if provision.address else f"missing: {provision.how}"
        return f"{origin}; {tests}"

    def _details(self, server: Server) -> list[str]:
        provision = self._config.stash[_RUN].provided(server)
        return provision.details.splitlines() if provision else []

    def _needed(self, report: pytest.TestReport) -> list[str]:
        return [server.name for server in SERVERS if _mark(server) in report.keywords]


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):
        _file, _line, message = report.longrepr
        return message.removeprefix("Skipped: ")
    if hasattr(report, "wasxfail"):
        return f"expected to fail: {report.wasxfail}"
    return str(report.longrepr)
