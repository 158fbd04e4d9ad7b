"""F09: the network between the product and its database is cut without a word, and comes back."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from threading import Thread

import psycopg
import pytest
from django.conf import settings

from tests.ingest.gateways.boxes import listens, until
from tests.ingest.gateways.conftest import now
from tests.ingest.gateways.machine import Device, Machine

SPACE, HERE, THERE = "zhutu-cut", "zhutu-here", "zhutu-there"
NEAR, FAR, PORT = "10.213.77.1", "10.213.77.2", 5432
RELAY = """
import asyncio, sys

async def serve(reader, writer):
    inner, outer = await asyncio.open_unix_connection(sys.argv[1])
    async def pump(a, b):
        try:
            while data := await a.read(65536):
                b.write(data)
                await b.drain()
        except OSError:
            pass
        b.close()
    await asyncio.gather(pump(reader, outer), pump(inner, writer))

async def main():
    server = await asyncio.start_server(serve, sys.argv[2], int(sys.argv[3]))
    await server.serve_forever()

asyncio.run(main())
"""
"""A stretch of real network before the server's socket, in a network of its own."""


class Network:
    """The wire to the database."""

    def cut(self) -> None:
        """Nothing comes back from now on, and nobody says so."""
        inside("route", "add", "blackhole", f"{NEAR}/32")

    def mend(self) -> None:
        inside("route", "delete", "blackhole", f"{NEAR}/32")


def inside(*arguments: str) -> None:
    """``ip`` where the database is."""
    ip("-n", SPACE, *arguments)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def network(machine: Machine) -> Iterator[Network]:
    _remove()
    try:
        ip("netns", "add", SPACE)
        ip("link", "add", HERE, "type", "veth", "peer", "name", THERE, "netns", SPACE)
        inside("link", "set", THERE, "up")
    except (OSError, subprocess.CalledProcessError) as error:
        _remove()
        pytest.skip(f"a network of its own needs root, ip and the right to make and to enter one: {error}")
    ip("addr", "add", f"{NEAR}/30", "dev", HERE)
    ip("link", "set", HERE, "up")
    inside("addr", "add", f"{FAR}/30", "dev", THERE)
    socket = f"{machine.environment['ZHUTU_PGHOST']}/.s.PGSQL.5432"
    relay = subprocess.Popen(["ip", "netns", "exec", SPACE, sys.executable, "-c", RELAY, socket, FAR, str(PORT)])
    try:
        assert until(lambda: _answers(), 30)
        yield Network()
    finally:
        relay.kill()
        relay.wait(10)
        _remove()


def _remove() -> None:
    # The wire first: with its space it would go some time later, and until then there cannot be another one.
    for what, name in (("link", HERE), ("netns", SPACE)):
        subprocess.run(["ip", what, "delete", name], capture_output=True)


def _answers() -> bool:
    try:
        psycopg.connect(host=FAR, port=PORT, user="zhutu", dbname="zhutu", connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def test_f09_a_gateway_outlives_a_network_that_swallows_everything(machine: Machine, network: Network) -> None:
    machine.register("WIRE")
    gateway = machine.program("gateway", f"hj212:{machine.port}")
    gateway.environment = machine.environment | {"ZHUTU_PGHOST": FAR, "ZHUTU_PGPORT": str(PORT)}
    gateway.start(lambda: listens(machine.port))
    try:
        begin = now() - timedelta(hours=9)
        wanted = [begin + timedelta(seconds=n) for n in range(300)]
        device = Device(machine.port, "WIRE", wanted)
        device.start()
        assert until(lambda: len(device.acknowledged) >= 40, 60)
        network.cut()
        assert until(lambda: "the database does not take readings" in gateway.log.read_text(), 60), (
            "it gives up waiting"
        )
        network.mend()
        device.join(120)
        assert not device.left
        times = machine.times("WIRE")
        assert len(times) == 600 and set(times) == set(wanted), "I1, I2, I3"
    finally:
        gateway.kill()


def test_f09_a_question_of_a_page_fails_instead_of_hanging(network: Network) -> None:
    given = settings.DATABASES["default"]["OPTIONS"]
    wanted = {name: given[name] for name in given if name.startswith(("tcp_", "keepalives_"))}
    link = psycopg.connect(host=FAR, port=PORT, user="zhutu", dbname="zhutu", autocommit=True, **wanted)
    asked = Thread(target=_ask, args=(link, said := []), daemon=True)
    asked.start()
    network.cut()
    asked.join(40)
    network.mend()
    assert not asked.is_alive() and len(said) == 1


def _ask(link: psycopg.Connection, said: list[Exception]) -> None:
    try:
        link.execute("select pg_sleep(120)")
    except psycopg.OperationalError as error:
        said.append(error)
