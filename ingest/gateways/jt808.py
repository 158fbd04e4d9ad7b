"""The dialogue with vehicle terminals that speak JT/T 808 over TCP: one ``Dialogue`` a connection."""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any

import psycopg

from ingest.gateways.committer import Committer
from ingest.gateways.committer import Message as Held
from ingest.gateways.connection import Connection, Host
from ingest.protocols.jt808 import from_platform, from_terminal, positions
from ingest.protocols.jt808.bodies import parse
from ingest.protocols.jt808.errors import BodyError, DecodeError, FrameError, PartError
from ingest.protocols.jt808.frames import Stream
from ingest.protocols.jt808.from_platform import DONE, FAILED, NOT_SUPPORTED, WRONG
from ingest.protocols.jt808.messages import SERIALS, Header, Message, MessageId, decode, reply
from ingest.protocols.jt808.parts import Assembler
from ingest.protocols.jt808.positions import AHEAD, BEHIND, Position
from services.fences import evaluate
from services.positions import terminals
from services.positions.store import Row, Store, Watcher
from services.telemetry.devices import Admitted

log = logging.getLogger(__name__)

PORT = 9808
CLOCK_AGAIN = 3600.0
"""Seconds until a terminal is told the time again."""
OF_THE_CLOCK = ("no-time", "future", "outdated")
"""Problems of a position that the store judges by the device's own settings."""
WATCHERS: tuple[Watcher, ...] = (evaluate.watch,)
"""What looks at every batch of positions, in its transaction."""


class Gateway(Host["Dialogue"]):
    """What all connections share."""

    protocol = "jt808"
    port = PORT

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.committer = Committer(dsn, partial(Store, watchers=WATCHERS))
        self._work: set[asyncio.Task[None]] = set()

    def connection(self) -> "Dialogue":
        """A terminal that connects."""
        return Dialogue(self)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that waits for the database, apart from the connection's other messages."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)


