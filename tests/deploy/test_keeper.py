"""Whatever of the product is killed runs again within a minute, without a hand."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.ingest.gateways.boxes import free_port, listens, until
from tests.ingest.gateways.machine import Machine

PORTS = ("PORT", "LIVE_PORT", "HJ212_PORT", "JT808_PORT", "HTTP_PORT", "MQTT_PORT", "GB28181_PORT")
PROGRAMS = (
    "gateway", "telemetry", "alarms", "surfaces", "notify", "subscriptions", "watch", "live", "web", "worker",
    "background",
)  # fmt: skip
"""All but the simulated devices, which are not the product's."""
START = """
start_mosquitto
touch "$STATE/wanted"
for name in $PROGRAMS; do start_program "$name"; done
start_process keeper "$ROOT" bash "$ROOT/deploy/keep.sh" "$INSTANCE"
"""


class Product:
    """What ``make run`` starts, on a machine of its own."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.ports = {name: free_port() for name in PORTS}
        given = {name: str(port) for name, port in self.ports.items()} | {"ZHUTU_PROGRAMS": " ".join(PROGRAMS)}
        machine.script(START, **(machine.environment | given))

    def numbers(self) -> dict[str, int]:
        """Every program with the number of its first process, as far as it has one."""
        found = {}
        for name in ("redis", "mosquitto", *PROGRAMS):
            with suppress(OSError, ValueError):
                found[name] = int((self.machine.state / f"{name}.pid").read_text())
        with suppress(OSError, IndexError):
            found["postgres"] = self.machine.postmaster
        return found

    def answers(self) -> bool:
        """Whether people, devices and the programs among each other are served."""
        try:
            pages = [httpx.get(f"http://127.0.0.1:{self.ports[name]}/healthz", timeout=5) for name in PORTS[:2]]
            self.machine.sql("select 1")
        except (httpx.HTTPError, psycopg.OperationalError, OSError):
            return False
        doors = all(listens(self.ports[name]) for name in PORTS[2:])
        return doors and all(page.status_code == 200 for page in pages) and self._redis()

    def _redis(self) -> bool:
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(self.machine.environment["ZHUTU_REDIS_URL"].removeprefix("unix://"))
            link.sendall(b"PING\r\n")
            return link.recv(16).startswith(b"+PONG")


def lives(number: int) -> bool:
    """Whether a process is there and no mere entry of one that ended."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def product(machine: Machine) -> Iterator[Product]:
    try:
        found = Product(machine)
        assert until(found.answers, 180, 0.5), "it does not start"
        yield found
    finally:
        machine.script("stop_instance || true")
        machine.start()


def test_everything_killed_at_once_runs_again_within_a_minute(product: Product) -> None:
    before = product.numbers()
    assert len(before) == len(PROGRAMS) + 3
    for number in before.values():
        os.kill(number, signal.SIGKILL)
    assert until(lambda: not any(map(lives, before.values())), 10)

    def back() -> bool:
        now = product.numbers()
        return now.keys() == before.keys() and all(now[n] != before[n] and lives(now[n]) for n in now)

    assert until(lambda: back() and product.answers(), 60, 0.5), product.numbers()
    said = (product.machine.state / "keeper.log").read_text()
    assert all(f"{name} is dead and is started again" in said for name in before)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_killed_alone_runs_again_and_leaves_the_others_alone(product: Product, name: str) -> None:
    before = product.numbers()
    os.kill(before[name], signal.SIGKILL)
    assert until(lambda: (now := product.numbers().get(name)) not in (None, before[name]) and lives(now or 0), 60)
    assert until(product.answers, 60, 0.5)
    assert {n: pid for n, pid in product.numbers().items() if n != name} == {
        n: pid for n, pid in before.items() if n != name
    }


def test_what_is_stopped_stays_stopped(product: Product) -> None:
    before = product.numbers()
    product.machine.script("stop_instance || true")
    time.sleep(3)
    assert not any(map(lives, before.values()))
    assert product.numbers() == {}
