"""The dialogue with devices that speak HJ 212 over TCP: one ``Dialogue`` a connection."""

import asyncio
import hmac
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic

from ingest.gateways import addresses
from ingest.gateways.committer import Message
from ingest.gateways.connection import Connection, Host
from ingest.gateways.questions import Questions
from ingest.gateways.spoiled import Key, Spoiled
from ingest.protocols.hj212 import machines, replies
from ingest.protocols.hj212.assembly import Assembler
from ingest.protocols.hj212.errors import BadPacket, Refused
from ingest.protocols.hj212.factors import SPANS, readings
from ingest.protocols.hj212.frames import Frame, Stream
from ingest.protocols.hj212.packets import Packet, decode
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.readings import Reading
from services.access.allowances import Allowances
from services.catalog.sealed import CannotOpen, unseal
from services.telemetry.batches import Row
from services.telemetry.devices import KEY_FOR, PASSWORD_FOR, Admitted
from services.telemetry.gaps import Gap

log = logging.getLogger(__name__)

PORT = 9212
CLOCK_AGAIN = 3600.0
"""Seconds until a device is told the time again."""
AHEAD, BEHIND = timedelta(minutes=5), timedelta(days=30)
"""How far a device's clock may be from ours before it is told the time (F14)."""
GUESSES_A_SECOND, GUESSES = 1 / 60, 10.0
"""Wrong passwords of one address for one device: on the whole, and at once. Six characters stand no more (F26)."""

_STRANGER = Profile()
_USUAL = "39"
"""ST of a device that has only answered so far."""


class Gateway(Host["Dialogue"]):
    """What all connections share."""

    protocol = "hj212"
    port = PORT

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.questions = Questions(dsn, lambda: self.speaking)
        self._asking: asyncio.Task[None] | None = None
        self.spoiled = Spoiled(self.directory)
        self.guesses = Allowances(GUESSES_A_SECOND, GUESSES)
        self._profiles: dict[int, tuple[Admitted, Profile]] = {}
        self._passwords: dict[int, tuple[Admitted, str | None]] = {}

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
        """What was asked for and answered, and what was put aside."""
        return self.questions.counts + self.spoiled.counts

    def admit(self, connection: "Dialogue", known: Admitted, now: float) -> bool:
        """Whether a connection may speak for a device; what it missed is asked for anew."""
        if not super().admit(connection, known, now):
            return False
        self.questions.came(known.id)
        return True

    def profile(self, known: Admitted) -> Profile:
        """The settings of a device; made anew when the directory has read it anew."""
        kept = self._profiles.get(known.id)
        if kept is None or kept[0] is not known:
            kept = self._profiles[known.id] = (known, profile_of(known))
        return kept[1]

    def fits(self, known: Admitted, password: str) -> bool:
        """Whether a device has shown its password; the seal is opened once for as long as the device is unchanged."""
        kept = self._passwords.get(known.id)
        if kept is None or kept[0] is not known:
            kept = self._passwords[known.id] = (known, _opened(known.password, PASSWORD_FOR, known))
        right = kept[1]
        return right is not None and (not right or hmac.compare_digest(right.encode(), password.encode()))


def profile_of(device: Admitted) -> Profile:
    """The decoder's profile of a device."""
    return Profile(
        units=device.units,
        crc_mode="modbus" if device.crc_mode == "modbus" else "standard",
        datatime_is="end" if device.datatime_is == "end" else "start",
        key=bytes.fromhex(_opened(device.sm4_key, KEY_FOR, device) or "") or None,
        missing_flag=device.missing_flag,
        minutes=device.minute_span,
        version=device.version,
    )


def _opened(sealed: str, purpose: str, device: Admitted) -> str | None:
    """What is in a seal; None where it does not open, which is logged once for as long as the device is unchanged."""
    try:
        return unseal(sealed, purpose)
    except CannotOpen as error:
        log.error("the %s of device %s cannot be used: %s", purpose.rpartition(".")[2], device.number, error)
        return None