class Dialogue(Connection):
    """One connection. It speaks for one terminal, and sends nothing that counts before it has shown its code."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self.gateway = gateway
        self.stream = Stream()
        self.assembler = Assembler()
        self.serial = 0
        self.clock_told = float("-inf")

    def data_received(self, data: bytes) -> None:
        """Frames come in."""
        now = monotonic()
        found = self.stream.feed(data)
        for each in found:
            if self.is_ending:
                return
            try:
                if isinstance(each, FrameError):
                    raise each
                self._message(decode(each), now)
            except DecodeError as error:
                self.gateway.counts[f"refused {error.kind}"] += 1
                if isinstance(error, PartError):
                    self.strike()
                self.refuse()
        self.spend(len(found))

    def tick(self, now: float) -> None:
        """Once a second: time-outs, new allowance, and requests for parts that did not come."""
        super().tick(now)
        for gap in self.assembler.gaps(now):
            self.gateway.counts["parts asked for"] += 1
            body = from_platform.build_resend_parts(gap.serial, gap.missing, gap.header.is_2019)
            self._answer(gap.header, MessageId.RESEND_PARTS, body)

    def _message(self, message: Message, now: float) -> None:
        header = message.header
        known = self.gateway.directory.get(header.terminal)
        if known is None:
            self._stranger(header)
        elif self.known is not None and self.known.id != known.id:
            self.gateway.counts["refused phone"] += 1
        elif self.known is None and header.message_id not in (MessageId.REGISTER, MessageId.AUTHENTICATE):
            self.gateway.counts["not authenticated"] += 1
            self.refuse()
        elif (whole := self.assembler.add(message, now)) is not None:
            self._whole(known, whole, now)
        elif self.assembler.is_stored(message):
            self._acknowledge(message)

    def _whole(self, known: Admitted, message: Message, now: float) -> None:
        header = message.header
        try:
            body = parse(message)
        except BodyError as error:
            self._acknowledge(message, NOT_SUPPORTED if error.kind == "unknown-message" else WRONG)
            raise
        if isinstance(body, from_terminal.Registration):
            self.gateway.later(self._register(known, header, body))
            return
        if isinstance(body, from_terminal.Authentication):
            self._authenticate(known, message, body.code)
        if self.known is None:
            return
        self.heard = now
        self.gateway.directory.heard(known, self.address)
        match body:
            case Position():
                self._positions(known, message, (body,), is_back_fill=False)
            case from_terminal.Batch():
                self._positions(known, message, body.positions, is_back_fill=body.is_back_fill)
            case from_terminal.LocationReply():
                self._positions(known, message, (body.position,), is_back_fill=False)
            case from_terminal.TimeRequest():
                self._tell_time(header)
            case from_terminal.Logout():
                self.gateway.later(self._log_out(known, message))
            case from_terminal.Authentication() | from_terminal.GeneralReply():
                pass
            case _:
                self._acknowledge(message)

    def _stranger(self, header: Header) -> None:
        """Unknown terminals hear that they are not known, if they ask, and wait for approval (F25)."""
        self.gateway.directory.unknown(header.terminal, self.address)
        if header.message_id == MessageId.REGISTER:
            body = from_platform.build_registration_reply(header.serial, from_platform.NO_TERMINAL)
            self._answer(header, MessageId.REGISTER_REPLY, body)
        self.refuse()

    async def _register(self, known: Admitted, header: Header, told: from_terminal.Registration) -> None:
        """A new code, kept as its digest; another terminal for the same vehicle is refused (F26)."""
        result, code = from_platform.TERMINAL_TAKEN, secrets.token_hex(12)
        if not self.gateway.is_taken(self, known, monotonic()):
            of = terminals.Told(told.maker, told.model, told.terminal_id, told.plate)
            keep = partial(terminals.register, device=known.id, told=of, code=code, now=datetime.now(UTC))
            try:
                if await self.gateway.directory.ask(keep):
                    result = from_platform.REGISTERED
            except psycopg.Error as error:
                log.warning("terminal %s was not registered and has to ask again: %s", known.number, error)
                return
        self.gateway.counts["registered" if result == from_platform.REGISTERED else "second terminal"] += 1
        body = from_platform.build_registration_reply(header.serial, result, code)
        self._answer(header, MessageId.REGISTER_REPLY, body)

    def _authenticate(self, known: Admitted, message: Message, code: str) -> None:
        if not known.secret or not hmac.compare_digest(terminals.digest(code), known.secret):
            self.gateway.counts["refused code"] += 1
            self._acknowledge(message, FAILED)
            self.strike()
            self.refuse()
        elif self.known is None and not self.gateway.admit(self, known, monotonic()):
            self._acknowledge(message, FAILED)
        else:
            self.known = known
            self._acknowledge(message)

    def _positions(self, known: Admitted, message: Message, told: Iterable[Position], *, is_back_fill: bool) -> None:
        received = datetime.now(UTC)
        rows = [row_of(known.id, position, received, is_back_fill) for position in told]
        if any(row.at is None or not received - BEHIND <= row.at <= received + AHEAD for row in rows):
            self.gateway.counts["clock"] += 1
            # By a clock that nobody sets (F13).
            if monotonic() - self.clock_told > CLOCK_AGAIN:
                self.clock_told = monotonic()
                self._tell_time(message.header)
        self.gateway.committer.put(Held(rows, self._stored(message), partial(self._spoiled, message)))

    def _stored(self, message: Message) -> Callable[[], None]:
        def acknowledge() -> None:
            self.assembler.mark_stored(message)
            self._acknowledge(message)

        return acknowledge

    def _spoiled(self, message: Message, error: Exception) -> None:
        """The database refuses what the message gave: the terminal hears so, and the cause is in the log."""
        self.gateway.counts["spoiled"] += 1
        log.error("positions of %s are refused by the database: %s", message.header.terminal, error)
        self._acknowledge(message, FAILED)

    async def _log_out(self, known: Admitted, message: Message) -> None:
        try:
            await self.gateway.directory.ask(partial(terminals.log_out, device=known.id))
        except psycopg.Error as error:
            log.warning("terminal %s was not logged out and has to ask again: %s", known.number, error)
            return
        self._acknowledge(message)
        self.gateway.left(self, known)
        self.known = None
        self.begun = monotonic()

    def _tell_time(self, header: Header) -> None:
        now = datetime.now(UTC)
        if header.is_2019:
            self._answer(header, MessageId.TIME_REPLY_2019, from_platform.build_time_2019(now))
        else:
            self._answer(header, MessageId.TIME_REPLY, from_platform.build_time(now))

    def _acknowledge(self, message: Message, result: int = DONE) -> None:
        header = message.header
        for serial in message.serials or (header.serial,):
            body = from_platform.build_general_reply(serial, header.message_id, result)
            self._answer(header, MessageId.PLATFORM_REPLY, body)

    def _answer(self, to: Header, message_id: int, body: bytes) -> None:
        self.send(reply(to, message_id, body, serial=self.serial))
        self.serial = (self.serial + 1) % SERIALS


def row_of(device: int, told: Position, received: datetime, is_back_fill: bool) -> Row:
    """A position as the store takes it."""
    wrong = [problem for problem in positions.problems(told, received) if problem not in OF_THE_CLOCK]
    return Row(
        device, told.at, told.lon, told.lat, told.speed, min(told.heading, 32767), told.altitude, told.status,
        told.alarm, received, wrong[0] if wrong else "", told.mileage_km, told.fuel_l, told.extras, is_back_fill,
    )  # fmt: skip
