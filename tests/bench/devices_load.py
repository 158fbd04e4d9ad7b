"""``python -m tests.bench.devices_load PORT DEVICES RATE SECONDS``: devices that send at a steady rate.

The answer is one JSON object with how long their acknowledgements took.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from time import perf_counter

from ingest.protocols.hj212.packets import Packet, encode
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.hj212.replies import DEVICE_TIME, qn

PASSWORD = "123456"
CODES = ("a34002", "a34001", "a34004", "LA", "a01001", "a01002", "a01007", "a01008")
PATIENCE = 20.0


class Sender(asyncio.Protocol):
    """One device: sends a frame whenever it is told to."""

    def __init__(self, mn: str, waits: list[float]) -> None:
        self.mn = mn
        self.waits = waits
        self.sent: dict[bytes, float] = {}
        self.rest = b""
        self.at = datetime.now(UTC) - timedelta(minutes=30)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        *frames, self.rest = (self.rest + data).split(b"\r\n")
        for frame in frames:
            begin = frame.find(b"QN=")
            began = self.sent.pop(frame[begin + 3 : begin + 20], None)
            if began is not None:
                self.waits.append(now - began)

    def send(self) -> None:
        assert self.transport is not None
        self.at += timedelta(seconds=1)
        values = (50 + self.at.second / 2, 90, 30 + self.at.second / 4, 63.5, 18.6, 71.2, 1.8, 135)
        texts = [f"{code}-Rtd={value},{code}-Flag=N" for code, value in zip(CODES, values, strict=True)]
        cp = ";".join([f"DataTime={self.at.astimezone(DEVICE_TIME):%Y%m%d%H%M%S}", *texts])
        number = qn(self.at)
        frame = encode(Packet(self.mn, "2011", "39", number, PASSWORD, 9, 2025, cp=cp), Profile())
        self.sent[number.encode()] = perf_counter()
        self.transport.write(frame)


async def main(port: int, devices: int, rate: float, seconds: float) -> dict[str, float]:
    """Connect all, send in turn, wait for the last acknowledgements."""
    waits: list[float] = []
    loop = asyncio.get_running_loop()
    began = perf_counter()
    senders = []
    for number in range(1, devices + 1):
        _transport, sender = await loop.create_connection(
            lambda number=number: Sender(f"B{number}", waits), "127.0.0.1", port
        )
        senders.append(sender)
    connected = perf_counter() - began
    began, sent = perf_counter(), 0
    while (passed := perf_counter() - began) < seconds:
        for _n in range(int(passed * rate) - sent):
            senders[sent % devices].send()
            sent += 1
        await asyncio.sleep(0.005)
    until = perf_counter() + PATIENCE
    while len(waits) < sent and perf_counter() < until:
        await asyncio.sleep(0.01)
    took = perf_counter() - began
    ordered = sorted(waits) or [float("inf")]
    return {
        "connected": connected, "sent": sent, "acknowledged": len(waits), "rate": len(waits) / took,
        "p95": ordered[int(len(ordered) * 0.95)], "most": ordered[-1],
    }  # fmt: skip


if __name__ == "__main__":
    port, devices, rate, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(main(int(port), int(devices), float(rate), float(seconds)))))
