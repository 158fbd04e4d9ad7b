"""The dialogue with devices that speak HJ 212 over TCP: one ``Dialogue`` a connection."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import cast

from ingest.gateways.committer import Message
from ingest.gateways.gateway import SWEEP, Listener
from ingest.protocols.hj212 import replies
from ingest.protocols.hj212.assembly import Assembler
from ingest.protocols.hj212.errors import BadPacket, Refused
from ingest.protocols.hj212.factors import SPANS, readings
from ingest.protocols.hj212.frames import Frame, Stream
from ingest.protocols.hj212.packets import Packet, decode
from ingest.protocols.hj212.profile import Profile
from services.telemetry.devices import Admitted

log = logging.getLogger(__name__)

PORT = 9212
FIRST_FRAME, IDLE = 30.0, 600.0
"""Seconds to the first good frame, and without one after that (F24)."""
A_SECOND, BURST = 20.0, 200.0
"""Frames of one connection: on the whole, and at once (F21). Beyond, it is not read for a while."""
STRIKES = 3
"""Sets of parts that cannot be, after which the connection is closed (F20)."""
CLOCK_AGAIN = timedelta(hours=1)
AHEAD, BEHIND = timedelta(minutes=5), timedelta(days=30)
"""How far a device's clock may be from ours before it is told the time (F14)."""

_STRANGER = Profile()


class Gateway(Listener["Dialogue"]):
    """What all connections share."""

    protocol = "hj212"
    port = PORT

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self._profiles: dict[int, tuple[Admitted, Profile]] = {}

    def connection(self) -> "Dialogue":
        """A device that connects."""
        return Dialogue(self)

    def profile(self, known: Admitted) -> Profile:
        """The settings of a device; made anew when the directory has read it anew."""
        kept = self._profiles.get(known.id)
        if kept is None or kept[0] is not known:
            kept = self._profiles[known.id] = (known, profile_of(known))
        return kept[1]


def profile_of(device: Admitted) -> Profile:
    """The decoder's profile of a device."""
    return Profile(
        units=device.units,
        crc_mode="modbus" if device.crc_mode == "modbus" else "standard",
        datatime_is="end" if device.datatime_is == "end" else "start",
        key=bytes.fromhex(device.sm4_key) if device.sm4_key else None,
        missing_flag=device.missing_flag,
        minutes=device.minute_span,
        version=device.version,
    )


