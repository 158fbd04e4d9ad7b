"""Vehicle terminals that speak JT/T 808 over TCP and drive to and fro, with outage, jitter or noise on demand."""

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Literal

from pyproj import Geod

from ingest.protocols.jt808 import from_platform, from_terminal
from ingest.protocols.jt808.bodies import parse
from ingest.protocols.jt808.errors import DecodeError, FrameError
from ingest.protocols.jt808.frames import Stream
from ingest.protocols.jt808.messages import SERIALS, Message, MessageId, decode, packets
from ingest.protocols.jt808.positions import ACC, FIXED, Position, build_position
from ingest.simulators.hj212 import KEPT, RECONNECT, WAIT, Told

type Place = tuple[float, float]
type Fault = Literal["outage", "jitter", "noise"]

GEOD = Geod(ellps="WGS84")
A_BATCH = 40
"""Positions in one back-fill."""
HEARTBEAT = 60.0
JITTER = {False: 4.0, True: 18.0}
"""Metres by which a fix is off, usually and with the fault."""


class Route:
    """A way out and back along a line, with a stand at each end; where the vehicle is depends on the time alone."""

    def __init__(self, line: Sequence[Place], kmh: float, stands: tuple[float, float], offset: float = 0) -> None:
        lons, lats = [lon for lon, _lat in line], [lat for _lon, lat in line]
        self._line = list(line)
        self._ends = [0.0]
        for metres in GEOD.line_lengths(lons, lats):
            self._ends.append(self._ends[-1] + metres)
        self._drive = self._ends[-1] / (kmh / 3.6)
        self.kmh, self._stands, self._offset = kmh, stands, offset

    def at(self, moment: datetime) -> tuple[float, float, float, float]:
        """Longitude, latitude, km/h and heading."""
        out, there = self._stands
        when = (moment.timestamp() + self._offset) % (out + there + 2 * self._drive)
        if when < out:
            return (*self._line[0], 0.0, 0.0)
        if (when := when - out) < self._drive:
            return self._along(when / self._drive, 1)
        if (when := when - self._drive) < there:
            return (*self._line[-1], 0.0, 0.0)
        return self._along(1 - (when - there) / self._drive, -1)

    def _along(self, share: float, way: int) -> tuple[float, float, float, float]:
        metres = share * self._ends[-1]
        n = next((n for n, end in enumerate(self._ends[1:]) if metres <= end), len(self._line) - 2)
        (lon, lat), (lon2, lat2) = self._line[n], self._line[n + 1]
        heading, _back, _length = GEOD.inv(lon, lat, lon2, lat2)
        lon, lat, _back = GEOD.fwd(lon, lat, heading, metres - self._ends[n])
        return lon, lat, self.kmh, (heading if way > 0 else heading + 180) % 360


