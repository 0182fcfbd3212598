"""A PostgreSQL database for one test process, copied from a template so that it costs a tenth of a second."""

from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql

# Kept on the server from run to run: making PostGIS takes a second, copying a database that has it does not.
_TEMPLATE = "toolkit_tests_template"
_EXTENSIONS = ("postgis", "pg_trgm", "unaccent", "btree_gin", "btree_gist")
# Any number will do, as long as every test process uses the same.
_LOCK = 7_203_114


@contextmanager
def database_for_tests(server: str, *, owner: str) -> Generator[str]:
    """Make an empty database, give its address, and drop it.

    It has those of PostGIS, pg_trgm, unaccent, btree_gin and btree_gist that the server offers. The user in ``server``
    must be allowed to create databases.
    """
    name = f"toolkit_tests_{owner}_{uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        # A database that is being copied must not be in use, so the processes take turns.
        connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        _make_template(connection, server)
        connection.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(_TEMPLATE))
        )
    try:
        yield _with_database(server, name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            # A test that leaks a connection is found by its own assertions, not by a hanging end of the run.
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _make_template(connection: psycopg.Connection, server: str) -> None:
    if connection.execute("select 1 from pg_database where datname = %s", [_TEMPLATE]).fetchone():
        return
    connection.execute(sql.SQL("create database {}").format(sql.Identifier(_TEMPLATE)))
    with psycopg.connect(_with_database(server, _TEMPLATE), autocommit=True) as template:
        for extension in _EXTENSIONS:
            if template.execute("select 1 from pg_available_extensions where name = %s", [extension]).fetchone():
                template.execute(sql.SQL("create extension if not exists {}").format(sql.Identifier(extension)))


def _with_database(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
