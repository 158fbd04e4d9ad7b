"""Frames of HJ 212 decoded, committed and acknowledged; the store beside a bare COPY of the same rows; the decoder."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import psycopg

from ingest.gateways.committer import Committer, Message
from ingest.protocols.hj212.factors import readings
from ingest.protocols.hj212.frames import Stream
from ingest.protocols.hj212.packets import Packet, decode, encode
from ingest.protocols.hj212.profile import Profile
from services.telemetry.store import Row
from tests.bench import devices
from tests.bench.results import Result

RATE = 1_600.0
"""Frames a second that are sent: more than the 1,500 that are wanted."""
DEVICES = 400
STORED = 2_000
"""Devices of the comparison with COPY."""
ROUNDS = 3


def run() -> list[Result]:
    """``SECONDS_OF_INGEST`` in the environment lengthens the first figure to the ten minutes of the requirement."""
    with devices.link() as to:
        devices.devices(to, DEVICES)
    with devices.gateway() as (_process, port):
        found = devices.play(port, DEVICES, RATE, devices.SECONDS)
    with devices.link() as to:
        (stored,) = to.execute("select count(*) from telemetry_reading").fetchone() or (0,)
        assert stored == 8 * found["sent"], f"{stored} readings of {found['sent']} frames"
        ours, bare = _against_copy(to)
    return [
        Result("frames acknowledged a second", found["rate"], "frames/s", "wanted", 1_500, 1.0),
        Result("acknowledgement, 95 %", found["p95"] * 1000, "ms", bar=1_000),
        Result("readings stored", ours, "rows/s", "bare COPY", bare, 0.5),
        Result("HJ 212 decoder", _decoded(), "frames/s", "wanted", 20_000, 1.0),
    ]


def _against_copy(to: psycopg.Connection) -> tuple[float, float]:
    """Rows a second through the gateway's committer, and written one after the other into a table with the same keys.

    In turns, because the machine is not always as fast; the first turn fills the latest values and does not count.
    """
    numbers, known = devices.devices(to, STORED), devices.factors(to)
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    ours = bare = rows = 0.0
    for turn in range(ROUNDS + 1):
        batches = [
            [
                Row(number, code, at, "real", 50.0 + number % 7, None, None, None, "N", "", received)
                for number in numbers
                for at in (begin + timedelta(minutes=20 * turn + minute, seconds=number % 60),)
                for received in (at + timedelta(seconds=61),)
                for code in devices.CODES
            ]
            for minute in range(10)
        ]
        mine = asyncio.run(_committed(to, batches))
        theirs = _copied(to, batches, known)
        if turn:
            ours, bare, rows = ours + mine, bare + theirs, rows + sum(map(len, batches))
    return rows / ours, rows / bare


async def _committed(to: psycopg.Connection, batches: list[list[Row]]) -> float:
    committer, all_done = Committer(to.info.dsn), asyncio.Event()
    left = sum(len(batch) // 8 for batch in batches)

    def stored() -> None:
        nonlocal left
        left -= 1
        if not left:
            all_done.set()

    for batch in batches:
        for first in range(0, len(batch), 8):
            committer.put(Message(batch[first : first + 8], stored, lambda error: print(error)))
    began = time.perf_counter()
    working = asyncio.create_task(committer.run())
    await all_done.wait()
    took = time.perf_counter() - began
    working.cancel()
    await asyncio.wait([working])
    await committer.close()
    return took


def _copied(to: psycopg.Connection, batches: list[list[Row]], known: dict[str, int]) -> float:
    to.execute("drop table if exists bare")
    to.execute("create table bare (like telemetry_reading including all)")
    rows = [
        [(r.at, r.received_at, r.value, r.device, known[r.factor], 0, 0, "N", False, None, None, None) for r in batch]
        for batch in batches
    ]
    began = time.perf_counter()
    for batch in rows:
        with (
            to.transaction(),
            to.cursor() as cursor,
            cursor.copy(
                "copy bare (at, received_at, value, device, factor, span, quality, flag, late, low, high, total)"
                " from stdin"
            ) as copy,
        ):
            for row in batch:
                copy.write_row(row)
    took = time.perf_counter() - began
    to.execute("drop table bare")
    return took


def _decoded() -> float:
    """Frames of eight factors a second in one process: taken out of the stream, checked, made into readings."""
    profile = Profile(units=dict.fromkeys(("a34001", "a34002", "a34004"), "µg/m³"))
    frames = []
    for n in range(2_000):
        texts = ";".join(f"{code}-Rtd={50 + n % 40},{code}-Flag=N" for code in devices.CODES)
        cp = f"DataTime=20261127{10 + n // 1000:02}{n // 60 % 60:02}{n % 60:02};{texts}"
        number = f"20261127101500{n % 1000:03}"
        frames.append(encode(Packet("B1", "2011", "39", number, "123456", 9, 2025, cp=cp), profile))
    wire = [b"".join(frames[first : first + 20]) for first in range(0, len(frames), 20)]
    best = 0.0
    for _again in range(5):
        stream: Stream[Packet] = Stream(lambda frame: decode(frame, profile))
        began, number_of = time.perf_counter(), 0
        for piece in wire:
            for packet in stream.feed(piece):
                assert isinstance(packet, Packet)
                number_of += len(readings(packet, profile)) == 8
        best = max(best, number_of / (time.perf_counter() - began))
    return best