class Truck:
    """One terminal: registers, shows its code, reports where it is, and fills the gap after an outage."""

    def __init__(
        self, phone: str, plate: str, route: Route, *, interval: float = 10.0, version: int | None = None,
        told: Told | None = None, faults: frozenset[Fault] = frozenset(), history: timedelta = timedelta(0),
    ) -> None:  # fmt: skip
        self.phone, self.plate, self.route, self.interval, self.version = phone, plate, route, interval, version
        self.told = told or Told()
        self.faults = faults
        self.chance = random.Random(f"terminal {phone}")
        self.code = ""
        self.serial = 0
        self.reached = datetime.now(UTC) - history
        """Up to here it has measured."""
        self.unsent: deque[Position] = deque(maxlen=KEPT)
        self.waiting: dict[int, tuple[float, list[Position]]] = {}
        """Serial of the last frame of a message → when it was sent, and what is in it."""
        self.is_in = asyncio.Event()

    async def run(self, host: str, port: int) -> None:
        """Live until cancelled, connecting again whenever the connection breaks."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._session(*await asyncio.open_connection(host, port))
            self.told.counts["broken connections"] += 1
            await asyncio.sleep(self.chance.uniform(*RECONNECT))

    def measure(self, until: datetime) -> None:
        """Fix positions up to a moment."""
        while self.reached + timedelta(seconds=self.interval) <= until:
            self.reached += timedelta(seconds=self.interval)
            lon, lat, kmh, heading = self.route.at(self.reached)
            off = self.chance.gauss(0, JITTER["jitter" in self.faults] / 1.5)
            lon, lat, _back = GEOD.fwd(lon, lat, self.chance.uniform(0, 360), abs(off))
            if kmh:
                kmh = max(kmh / 2, self.chance.gauss(kmh, kmh / 10))
            at = self.reached.replace(microsecond=0)
            self.unsent.append(
                Position(at, lon, lat, 300, round(kmh, 1), round(heading) % 360, FIXED | (ACC if kmh else 0), 0)
            )

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.told.counts["connections"] += 1
        self.is_in.clear()
        # What was sent and not acknowledged is sent again: nobody knows whether it came.
        again = [position for _at, positions in self.waiting.values() for position in positions]
        self.unsent.extendleft(reversed(again))
        self.waiting.clear()
        listening = asyncio.create_task(self._listen(reader, writer))
        ends = monotonic() + self.chance.uniform(60, 240) if "outage" in self.faults else float("inf")
        beat = monotonic()
        try:
            self._introduce(writer)
            await asyncio.wait_for(self.is_in.wait(), 20)
            while not listening.done() and monotonic() < ends:
                self.measure(datetime.now(UTC))
                self._report(writer)
                if monotonic() - beat > HEARTBEAT:
                    beat = monotonic()
                    self._send(writer, MessageId.HEARTBEAT, b"")
                await writer.drain()
                await asyncio.sleep(min(1.0, self.interval))
            if monotonic() >= ends:
                writer.close()
                await asyncio.sleep(self.chance.uniform(60, 240))
        except TimeoutError:
            self.told.counts["not let in"] += 1
        finally:
            listening.cancel()
            writer.close()

    def _introduce(self, writer: asyncio.StreamWriter) -> None:
        is_2019 = self.version is not None
        if self.code:
            told = from_terminal.Authentication(self.code, self.phone.zfill(15), "sim")
            self._send(writer, MessageId.AUTHENTICATE, from_terminal.build_authentication(told, is_2019))
        else:
            asks = from_terminal.Registration(0, 0, "ZT", "SIM", f"S{self.phone[-6:]}", 2, self.plate)
            self._send(writer, MessageId.REGISTER, from_terminal.build_registration(asks, is_2019))

    def _report(self, writer: asyncio.StreamWriter) -> None:
        now = monotonic()
        if "noise" in self.faults and self.chance.random() < 0.05:
            writer.write(self.chance.randbytes(120))
        for serial, (at, positions) in list(self.waiting.items()):
            if now - at >= WAIT:
                del self.waiting[serial]
                self.unsent.extendleft(reversed(positions))
        while self.unsent and len(self.waiting) < 8:
            some = [self.unsent.popleft() for _ in range(min(A_BATCH, len(self.unsent)))]
            if len(some) == 1:
                last = self._send(writer, MessageId.LOCATION, build_position(some[0]))
            else:
                body = from_terminal.build_batch(from_terminal.Batch(True, tuple(some)))
                last = self._send(writer, MessageId.LOCATION_BATCH, body)
            self.waiting[last] = (now, some)
            self.told.counts["positions sent"] += len(some)

    def _send(self, writer: asyncio.StreamWriter, message_id: int, body: bytes) -> int:
        frames = packets(message_id, body, phone=self.phone, serial=self.serial, protocol_version=self.version)
        writer.write(b"".join(frames))
        self.serial = (self.serial + len(frames)) % SERIALS
        return (self.serial - 1) % SERIALS

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = Stream()
        while data := await reader.read(4096):
            for each in stream.feed(data):
                if isinstance(each, FrameError):
                    continue
                with suppress(DecodeError):
                    self._heard(writer, decode(each))

    def _heard(self, writer: asyncio.StreamWriter, message: Message) -> None:
        body = parse(message)
        if isinstance(body, from_platform.RegistrationReply):
            self.code = body.code
            if self.code:
                self._introduce(writer)
        elif isinstance(body, from_terminal.GeneralReply):
            if body.message_id == MessageId.AUTHENTICATE:
                if body.result == 0:
                    self.is_in.set()
                else:
                    self.code = ""
                    self._introduce(writer)
            elif body.result == 0 and body.serial in self.waiting:
                at, positions = self.waiting.pop(body.serial)
                self.told.counts["positions acknowledged"] += len(positions)
                self.told.waits.append(monotonic() - at)
