"""Fixtures of all tests: real PostGIS with a small demo city, real Redis, a real server, people with unlike rights."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client, override_settings

from services.access import principal as principals_module
from services.access.principal import PUBLIC, SYSTEM, Principal, principal_of
from services.accounts.models import ApiToken, Membership, User
from services.accounts.roles import Role

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
PASSWORD = "Correct-horse-7"

HOME, SIBLING, ELSEWHERE = "511702", "511703", "330100"
"""Two counties of Dazhou, and Hangzhou: where the owner, the neighbour and the stranger have their rights."""

PEOPLE = {
    "admin": (Role.ADMIN, None),
    "commander": (Role.COMMANDER, "511700"),
    "owner": (Role.SUPERVISOR, HOME),
    "neighbour": (Role.SUPERVISOR, SIBLING),
    "stranger": (Role.SUPERVISOR, ELSEWHERE),
    "inspector": (Role.INSPECTOR, HOME),
}


def client(name: str, language: str = "zh-hans", **options: Any) -> Client:
    """A browser in which a user is logged in."""
    made = Client(SERVER_NAME="127.0.0.1", headers={"Accept": "text/html"}, **options)
    made.force_login(User.objects.get(username=name))
    made.cookies["django_language"] = language
    return made


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data are not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Regions, a small demo city and the people of these tests, once per database."""
    from django.core.management import call_command

    if not str(connection.settings_dict["NAME"]).startswith("test_"):
        return  # no collected test asked for a database, so none was made: this is a person's own
    with django_db_blocker.unblock():
        call_command("loadregions", scope="5117", verbosity=0)
        call_command("demo", scale=0.2, verbosity=0)
        for name, (role, region) in PEOPLE.items():
            if User.objects.filter(username=name).exists():
                continue  # pytest --reuse-db
            user = User.objects.create_user(name, password=PASSWORD, is_staff=name in ("admin", "owner", "neighbour"))
            Membership.objects.create(user=user, role=role, region_id=region)


@pytest.fixture(scope="session", autouse=True)
def _own_redis() -> Iterator[None]:
    """``pytest -n``: every process has a Redis database of its own, for each empties it before its tests."""
    number = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if not number:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        url = f"{settings.REDIS_URL}?db={int(number) + 1}"
        patch.setenv("ZHUTU_REDIS_URL", url)  # the processes that tests start
        with override_settings(REDIS_URL=url, CACHES={"default": settings.CACHES["default"] | {"LOCATION": url}}):
            yield


@pytest.fixture(autouse=True)
def _forgotten(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing kept from the test before: no rights in the process, no cached answers."""
    principals_module.forget()
    if "db" in request.fixturenames:
        cache.clear()
    yield
    principals_module.forget()


@pytest.fixture
def who(db: None) -> dict[str, Principal]:
    """The principals by name, ``public`` and ``system`` among them."""
    users = User.objects.filter(username__in=PEOPLE)
    return {user.username: principal_of(user) for user in users} | {"public": PUBLIC, "system": SYSTEM}


@pytest.fixture
def token(db: None) -> Any:
    """``token("owner")`` → the Authorization header of a fresh API token of that user."""

    def issue(name: str) -> dict[str, str]:
        secret = ApiToken.issue(User.objects.get(username=name), "test")
        return {"Authorization": f"Bearer {secret}"}

    return issue


@dataclass
class Server:
    """The product as ``make run`` starts it, on a database of its own."""

    url: str
    database: str
    live_port: int = 0
    """Where its pages look for live events; a test that wants them starts the process there."""

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement in the server's database and return its rows."""
        with connect(self.database) as link:
            cursor = link.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []


def connect(database: str) -> psycopg.Connection:
    """A connection of its own, outside Django's transactions."""
    given = settings.DATABASES["default"]
    return psycopg.connect(
        host=given["HOST"], user=given["USER"], password=given["PASSWORD"] or None, dbname=database, autocommit=True
    )


@contextmanager
def copied(blocker: Any, suffix: str) -> Iterator[str]:
    """The name of a copy of the test database, where processes of their own may commit; dropped at the end."""
    source = connection.settings_dict["NAME"]
    database = f"{source}_{suffix}"
    with blocker.unblock():
        connection.close()
    with connect("postgres") as link:
        _drop(link, database)
        _empty(link, source)  # an earlier test may have left a connection, and a database in use is no template
        link.execute(f'create database "{database}" template "{source}"')
    try:
        yield database
    finally:
        with connect("postgres") as link:
            _drop(link, database)


def _drop(link: psycopg.Connection, database: str) -> None:
    # Not "with (force)": that is refused while autovacuum, which is not ours, is in there.
    _empty(link, database)
    link.execute(f'drop database if exists "{database}"')


def _empty(link: psycopg.Connection, database: str) -> None:
    link.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and usename = current_user",
        [database],
    )


