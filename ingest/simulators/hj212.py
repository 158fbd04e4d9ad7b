"""Dust and noise monitors that speak HJ 212 over TCP, with an outage, drift, a stuck sensor or noise on demand."""

import asyncio
import random
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Literal

from ingest.protocols.hj212.errors import Refused
from ingest.protocols.hj212.frames import Frame, Stream
from ingest.protocols.hj212.packets import Packet, decode, encode
from ingest.protocols.hj212.profile import VERSIONS, Profile
from ingest.protocols.hj212.replies import DEVICE_TIME, SYSTEM, qn
from ingest.simulators.air import Air

type Fault = Literal["outage", "drift", "flat", "burst", "noise"]

WAIT = 5.0
"""Seconds until a packet is sent again (HJ 212-2017 OverTime)."""
KEPT = 5_000
"""Packets that a device remembers while nobody acknowledges them."""
RECONNECT = (1.0, 8.0)


@dataclass
class Told:
    """What all devices of a simulation saw, for those who judge it."""

    counts: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    """Seconds from a packet to its acknowledgement."""


class Instrument:
    """One monitor: measures, sends, waits for the acknowledgement, sends again, and fills the gap after an outage."""

    def __init__(
        self, mn: str, password: str, *, version: int = 2017, interval: float = 30.0,
        told: Told | None = None, faults: frozenset[Fault] = frozenset(),
    ) -> None:  # fmt: skip
        self.mn = mn
        self.password = password
        self.version = version
        self.interval = interval
        self.told = told or Told()
        self.faults = faults
        self.air = Air(mn)
        self.profile = Profile()
        self.chance = random.Random(f"faults of {mn}")
        self.begun = datetime.now(UTC)
        self.unacknowledged: deque[tuple[str, bytes]] = deque(maxlen=KEPT)
        self.sent_at: dict[str, float] = {}

    async def run(self, host: str, port: int) -> None:
        """Live until cancelled, connecting again whenever the connection breaks."""
        measuring = asyncio.create_task(self._measure())
        try:
            while True:
                with suppress(OSError, asyncio.IncompleteReadError):
                    await self._session(*await asyncio.open_connection(host, port))
                self.told.counts["broken connections"] += 1
                await asyncio.sleep(self.chance.uniform(*RECONNECT))
        finally:
            measuring.cancel()

    def packet(self, at: datetime, cn: str = "2011") -> Packet:
        """A packet of what is measured now."""
        values = self.air.values(at)
        if "drift" in self.faults:
            values["a34002"] *= 1 + (at - self.begun).total_seconds() / 3600
        if "flat" in self.faults:
            values["a34002"] = 88.0
        texts = [f"{code}-Rtd={value:g},{code}-Flag=N" for code, value in values.items()]
        cp = ";".join([f"DataTime={at.astimezone(DEVICE_TIME):%Y%m%d%H%M%S}", *texts])
        flag = VERSIONS.index(self.version) << 2 | 1
        return Packet(self.mn, cn, "39", qn(at), self.password, flag, self.version, cp=cp)

    async def _measure(self) -> None:
        await asyncio.sleep(self.chance.uniform(0, self.interval))
        while True:
            packet = self.packet(datetime.now(UTC))
            self.unacknowledged.append((packet.qn, encode(packet, self.profile)))
            await asyncio.sleep(self.interval)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.told.counts["connections"] += 1
        listening = asyncio.create_task(self._listen(reader))
        ends = monotonic() + self.chance.uniform(30, 120) if "outage" in self.faults else float("inf")
        try:
            while not listening.done() and monotonic() < ends:
                self._send(writer)
                await writer.drain()
                await asyncio.sleep(min(0.25, self.interval))
            if monotonic() >= ends:
                await asyncio.sleep(self.chance.uniform(60, 300))
        finally:
            listening.cancel()
            writer.close()

    def _send(self, writer: asyncio.StreamWriter) -> None:
        now = monotonic()
        if "noise" in self.faults and self.chance.random() < 0.05:
            writer.write(self.chance.randbytes(200))
        for number, frame in self.unacknowledged:
            if now - self.sent_at.get(number, -WAIT) >= WAIT:
                times = 20 if "burst" in self.faults else 1
                writer.write(frame * times)
                self.told.counts["sent"] += times
                self.sent_at[number] = now

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        stream: Stream[Packet] = Stream(self._read)
        while data := await reader.read(4096):
            for each in stream.feed(data):
                if isinstance(each, Refused):
                    self.told.counts[f"refused {each.kind}"] += 1
                elif each.st == SYSTEM and each.cn == "9014":
                    self._acknowledged(each.qn or each.parameter("QN") or "")
                else:
                    self.told.counts[f"CN {each.cn}"] += 1

    def _read(self, frame: Frame) -> Packet:
        return decode(frame, self.profile)

    def _acknowledged(self, number: str) -> None:
        began = self.sent_at.pop(number, None)
        if began is None:
            self.told.counts["acknowledged again"] += 1
            return
        self.told.counts["acknowledged"] += 1
        self.told.waits.append(monotonic() - began)
        self.unacknowledged = deque((each for each in self.unacknowledged if each[0] != number), KEPT)
