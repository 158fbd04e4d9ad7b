"""A database that is away, full or out of connections: an answer at once that says so, and no trace of an error."""

import sys
from collections.abc import Iterator
from contextlib import suppress

import httpx
import psycopg
import pytest

from tests.ingest.gateways.boxes import Process, free_port, until
from tests.ingest.gateways.machine import Machine


@pytest.fixture
def web(machine: Machine) -> Iterator[httpx.Client]:
    """The product's pages on a machine of its own."""
    port = free_port()
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--workers", "1",
        "--blocking-threads", "1", "--no-ws", "command_center.wsgi:application",
    ]  # fmt: skip
    process = Process(command, machine.state / "pages.log", machine.environment | {"PORT": str(port)})
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

        def answers() -> bool:
            with suppress(httpx.HTTPError):
                return client.get("/healthz").status_code == 200
            return False

        process.start(answers)
        yield client
    assert process.end() == 0


def refused(client: httpx.Client) -> None:
    """What a page, a machine's question and a sign of life get."""
    page = client.get("/desk", headers={"Accept": "text/html"}, cookies={"sessionid": "a" * 32})
    assert page.status_code == 503 and "数据库暂时不可用" in page.text and page.headers["Retry-After"]
    asked = client.get("/ogc/collections", headers={"Accept": "application/json", "Authorization": "Bearer x"})
    assert (asked.status_code, asked.json()["type"]) == (503, "urn:zhutu:problem:unavailable")
    for answer in (page, asked):
        assert "Traceback" not in answer.text and "psycopg" not in answer.text
    assert client.get("/healthz").status_code == 503


def test_f11_without_a_free_connection_pages_answer_503_at_once_and_heal(machine: Machine, web: httpx.Client) -> None:
    host, held = machine.environment["ZHUTU_PGHOST"], []
    cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'zhutu' and pid <> pg_backend_pid()"
    try:
        with psycopg.connect(host=host, user="postgres", dbname="zhutu", autocommit=True) as keeper:
            (most,) = keeper.execute("show max_connections").fetchone() or ("0",)
            keeper.execute(cut)
            for _each in range(int(most) + 5):
                with suppress(psycopg.OperationalError):
                    held.append(psycopg.connect(host=host, user="zhutu", dbname="zhutu", autocommit=True))
            assert held
            refused(web)
    finally:
        for link in held:
            link.close()
    assert until(lambda: web.get("/healthz").status_code == 200, 30)


def test_f01_while_the_server_is_away_pages_answer_503_and_heal(machine: Machine, web: httpx.Client) -> None:
    machine.kill_postgres()
    try:
        refused(web)
    finally:
        machine.start()
    assert until(lambda: web.get("/healthz").status_code == 200, 30)