@pytest.fixture(scope="session")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[Server]:
    """A granian process on a free port; its database is a copy of the test database, so tests may commit there."""
    with copied(django_db_blocker, "server") as database, served(database) as found:
        yield found


@contextmanager
def served(database: str) -> Iterator[Server]:
    """A granian process on a free port that works with a database."""
    with socket.socket() as probe, socket.socket() as another:
        probe.bind(("127.0.0.1", 0))
        another.bind(("127.0.0.1", 0))
        port, live_port = probe.getsockname()[1], another.getsockname()[1]
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--blocking-threads", "2", "--no-ws", "command_center.wsgi:application",
    ]  # fmt: skip
    environment = os.environ | {
        "ZHUTU_PGDATABASE": database, "DJANGO_SETTINGS_MODULE": "command_center.settings",
        "PORT": str(port), "LIVE_PORT": str(live_port),
    }  # fmt: skip
    log = (settings.LOCAL / f"{database}.log").open("wb")
    process = subprocess.Popen(command, cwd=settings.ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/healthz", process)
        yield Server(f"http://127.0.0.1:{port}", database, live_port)
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120  # a machine with much else to do starts it slowly
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the web server did not start; see .local/*.log")


@dataclass
class Live:
    """The process, and the server whose database it reads."""

    server: Server
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.live_port}/live"

    def start(self) -> None:
        """Start it and wait until it answers."""
        port = str(self.server.live_port)
        command = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", port]
        command += ["--workers", "1", "--no-ws", "--workers-kill-timeout", "2", "command_center.live:application"]
        environment = os.environ | {
            "ZHUTU_PGDATABASE": self.server.database, "PORT": self.server.url.rpartition(":")[2], "LIVE_PORT": port,
            **self.environment,
        }  # fmt: skip
        log = (settings.LOCAL / f"{self.server.database}_live.log").open("ab")
        self.process = subprocess.Popen(
            command, cwd=settings.ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            try:
                httpx.get(self.url.replace("/live", "/healthz"), timeout=2).raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise RuntimeError("the live process did not start; see .local/*_live.log")

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """Ask it to end."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def live_process(server: Server) -> Iterator[Live]:
    """The process of live events beside the server, for the tests of a module."""
    found = Live(server)
    found.start()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.stop()


@pytest.fixture
def live(live_process: Live) -> Live:
    """A live process that runs, though the test before may have killed it."""
    if live_process.process is None or live_process.process.poll() is not None:
        live_process.start()
    return live_process


@pytest.fixture
def monitor(server: Server) -> str:
    """The id of a dust monitor in the owner's county."""
    query = "select id from environment_monitor where region_id like '511702%%' order by name limit 1"
    return str(server.sql(query)[0][0])


@pytest.fixture(scope="session")
def machine() -> Iterator[Any]:
    """A PostgreSQL and a Redis of their own, with empty tables, for tests that kill them or fill their disks."""
    # Only where it is asked for: it stands on the product's scripts.
    from tests.ingest.gateways.machine import Machine

    found = Machine()
    try:
        found.start()
        found.migrate()
        yield found
    finally:
        found.stop()
