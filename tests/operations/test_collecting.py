"""The collector in running programs: request errors with user and cause, workers, and a database that is away."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.conf import settings

from tests.conftest import PASSWORD, Server, connect, served
from tests.ingest.gateways.boxes import until
from tests.ingest.gateways.machine import Machine
from tests.operations.conftest import program

pytestmark = pytest.mark.django_db
FOUND = "select level, account, request, message, cause, program, address from operations_logentry where logger = %s"


@pytest.fixture
def web(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A web process that collects its log, and somebody who has logged in there."""
    monkeypatch.setenv("ZHUTU_PROGRAM", "web")
    with served(server.database) as found, httpx.Client(base_url=found.url, timeout=60) as client:
        page = client.get("/login")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token is not None
        form = {"username": "owner", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        assert client.post("/login", data=form, headers={"Referer": found.url}).status_code == 302
        yield client


@pytest.mark.covers("DZ-058")
def test_a_forced_server_error_is_found_with_time_user_request_and_cause(server: Server, web: httpx.Client) -> None:
    with connect(server.database) as link:
        link.execute("alter table notify_message rename to notify_message_gone")
        try:
            answer = web.get("/desk/notices?token=geheim7", headers={"Accept": "text/html"})
        finally:
            link.execute("alter table notify_message_gone rename to notify_message")
    assert answer.status_code == 500 and "Traceback" not in answer.text
    assert until(lambda: server.sql(FOUND, "command_center.errors") != [], 30)
    [(level, account, request, message, cause, of, address)] = server.sql(FOUND, "command_center.errors")
    assert (level, account, request, of, address) == (40, "owner", "GET /desk/notices", "web", "127.0.0.1")
    assert message == "GET /desk/notices failed" and 'relation "notify_message" does not exist' in cause
    counted = "select sum(n) from operations_logcount where program = 'web' and level = 40"
    assert server.sql(counted) == [(1,)], "once, though Django says it again"


LOGS = """
import logging, sys, time
import django
django.setup()
log = logging.getLogger("storm")
for n in range({n}):
    log.{level}("line %d", n)
print("said", flush=True)
sys.stdin.readline()
"""


def talker(database: str, n: int, level: str = "warning", **given: str) -> subprocess.Popen[str]:
    """A program that logs so many lines as fast as it can, says so, and stays until it hears something."""
    environment = os.environ | {
        "ZHUTU_PROGRAM": "storm", "DJANGO_SETTINGS_MODULE": "command_center.settings", "ZHUTU_PGDATABASE": database
    } | given  # fmt: skip
    command = [sys.executable, "-c", LOGS.format(n=n, level=level)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=settings.ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    )


def test_a_storm_is_counted_whole_and_kept_in_part(server: Server) -> None:
    process = talker(server.database, 20_000)
    process.communicate("\n", timeout=120)
    assert process.returncode == 0
    [(n, lost)] = server.sql("select sum(n), sum(lost) from operations_logcount where program = 'storm'")
    [(kept,)] = server.sql("select count(*) from operations_logentry where program = 'storm'")
    assert n == 20_000 and kept + lost == 20_000 and 600 <= kept <= 1_200
    server.sql("delete from operations_logcount where program = 'storm'")


def test_while_the_database_is_away_nobody_waits_and_what_was_dropped_is_counted_afterwards(machine: Machine) -> None:
    machine.kill_postgres()
    process = talker("zhutu", 20_000, **machine.environment)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "said\n", "it said all of it without a database"
        machine.start()
        whole = "select coalesce(sum(n), 0), coalesce(sum(lost), 0) from operations_logcount where program = 'storm'"
        assert until(lambda: machine.sql(whole)[0][0] == 20_000, 90), machine.sql(whole)
        [(kept,)] = machine.sql("select count(*) from operations_logentry where program = 'storm'")
        assert kept + machine.sql(whole)[0][1] == 20_000 and kept >= 600
    finally:
        process.communicate("\n", timeout=30)


FAILS = """
import django
django.setup()
from services.access.principal import principal_of
from services.accounts.models import User
from services.operations import jobs
print(jobs.submit("buffer-count", "x", principal_of(User.objects.get(username="owner")), {"point": "nonsense"}).pk)
"""


def test_a_worker_that_forks_collects_too_and_names_the_user_of_the_job(server: Server) -> None:
    given: dict[str, Any] = {"ZHUTU_PGDATABASE": server.database}
    queue = f"logs-{uuid.uuid4().hex[:8]}"
    arguments = ["-m", "celery", "-A", "command_center", "worker", "--concurrency", "1", "--loglevel", "INFO"]
    with program("worker", *arguments, "--queues", "interactive", "--hostname", f"{queue}@%h", **given):
        environment = os.environ | given | {"DJANGO_SETTINGS_MODULE": "command_center.settings"}
        done = subprocess.run(
            [sys.executable, "-c", FAILS], cwd=settings.ROOT, env=environment, capture_output=True, text=True
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        job = done.stdout.strip()
        state = "select state from operations_job where id = %s"
        assert until(lambda: server.sql(state, job) == [("failed",)], 90)
        assert until(lambda: server.sql(FOUND, "services.operations.jobs") != [], 30)
    [(level, account, request, message, cause, of, _address)] = server.sql(FOUND, "services.operations.jobs")
    assert (level, account, request, of) == (40, "owner", "job buffer-count", "worker")
    assert job in message and "Traceback" in cause
