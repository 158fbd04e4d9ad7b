"""The dialogue with devices that speak HJ 212 over TCP: one ``Dialogue`` a connection."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import cast

from ingest.gateways.committer import Message
from ingest.gateways.gateway import SWEEP, Listener
from ingest.gateways.questions import Questions
from ingest.protocols.hj212 import replies
from ingest.protocols.hj212.assembly import Assembler
from ingest.protocols.hj212.errors import BadPacket, Refused
from ingest.protocols.hj212.factors import SPANS, readings
from ingest.protocols.hj212.frames import Frame, Stream
from ingest.protocols.hj212.packets import Packet, decode
from ingest.protocols.hj212.profile import Profile
from services.telemetry.devices import Admitted
from services.telemetry.gaps import Gap

log = logging.getLogger(__name__)

PORT = 9212
FIRST_FRAME, IDLE = 30.0, 600.0
"""Seconds to the first good frame, and without one after that (F24)."""
A_SECOND, BURST = 20.0, 200.0
"""Frames of one connection: on the whole, and at once (F21). Beyond, it is not read for a while."""
STRIKES = 3
"""Sets of parts that cannot be, after which the connection is closed (F20)."""
SILENT = 2.0
"""Rhythms of a device after which a connection from another address takes the place of a silent one (F26)."""
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
        self.speaking: dict[int, Dialogue] = {}
        """Device → the connection that speaks for it."""
        self.questions = Questions(dsn, lambda: self.speaking)
        self._asking: asyncio.Task[None] | None = None
        self._profiles: dict[int, tuple[Admitted, Profile]] = {}

    async def start(self, host: str, port: int) -> None:
        """Listen, and ask for what is missing."""
        await super().start(host, port)
        self._asking = asyncio.create_task(self.questions.run())

    async def stop(self) -> None:
        """Let nobody in, read from nobody, ask nobody."""
        if self._asking is not None:
            self._asking.cancel()
        await super().stop()

    def connection(self) -> "Dialogue":
        """A device that connects."""
        return Dialogue(self)

    def more_counts(self) -> Counter[str]:
        """What was asked for and answered."""
        return self.questions.counts

    def admit(self, dialogue: "Dialogue", known: Admitted, now: float) -> bool:
        """Whether a connection may speak for a device from now on.

        From the address of the one that speaks already it may: that one is half open. From another address it is
        refused (F26), unless that one has been silent: then the device has moved.
        """
        other = self.speaking.get(known.id)
        if other is not None and other.address != dialogue.address:
            about = (known.number, dialogue.address, other.address)
            if now - other.heard <= SILENT * known.rhythm:
                self.counts["second session refused"] += 1
                self.directory.irregular(known, "address")
                log.warning("MN=%s from %s is refused: it is connected from %s", *about)
                return False
            self.counts["session taken over"] += 1
            log.warning("MN=%s from %s takes the place of its silent connection from %s", *about)
            other.close()
        self.speaking[known.id] = dialogue
        self.questions.came(known.id)
        return True

    def left(self, dialogue: "Dialogue", known: Admitted) -> None:
        """A connection ended; the device stays present where another one speaks for it."""
        if self.speaking.get(known.id) is dialogue:
            del self.speaking[known.id]

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
        self.device: replies.Device | None = None
        """As it calls itself."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A device has connected."""
        self.transport = cast(asyncio.Transport, transport)
        self.gateway.open.add(self)
        self.gateway.counts["connections"] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; what it sent is stored all the same, and not acknowledged."""
        self.gateway.open.discard(self)
        if self.known is not None:
            self.gateway.left(self, self.known)

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
        if self.allowance < 0 and self.known is not None:
            self.gateway.directory.irregular(self.known, "flood")
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

    def ask(self, gap: Gap) -> str:
        """Ask the device for what is missing, in the times that it would write; returns the number of the question."""
        assert self.known is not None
        profile, now = self.gateway.profile(self.known), datetime.now(UTC)
        shift = gap.step if profile.datatime_is == "end" else timedelta()
        device = self.device or replies.Device(self.known.number, self.known.secret, "39")
        self._send(replies.gap_query(device, gap.span, gap.begin + shift, gap.end + shift, now, profile))
        return replies.qn(now)

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
        known = self._admitted(packet, now)
        if known is None:
            return
        self.heard = now
        if packet.st != replies.SYSTEM:
            self.device = replies.Device(packet.mn, packet.pw, packet.st, packet.version)
        self.gateway.directory.heard(known, self.address)
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
        elif packet.cn in ("9011", "9012"):
            self._replied(known, packet)
        else:
            # States, running times, starts, reports of the site: nobody keeps them, and the device may forget them.
            self.gateway.counts[f"CN {packet.cn}"] += 1
            if packet.ack_wanted and packet.cn[:1] in ("2", "3"):
                self._send(replies.data_ack(packet, profile))

    def _replied(self, known: Admitted, packet: Packet) -> None:
        reply = replies.reply(packet)
        if packet.cn == "9012" or reply.meaning != "ready":
            self.gateway.questions.ended(known.id, reply.qn, well=packet.cn == "9012" and reply.meaning == "ok")

    def _admitted(self, packet: Packet, now: float) -> Admitted | None:
        """The device, if it may speak here: approved, with its password, and alone on the connection."""
        directory = self.gateway.directory
        known = directory.get(packet.mn)
        if known is None:
            self.gateway.counts["unknown"] += 1
            directory.unknown(packet.mn, self.address)
            return None
        if known.secret and packet.pw != known.secret:
            raise BadPacket("pw", f"the password of MN={packet.mn} is wrong")
        if self.known is None:
            if not self.gateway.admit(self, known, now):
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
            device = self.device or replies.Device(packet.mn, packet.pw, packet.st, packet.version)
            self._send(replies.clock_set(device, now, now, profile))

    def _spoiled(self, error: Exception) -> None:
        """The database refuses what the frame gave: it is not acknowledged, and the cause is in the log."""
        self.gateway.counts["spoiled"] += 1
        log.error("readings of MN=%s are refused by the database: %s", self.known and self.known.number, error)

    def _send(self, frame: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(frame)

    @property
    def address(self) -> str:
        """Where the device connects from."""
        peer = self.transport.get_extra_info("peername") if self.transport is not None else None
        return str(peer[0]) if peer else ""