class Dialogue(asyncio.Protocol):
    """One connection. It speaks for one device, the first that it names."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.transport: asyncio.Transport | None = None
        self.stream: Stream[Packet] = Stream(self._read)
        self.assembler = Assembler()
        self.known: Admitted | None = None
        self.begun = self.heard = monotonic()
        self.allowance = BURST
        self.strikes = 0
        self.held = False
        self.clock_told: datetime | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A device has connected."""
        self.transport = cast(asyncio.Transport, transport)
        self.gateway.open.add(self)
        self.gateway.counts["connections"] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; what it sent is stored all the same, and not acknowledged."""
        self.gateway.open.discard(self)
        if self.known is not None:
            self.gateway.directory.gone(self.known)

    def data_received(self, data: bytes) -> None:
        """Frames come in."""
        now = monotonic()
        found = self.stream.feed(data)
        for each in found:
            try:
                if isinstance(each, Refused):
                    raise each
                self._packet(each, now)
            except Refused as error:
                self._refused(error)
        self.allowance -= len(found)
        if self.allowance < 0 or self.gateway.committer.is_full:
            self.pause()

    def tick(self, now: float) -> None:
        """Once a second: time-outs, and new allowance."""
        assert self.transport is not None
        since = now - (self.heard if self.known else self.begun)
        if since > (IDLE if self.known else FIRST_FRAME):
            self.gateway.counts["silent"] += 1
            self.transport.abort()
            return
        self.allowance = min(BURST, self.allowance + A_SECOND * SWEEP)
        for error in self.assembler.expire(now):
            self.gateway.counts[error.kind] += 1
        if self.held and self.allowance > 0 and not self.gateway.committer.is_full:
            self.held = False
            self.transport.resume_reading()

    def close(self) -> None:
        """What is written goes out, then the connection closes."""
        if self.transport is not None:
            self.transport.close()

    def pause(self) -> None:
        """Read on later: the device's own buffer fills, and nothing is lost."""
        if not self.held and self.transport is not None and not self.transport.is_closing():
            self.held = True
            self.gateway.counts["held"] += 1
            self.transport.pause_reading()

    def _read(self, frame: Frame) -> Packet:
        known = self.gateway.directory.get(frame.mn)
        try:
            profile = self.gateway.profile(known) if known else _STRANGER
        except ValueError as error:
            raise BadPacket("profile", f"the settings of MN={known and known.number} cannot be: {error}") from error
        return decode(frame, profile)

    def _refused(self, error: Refused) -> None:
        self.gateway.counts[f"refused {error.kind}"] += 1
        if error.kind == "parts":
            self.strikes += 1
            if self.strikes >= STRIKES and self.transport is not None:
                self.transport.abort()

    def _packet(self, packet: Packet, now: float) -> None:
        known = self._admitted(packet)
        if known is None:
            return
        self.heard = now
        self.gateway.directory.heard(known)
        whole = self.assembler.add(packet, now)
        if whole is None:
            return
        profile = self.gateway.profile(known)
        if packet.cn in SPANS:
            self._data(known, whole, profile)
        elif packet.cn == "9015":
            self._send(replies.notice_ack(packet, profile))
        elif packet.cn == "1013":
            self._tell_time(packet, profile)
        else:
            self.gateway.counts[f"CN {packet.cn}"] += 1

    def _admitted(self, packet: Packet) -> Admitted | None:
        """The device, if it may speak here: approved, with its password, and alone on the connection."""
        directory = self.gateway.directory
        known = directory.get(packet.mn)
        if known is None:
            self.gateway.counts["unknown"] += 1
            directory.unknown(packet.mn, self._address())
            return None
        if known.secret and packet.pw != known.secret:
            raise BadPacket("pw", f"the password of MN={packet.mn} is wrong")
        if self.known is None:
            if not directory.came(known, self._address()):
                raise BadPacket("session", f"MN={packet.mn} is connected from another address already")
            self.known = known
        elif self.known.id != known.id:
            raise BadPacket("mn", f"a connection of MN={self.known.number} sent MN={packet.mn}")
        return known

    def _data(self, known: Admitted, packet: Packet, profile: Profile) -> None:
        received = datetime.now(UTC)
        found = readings(packet, profile)
        if found and not received - BEHIND <= found[0].at <= received + AHEAD:
            self.gateway.counts["clock"] += 1
            self._tell_time(packet, profile)
        rows = self.gateway.directory.rows(known, found, received, packet.rf)
        ack: Callable[[], None] = lambda: None  # noqa: E731
        if packet.ack_wanted:
            ack = lambda: self._send(replies.data_ack(packet, profile))  # noqa: E731
        self.gateway.committer.put(Message(rows, ack, self._spoiled))

    def _tell_time(self, packet: Packet, profile: Profile) -> None:
        now = datetime.now(UTC)
        if self.clock_told is None or now - self.clock_told > CLOCK_AGAIN:
            self.clock_told = now
            device = replies.Device(packet.mn, packet.pw, packet.st, packet.version)
            self._send(replies.clock_set(device, now, now, profile))

    def _spoiled(self, error: Exception) -> None:
        """The database refuses what the frame gave: it is not acknowledged, and the cause is in the log."""
        self.gateway.counts["spoiled"] += 1
        log.error("readings of MN=%s are refused by the database: %s", self.known and self.known.number, error)

    def _send(self, frame: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(frame)

    def _address(self) -> str:
        peer = self.transport.get_extra_info("peername") if self.transport is not None else None
        return str(peer[0]) if peer else ""
