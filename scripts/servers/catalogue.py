"""The servers that the tests of this repository know."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One kind of server: how a run names it and where it may come from.

    Its script is ``<name>.sh`` in this folder, its mark ``needs_<name>``, its fixture ``<name>_server``.
    """

    name: str
    variable: str
    """The environment variable with the address of a server to use instead of starting one."""
    ports: int
    """How many ports in a row a private server takes."""
    container: Callable[[], AbstractContextManager[str]]
    """Runs the server in a container for as long as the context is open, and gives its address."""


@contextmanager
def _postgres_container() -> Generator[str]:
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - only where there is no other way

    settings = "-c wal_level=logical -c max_connections=200 -c max_prepared_transactions=10 -c fsync=off"
    container = PostgresContainer("postgis/postgis:17-3.5", driver=None).with_command(f"postgres {settings}")
    with container:
        yield container.get_connection_url()


POSTGRES = Server(name="postgres", variable="TEST_POSTGRES_URL", ports=1, container=_postgres_container)

SERVERS = (POSTGRES,)


def server_named(name: str) -> Server:
    """The server of that name; ``LookupError`` with the names that exist when there is none."""
    for server in SERVERS:
        if server.name == name:
            return server
    raise LookupError(f"no server named {name!r}; known: {', '.join(server.name for server in SERVERS)}")