class Dialogue(Connection):
    """One connection. It speaks for one device, the first that it names."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self.gateway = gateway
        self.stream: Stream[Packet] = Stream(self._read)
        self.assembler = Assembler()
        self.clock_told = float("-inf")
        self.device: replies.Device | None = None
        """As it calls itself."""

    def data_received(self, data: bytes) -> None:
        """Frames come in."""
        now = monotonic()
        found = self.stream.feed(data)
        for each in found:
            if self.is_ending:
                return
            try:
                if isinstance(each, Refused):
                    raise each
                self._packet(each, now)
            except Refused as error:
                self._refused(error)
        self.spend(len(found))

    def tick(self, now: float) -> None:
        """Once a second: time-outs, of unfinished sets too, and new allowance."""
        super().tick(now)
        for error in self.assembler.expire(now):
            self.gateway.counts[error.kind] += 1

    def ask(self, gap: Gap) -> str:
        """Ask the device for what is missing, in the times that it would write; returns the number of the question."""
        assert self.known is not None and self.device is not None
        profile, now = self.gateway.profile(self.known), datetime.now(UTC)
        shift = gap.step if profile.datatime_is == "end" else timedelta()
        self.send(replies.gap_query(self.device, gap.span, gap.begin + shift, gap.end + shift, now, profile))
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
            self.strike()
        self.refuse()

    def _packet(self, packet: Packet, now: float) -> None:
        known = self._admitted(packet, now)
        if known is None:
            return
        self.heard = now
        if packet.st != replies.SYSTEM or self.device is None:
            st = _USUAL if packet.st == replies.SYSTEM else packet.st
            self.device = replies.Device(packet.mn, packet.pw, st, packet.version)
        self.gateway.directory.heard(known, self.address)
        whole = self.assembler.add(packet, now)
        if whole is None:
            return
        profile = self.gateway.profile(known)
        if packet.cn in SPANS:
            self._data(known, whole, profile, readings(whole, profile))
        elif packet.cn == machines.CN:
            self._data(known, whole, profile, machines.states(whole, profile))
        elif packet.cn == "9015":
            self.send(replies.notice_ack(packet, profile))
        elif packet.cn == "1013":
            self._tell_time(profile)
        elif packet.cn in ("9011", "9012"):
            self._replied(known, packet)
        else:
            # Running times, starts, reports of the site: nobody keeps them, and the device may forget them.
            self.gateway.counts[f"CN {packet.cn}"] += 1
            if packet.ack_wanted and packet.cn[:1] in ("2", "3"):
                self.send(replies.data_ack(packet, profile))

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
            self.refuse()
            return None
        if not self._shows_password(known, packet.pw):
            raise BadPacket("pw", f"the password of MN={packet.mn} is wrong")
        if self.known is None:
            if not self.gateway.admit(self, known, now):
                raise BadPacket("session", f"MN={packet.mn} is connected from another address already")
            self.known = known
        elif self.known.id != known.id:
            raise BadPacket("mn", f"a connection of MN={self.known.number} sent MN={packet.mn}")
        return known

    def _shows_password(self, known: Admitted, password: str) -> bool:
        """Guesses of one address at one device are few; then nothing is compared until the allowance fills again."""
        guesses, of = self.gateway.guesses, f"{addresses.of(self.address)} {known.id}"
        if guesses.left(of) and self.gateway.fits(known, password):
            return True
        if not guesses.spend(of):
            self.gateway.directory.irregular(known, "password")
        return False

    def _data(self, known: Admitted, packet: Packet, profile: Profile, found: list[Reading]) -> None:
        received = datetime.now(UTC)
        if found and not received - BEHIND <= found[0].at <= received + AHEAD:
            self.gateway.counts["clock"] += 1
            self._tell_time(profile)
        rows = self.gateway.directory.rows(known, found, received, packet.rf)
        ack: Callable[[], None] = lambda: None  # noqa: E731
        if packet.ack_wanted:
            ack = lambda: self.send(replies.data_ack(packet, profile))  # noqa: E731
        self.gateway.committer.put(Message(rows, ack, partial(self._spoiled, (known.id, packet.qn), rows, ack)))

    def _tell_time(self, profile: Profile) -> None:
        # By a clock that nobody sets (F13).
        if monotonic() - self.clock_told > CLOCK_AGAIN:
            self.clock_told, now = monotonic(), datetime.now(UTC)
            assert self.device is not None
            self.send(replies.clock_set(self.device, now, now, profile))

    def _spoiled(self, key: Key, rows: Sequence[Row], ack: Callable[[], None], error: Exception) -> None:
        """The database refuses what the frame gave: it is not acknowledged until it is put aside (F27)."""
        self.gateway.counts["spoiled"] += 1
        log.error("readings of MN=%s are refused by the database: %s", self.known and self.known.number, error)
        self.gateway.spoiled.refused(key, rows, ack)
