"""Monitors that speak HJ 212 over TCP, with an outage, drift, a stuck sensor or noise on demand."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal, Protocol

from ingest.protocols.hj212.errors import Refused
from ingest.protocols.hj212.frames import Frame, Stream
from ingest.protocols.hj212.packets import Packet, decode, encode
from ingest.protocols.hj212.profile import VERSIONS, Profile
from ingest.protocols.hj212.replies import DEVICE_TIME, SYSTEM, execution_result, qn, request_reply
from ingest.simulators.air import Air
from ingest.simulators.memory import Memory

type Fault = Literal["outage", "lapse", "drift", "flat", "burst", "noise", "upset", "trip"]
"""After an outage a device sends what it kept; after a lapse it sends nothing of it, but still knows when asked.

The last two are of what is measured: water that is not treated as it should be, machines that trip.
"""

WAIT = 5.0
"""Seconds until a packet is sent again (HJ 212-2017 OverTime)."""
KEPT = 5_000
"""Packets that a device remembers while nobody acknowledges them."""
RECONNECT = (1.0, 8.0)


class Source(Protocol):
    """What there is to measure."""

    def values(self, at: datetime) -> dict[str, float]:
        """Factor code → value, the main one first."""


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
        told: Told | None = None, faults: frozenset[Fault] = frozenset(), minutes: int = 0, st: str = "39",
        source: Source | None = None,
    ) -> None:  # fmt: skip
        self.mn = mn
        self.password = password
        self.version = version
        self.interval = interval
        self.told = told or Told()
        self.faults = faults
        self.source: Source = source or Air(mn)
        self.st = st
        self.memories = [Memory("2061", timedelta(hours=1))]
        if minutes:
            self.memories.append(Memory("2051", timedelta(minutes=minutes)))
        self.profile = Profile()
        self.chance = random.Random(f"faults of {mn}")
        self.begun = datetime.now(UTC)
        self.unacknowledged: deque[tuple[str, bytes]] = deque(maxlen=KEPT)
        self.sent_at: dict[str, float] = {}
        self.minutes = minutes
        self._serial = 0

    def measure(self, at: datetime, *, sent: bool = True) -> None:
        """Measure; real-time values and the means that are complete go out unless it is only to be remembered."""
        values = self._values(at)
        frames = [self._packet("2011", self._real(at, values), at)]
        for memory in self.memories:
            formed = memory.add(at, values)
            if formed is not None and (memory.cn == "2061" or self.minutes):
                frames.append(self._packet(memory.cn, formed, at))
        if sent:
            self.unacknowledged += [(packet.qn, encode(packet, self.profile)) for packet in frames]

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

    def packet(self, at: datetime) -> Packet:
        """A packet of what is measured now."""
        return self._packet("2011", self._real(at, self._values(at)), at)

    def _values(self, at: datetime) -> dict[str, float]:
        values = self.source.values(at)
        main = next(iter(values))
        if "drift" in self.faults:
            values[main] *= 1 + (at - self.begun).total_seconds() / 3600
        if "flat" in self.faults:
            values[main] = 88.0
        return values

    @staticmethod
    def _real(at: datetime, values: Mapping[str, float]) -> str:
        texts = [f"{code}-Rtd={value:g},{code}-Flag=N" for code, value in values.items()]
        return ";".join([f"DataTime={at.astimezone(DEVICE_TIME):%Y%m%d%H%M%S}", *texts])

    def _packet(self, cn: str, cp: str, at: datetime, *, late: bool = False) -> Packet:
        """RF says so in HJ 212-2025, nothing does in earlier editions."""
        # Several packets of a moment need numbers of their own.
        self._serial = (self._serial + 1) % 1000
        number = qn(at)[:14] + f"{self._serial:03}"
        flag = VERSIONS.index(self.version) << 2 | 1
        late = late and self.version == 2025
        return Packet(self.mn, cn, self.st, number, self.password, flag, self.version, rf=late, cp=cp)

    async def _measure(self) -> None:
        await asyncio.sleep(self.chance.uniform(0, self.interval))
        while True:
            self.measure(datetime.now(UTC))
            await asyncio.sleep(self.interval)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.told.counts["connections"] += 1
        listening = asyncio.create_task(self._listen(reader, writer))
        fails = bool(self.faults & {"outage", "lapse"})
        ends = monotonic() + self.chance.uniform(30, 120) if fails else float("inf")
        try:
            while not listening.done() and monotonic() < ends:
                self._send(writer)
                await writer.drain()
                await asyncio.sleep(min(0.25, self.interval))
            if monotonic() >= ends:
                writer.close()
                await asyncio.sleep(self.chance.uniform(60, 300))
                if "lapse" in self.faults:
                    self.unacknowledged.clear()
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

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream: Stream[Packet] = Stream(self._read)
        while data := await reader.read(4096):
            for each in stream.feed(data):
                if isinstance(each, Refused):
                    self.told.counts[f"refused {each.kind}"] += 1
                elif each.st == SYSTEM and each.cn == "9014":
                    self._acknowledged(each.qn or each.parameter("QN") or "")
                else:
                    self.told.counts[f"CN {each.cn}"] += 1
                    self._answer(each, writer)

    def _answer(self, packet: Packet, writer: asyncio.StreamWriter) -> None:
        """A question for what is remembered: 9011, the data, 9012."""
        memory = next((memory for memory in self.memories if memory.cn == packet.cn), None)
        begin, end = _time(packet.parameter("BeginTime")), _time(packet.parameter("EndTime"))
        if packet.cn == "1012" or memory is None or begin is None or end is None:
            return
        writer.write(request_reply(packet, 1, self.profile))
        found = list(memory.between(begin, end))
        for _at, cp in found:
            writer.write(encode(self._packet(memory.cn, cp, datetime.now(UTC), late=True), self.profile))
        writer.write(execution_result(packet, 1 if found else 100, self.profile))

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


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text or "", "%Y%m%d%H%M%S").replace(tzinfo=DEVICE_TIME)
    except ValueError:
        return None
