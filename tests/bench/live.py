"""Live events to a thousand listeners, and the whole way of a reading: packet over TCP, commit, column, listener."""

import asyncio
import math
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import connection

from services.accounts.models import ApiToken, Membership, User
from services.accounts.roles import Role
from tests.bench import servers
from tests.bench.results import Result

LISTENERS = 1_000
OF_USER = 10
EVENTS = 100
"""Changes of a feature, four a second."""
PACKETS = 40
MOST = 2.0
"""Seconds from the packet to the listener at the 95th percentile."""
_VALUE = re.compile(rb'"pm10":(\d+)\.0')
_START = """insert into telemetry_device (protocol, number, name, state, secret, units, crc_mode, datatime_is,
    missing_flag, minute_span, "interval", base, back_days, sm4_key, created_at, feature)
    values ('hj212', 'BENCH-LIVE', '', 'active', '', '{"a34002": "µg/m³"}', 'standard', 'start', 'N', 10, 60, 0,
    30, '', now(), %s) on conflict (protocol, number) do update set feature = excluded.feature returning id"""


def run() -> list[Result]:
    """Delivery to all listeners, then the way of single packets, on the same process."""
    tokens = _tokens()
    monitor = _monitor()
    with servers.live() as live, ExitStack() as stack:
        port = int(live.url.rpartition(":")[2])
        delivered, expected, resident = asyncio.run(_deliver(port, tokens, monitor, live))
        gateway = stack.enter_context(_program("gateway"))
        taken = asyncio.run(_packets(port, tokens[0], monitor, gateway))
    return [
        Result(
            f"live: delivery to {LISTENERS} listeners after the commit, 95th percentile", _p95(delivered), "s", bar=MOST
        ),
        Result("live: commit to listeners, median", statistics.median(delivered), "s"),
        Result("live: events that did not arrive", expected - len(delivered), "events", bar=0),
        Result("live: memory of the process (RSS)", resident, "MB"),
        Result("packet over TCP to listener, 95th percentile", _p95(taken), "s", bar=MOST),
        Result("packet over TCP to listener, median", statistics.median(taken), "s"),
        Result("packets that did not arrive", PACKETS - len(taken), "packets", bar=0),
    ]


async def _deliver(
    port: int, tokens: Sequence[str], monitor: str, live: servers.Server
) -> tuple[list[float], int, float]:
    committed: dict[int, float] = {}
    taken: list[float] = []
    ready: list[int] = []

    async def listen(number: int) -> None:
        seen: set[int] = set()
        async for value, at in _values(port, tokens[number // OF_USER], ready):
            if value in committed and value not in seen:
                seen.add(value)
                taken.append(at - committed[value])

    listeners = [asyncio.create_task(listen(number)) for number in range(LISTENERS)]
    until = time.monotonic() + 120
    while len(ready) < LISTENERS and time.monotonic() < until:
        await asyncio.sleep(0.1)
    if len(ready) < LISTENERS:
        raise RuntimeError(f"only {len(ready)} of {LISTENERS} listeners came in")
    for number in range(EVENTS):
        value = 1_000 + number
        await asyncio.to_thread(_measure, monitor, value)
        committed[value] = time.monotonic()
        await asyncio.sleep(0.25)
    await asyncio.sleep(3)
    resident = sum(_resident(pid) for pid in live.workers())
    for each in listeners:
        each.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    return taken, LISTENERS * len(committed), resident


async def _packets(port: int, token: str, monitor: str, gateway: int) -> list[float]:
    from ingest.protocols.hj212.packets import Packet, encode
    from ingest.protocols.hj212.profile import Profile
    from ingest.protocols.hj212.replies import DEVICE_TIME, qn

    sent: dict[int, float] = {}
    taken: dict[int, float] = {}
    ready: list[int] = []

    async def listen() -> None:
        async for value, at in _values(port, token, ready):
            if value in sent:
                taken.setdefault(value, at - sent[value])

    listening = asyncio.create_task(listen())
    await asyncio.to_thread(_register, monitor)
    await asyncio.sleep(5)
    _reader, writer = await asyncio.open_connection("127.0.0.1", gateway)
    for number in range(PACKETS):
        value, now = 300 + number, datetime.now(UTC).replace(microsecond=0)
        cp = f"DataTime={now.astimezone(DEVICE_TIME):%Y%m%d%H%M%S};a34002-Rtd={value},a34002-Flag=N"
        sent[value] = time.monotonic()
        writer.write(encode(Packet("BENCH-LIVE", "2011", "39", qn(now), "123456", 9, 2025, cp=cp), Profile()))
        await writer.drain()
        # Not in step with any period of the programs; a second apart, as two readings of a moment are one.
        await asyncio.sleep(random.uniform(1.05, 1.4))
    await asyncio.sleep(4)
    listening.cancel()
    writer.close()
    return list(taken.values())


async def _values(port: int, token: str, ready: list[int]) -> AsyncIterator[tuple[int, float]]:
    """The PM10 values that a stream tells, with the time of their arrival."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    asked = "GET /live?topics=features&layers=monitors HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    writer.write(f"{asked}Authorization: Bearer {token}\r\n\r\n".encode())
    try:
        pending = b""
        while piece := await reader.read(65536):
            at = time.monotonic()
            pending += piece
            if b"event: hello" in pending:
                ready.append(1)
                pending = pending.replace(b"event: hello", b"")
            whole, _sep, pending = pending.rpartition(b"\n\n")
            for found in _VALUE.finditer(whole):
                yield int(found[1]), at
    finally:
        writer.close()


def _tokens() -> list[str]:
    """A hundred people of the city, each with a token; half of them of one county."""
    from tests.bench.data import busiest_county

    found = []
    for number in range(LISTENERS // OF_USER):
        user, _new = User.objects.get_or_create(username=f"bench_listener_{number}")
        region = busiest_county() if number % 2 else settings.PRODUCT_REGION
        user.memberships.all().delete()
        Membership.objects.create(user=user, role=Role.SUPERVISOR, region_id=region)
        user.tokens.all().delete()
        found.append(ApiToken.issue(user, "bench"))
    return found


def _monitor() -> str:
    from tests.bench.data import busiest_county

    with connection.cursor() as cursor:
        cursor.execute("select id from environment_monitor where region_id like %s limit 1", [f"{busiest_county()}%"])
        return str(cursor.fetchone()[0])


def _measure(monitor: str, value: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("update environment_monitor set pm10 = %s where id = %s", [value, monitor])


def _register(monitor: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_START, [monitor])


@contextmanager
def _program(name: str) -> Iterator[int]:
    """The gateway with the work of telemetry beside it; its port."""
    port = servers.free_port()
    commands = [["gateway", f"hj212:{port}"], ["telemetry"]]
    with (Path(servers.FOLDER) / f"{name}.log").open("wb") as log:
        running = [
            subprocess.Popen([sys.executable, "manage.py", *command], cwd=settings.ROOT, stdout=log, stderr=log)
            for command in commands
        ]
        try:
            time.sleep(8)
            yield port
        finally:
            for each in running:
                each.terminate()
            for each in running:
                each.wait(20)


def _p95(taken: Sequence[float]) -> float:
    ordered = sorted(taken)
    return ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else math.inf


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Rss:")).split()[1]) / 1024
