"""Programs of the product on the server's database, and sessions of others."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from tests.conftest import Server, connect


@contextmanager
def program(name: str, *command: str, **given: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program under a name, as the scripts start it, ended afterwards."""
    environment = os.environ | {"ZHUTU_PROGRAM": name, "DJANGO_SETTINGS_MODULE": "command_center.settings"} | given
    log = (settings.LOCAL / f"{given['ZHUTU_PGDATABASE']}_{name}.log").open("ab")
    process = subprocess.Popen([sys.executable, *command], cwd=settings.ROOT, env=environment, stdout=log, stderr=log)
    log.close()
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(20)


def psql(database: str, statement: str, **given: str) -> subprocess.CompletedProcess[str]:
    """What somebody does with psql, over the socket of the machine."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"))
    host = str(connection.settings_dict["HOST"])
    given = {"PGHOST": host, "PGUSER": "zhutu", "PGDATABASE": database} | given
    return subprocess.run(
        [str(found[-1]), "-X", "-c", statement], env=os.environ | given, capture_output=True, text=True, check=False
    )


@pytest.fixture
def link(server: Server) -> Iterator[Callable[..., psycopg.Connection]]:
    """``link("zhutu web")`` → a session under that name on the server's database."""
    opened: list[psycopg.Connection] = []

    def enter(name: str = "") -> psycopg.Connection:
        opened.append(connect(server.database))
        opened[-1].execute("select set_config('application_name', %s, false)", [name])
        return opened[-1]

    yield enter
    for each in opened:
        each.close()
