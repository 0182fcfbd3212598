"""The servers of a run: started once, shared, and gone when the run is gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from scripts.servers.private import PrivateServer

ROOT = Path(__file__).parents[2]


def test_every_test_process_has_an_empty_postgres_database_of_its_own(postgres_server: str, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("select count(*) from pg_stat_user_tables where schemaname = 'public'").fetchone()
        database = connection.execute("select current_database()").fetchone()
    assert postgres_url != postgres_server
    assert database is not None
    assert database[0] == postgres_url.rsplit("/", 1)[1]
    assert tables is not None
    assert tables[0] <= 1, "only PostGIS may have put its one table there"


@pytest.mark.needs_postgres
def test_a_private_server_keeps_its_data_over_a_crash(private_server: Callable[[str], PrivateServer]) -> None:
    server = private_server("postgres")
    with psycopg.connect(server.start(), autocommit=True) as connection:
        connection.execute("create table kept as select 42 as answer")
    server.kill()
    with psycopg.connect(server.start()) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)


@pytest.mark.needs_postgres
def test_servers_stop_when_the_process_that_owns_the_run_is_killed() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TOOLKIT_", "TEST_"))}
    program = "import os; print(os.environ['TEST_POSTGRES_URL'], flush=True); import time; time.sleep(60)"
    command = [sys.executable, "-m", "scripts.servers", "postgres", "--", sys.executable, "-c", program]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as owner:
        assert owner.stdout is not None
        address = owner.stdout.readline().strip()
        assert address, "the program got no address"
        assert _answers(address), "the server runs while its owner does"
        os.killpg(owner.pid, signal.SIGKILL)
    end = time.monotonic() + 30
    while _answers(address) and time.monotonic() < end:
        time.sleep(0.1)
    assert not _answers(address)


def _answers(address: str) -> bool:
    try:
        with psycopg.connect(address, connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False
