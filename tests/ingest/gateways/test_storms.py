"""Many connections at once, and some that never say anything: the others are served, and nothing is left of them."""

import asyncio
import resource
import socket
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from ingest.gateways import hj212
from tests.ingest.gateways.boxes import until
from tests.ingest.gateways.conftest import Gateway, Talker, now, packet

pytestmark = pytest.mark.django_db
MANY = 10_000
"""Connections of a storm, where a process may have so many open files; both ends need one each."""
SPARE = 500


def files(gateway: Gateway) -> int:
    """Open files of the process."""
    assert gateway.process is not None
    return len(list(Path(f"/proc/{gateway.process.pid}/fd").iterdir()))


def room() -> int:
    """So many connections, or as many as this process may have open; the gateway takes what the system allows."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(MANY, hard - SPARE)


def test_f22_f24_a_storm_of_connections_that_say_little_leaves_others_served_and_no_file_open(gateway: Gateway) -> None:
    before, many = files(gateway), room()
    storm: list[socket.socket] = []
    try:
        for number in range(many):
            storm.append(link := socket.create_connection(("127.0.0.1", gateway.port), 10))
            link.sendall(b"##0101QN=2026"[: number % 13 + 1])
        assert until(lambda: files(gateway) >= before + many, 60)
        calm = Talker(gateway.port)
        calm.send(packet("CALM", now()))
        assert len(calm.answers(1)) == 1
        calm.socket.close()
    finally:
        for link in storm:
            link.close()
    assert until(lambda: files(gateway) <= before + 2)


def test_f24_who_sends_no_whole_frame_in_time_is_cut_off() -> None:
    async def meet() -> None:
        gateway = hj212.Gateway("")
        loop = asyncio.get_running_loop()
        server = await loop.create_server(gateway.connection, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"##01")
        await writer.drain()
        while not gateway.open:
            await asyncio.sleep(0.01)
        (dialogue,) = gateway.open
        dialogue.tick(monotonic() + 29)
        await asyncio.sleep(0)
        assert gateway.open
        dialogue.tick(monotonic() + 31)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        server.close()
        assert not gateway.open

    asyncio.run(meet())
