"""The dialogue with cameras, recorders and platforms that speak GB/T 28181, over UDP and TCP on one port.

Signalling only: who is registered, who is heard, which channels a recorder says are there. A device proves itself by
digest when it registers; what it sends afterwards counts from the address that it registered from.
"""

import asyncio
import logging
import socket
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, cast

import psycopg
from django.conf import settings

from ingest.gateways import addresses
from ingest.gateways.connection import SILENT, Connection, Host
from ingest.gateways.nonces import Nonces
from ingest.gateways.reports import Reports
from ingest.gateways.requests import Answers, Request, Source, Writer
from ingest.gateways.sessions import Session
from ingest.protocols.gb28181 import digest, messages, numbers
from ingest.protocols.gb28181.bodies import LOCAL
from ingest.protocols.gb28181.errors import BodyError, DecodeError, FrameError
from ingest.protocols.gb28181.messages import Stream
from services.access.allowances import Allowances
from services.catalog.sealed import CannotOpen, unseal
from services.telemetry import presence
from services.telemetry.devices import PASSWORD_FOR, Admitted

log = logging.getLogger(__name__)

PORT = 9281
SHORTEST, LONGEST = 60, 7 * 86400
"""Seconds for which a device may register: less is a mistake, more is cut."""
BACK = 15.0
"""Seconds in which a device whose connection broke may come again before that counts as leaving."""
GUESSES_A_SECOND, GUESSES = 1 / 60, 10.0
"""Wrong passwords of one address for one device: on the whole, and at once (F26)."""
A_SECOND, BURST = 20.0, 200.0
"""Messages of one device over UDP: on the whole, and at once (F21)."""
ROOM = 4 * 1024 * 1024
"""Bytes of datagrams that may wait to be read."""
LOOK = 1.0
ALLOW = (("allow", "REGISTER, MESSAGE, NOTIFY, OPTIONS"),)


class Gateway(Host["Dialogue"]):
    """What all devices share."""

    protocol = "gb28181"
    port = PORT

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.number: str = settings.GB28181_NUMBER
        numbers.parse(self.number)
        self.realm = self.number[:10]
        self.nonces = Nonces()
        self.guesses = Allowances(GUESSES_A_SECOND, GUESSES)
        self.allowances = Allowances(A_SECOND, BURST)
        self.sessions: dict[int, Session] = {}
        """Device → where it is registered."""
        self.reports = Reports(self)
        self.writer = Writer(self.directory)
        self.answers = Answers()
        self._passwords: dict[int, tuple[Admitted, str]] = {}
        self._closed: dict[int, tuple[Connection, float]] = {}
        """Device → its connection that broke, and when that is to count."""
        self._working: list[asyncio.Task[None]] = []
        self._datagrams: asyncio.DatagramTransport | None = None
        self._stopping = False

    async def start(self, host: str, port: int) -> None:
        """Listen over both, knowing those whose registration still holds."""
        await self._remember()
        await super().start(host, port)
        make = partial(Datagrams, self)
        transport, _protocol = await asyncio.get_running_loop().create_datagram_endpoint(make, (host, port))
        # What comes at once waits here: a thousand cameras after a power cut. The system may allow less.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        self._datagrams = transport
        self.reports.address = (host, port)
        self._working = [asyncio.create_task(work) for work in (self._watch(), self.writer.run())]

    async def stop(self) -> None:
        """Let nobody in, read from nobody; what came is written and answered."""
        self._stopping = True
        await super().stop()
        for work in self._working:
            work.cancel()
        await self.writer.write()

    async def close(self) -> None:
        """End every connection; that is our leaving, and not the devices'."""
        if self._datagrams is not None:
            self._datagrams.close()
        await super().close()

    def connection(self) -> "Dialogue":
        """A device that connects over TCP."""
        return Dialogue(self)

    def left(self, connection: "Dialogue", known: Admitted) -> None:
        """A connection ended: unless the device comes again soon, it has left."""
        super().left(connection, known)
        session = self.sessions.get(known.id)
        if session is not None and session.line is connection and not self._stopping:
            self._closed[known.id] = (connection, monotonic() + BACK)

    def take(self, request: Request) -> None:
        """A message came in."""
        message = request.message
        if message.status:
            self.counts["answers"] += 1
        elif request.is_repeated():
            self.counts["repeated"] += 1
        elif message.method == "REGISTER":
            self._register(request)
        elif message.method in ("MESSAGE", "NOTIFY", "OPTIONS"):
            self._message(request)
        elif message.method != "ACK":
            self.counts["other methods"] += 1
            if self.session_of(request) is not None:
                request.answer(405, "Method Not Allowed", ALLOW)
            else:
                self._forgives(request)

    def session_of(self, request: Request) -> Session | None:
        """The registration under which a request from there counts."""
        known = self.directory.get(request.message.user)
        session = self.sessions.get(known.id) if known is not None else None
        if known is None or session is None or session.host != request.host or session.until <= monotonic():
            return None
        if self._is_of_another(request, known):
            return None
        if session.known is not known:
            if session.known.password != known.password:
                del self.sessions[known.id]
                return None
            session.known = known
        return session

    def _refuse(self, request: Request, status: int, reason: str, *more: tuple[str, str]) -> None:
        """A request does not count. It is answered as long as its address has something left for such."""
        if self._forgives(request):
            request.answer(status, reason, more)

    def _forgives(self, request: Request) -> bool:
        if request.line is None:
            return self.addresses.forgives(request.host)
        request.line.refuse()
        return not request.line.is_ending

    def _register(self, request: Request) -> None:
        message = request.message
        header, expires = message.header("authorization"), message.expires
        try:
            if numbers.parse(message.user).warning:
                self.counts["unusual numbers"] += 1
            proof = digest.parse(header) if header else None
        except DecodeError as error:
            self.counts[f"refused {error.kind}"] += 1
            self._refuse(request, 400, "Bad Request")
            return
        if expires is None:
            self._refuse(request, 400, "Expires Missing")
        elif 0 < expires < SHORTEST:
            self._refuse(request, 423, "Interval Too Brief", ("min-expires", str(SHORTEST)))
        elif proof is None or not self._may_use(proof, request.host):
            self.counts["challenged" if proof is None else "refused nonce"] += 1
            # Whoever floods gets no nonces: they would push out those of others.
            if self._forgives(request):
                challenge = digest.challenge(self.realm, self.nonces.issue(request.host, monotonic()))
                request.answer(401, "Unauthorized", (("www-authenticate", challenge),))
        else:
            self.nonces.use(proof.nonce, proof.count)
            known = self._proved(request, proof)
            if known is None or self._is_of_another(request, known) or self._is_taken(known, request):
                self.counts["refused register"] += 1
                self._refuse(request, 403, "Forbidden")
            elif expires:
                self._enter(known, min(expires, LONGEST), request)
            else:
                self._log_out(known, request)

    def _may_use(self, proof: digest.Proof, host: str) -> bool:
        return proof.realm == self.realm and self.nonces.knows(proof.nonce, host, proof.count, monotonic())

    def _proved(self, request: Request, proof: digest.Proof) -> Admitted | None:
        """The device, if it has shown its password; all refusals look the same from outside."""
        number = request.message.user
        known = self.directory.get(number)
        if known is None:
            self.directory.unknown(number, request.host)
            return None
        of = f"{addresses.of(request.host)} {known.id}"
        password = self._password(known)
        if self.guesses.left(of) and password and proof.user == number and proof.fits("REGISTER", password):
            return known
        if not password:
            self.counts["without password"] += 1
        elif not self.guesses.spend(of):
            self.directory.irregular(known, "password")
        return None

    def _password(self, known: Admitted) -> str:
        """A device's password; the seal is opened once for as long as the device is unchanged."""
        kept = self._passwords.get(known.id)
        if kept is None or kept[0] is not known:
            try:
                kept = (known, unseal(known.password, PASSWORD_FOR))
            except CannotOpen as error:
                log.error("the password of device %s cannot be used: %s", known.number, error)
                kept = (known, "")
            self._passwords[known.id] = kept
        return kept[1]

    @staticmethod
    def _is_of_another(request: Request, known: Admitted) -> bool:
        """Whether the connection speaks for another device."""
        return request.line is not None and request.line.known is not None and request.line.known.id != known.id

    def _is_taken(self, known: Admitted, request: Request) -> bool:
        """Whether the device is heard from another address (F26)."""
        session, now = self.sessions.get(known.id), monotonic()
        if session is None or session.host == request.host or session.until <= now:
            return False
        if now - session.heard > SILENT * known.rhythm:
            return False
        self.counts["second session refused"] += 1
        self.directory.irregular(known, "address")
        log.warning("device %s from %s is refused: it is registered from %s", known.number, request.host, session.host)
        return True

    def _enter(self, known: Admitted, expires: int, request: Request) -> None:
        """Register a device; it hears so after the commit."""
        now, (host, port) = datetime.now(UTC), request.source
        transport = "udp" if request.line is None else "tcp"
        where = presence.Registered(known.id, host, port, transport, now + timedelta(seconds=expires))

        def done(problem: Exception | None) -> None:
            if problem is not None:
                request.unavailable(problem)
                return
            session = self.sessions.get(known.id)
            if session is None or session.host != host:
                session = self.sessions[known.id] = Session(known, host, port, 0.0, request.send)
            session.known, session.until = known, monotonic() + expires
            self.counts["registered"] += 1
            at = f"{datetime.now(LOCAL):%Y-%m-%dT%H:%M:%S}.000"
            request.answer(200, "OK", (("expires", str(expires)), ("date", at)))
            self._goes_on(session, request)
            self.reports.heard(session)

        request.hold()
        self.writer.put(partial(presence.register, where=where), done)

    def _goes_on(self, session: Session, request: Request) -> None:
        """A session goes on over the way that a request came."""
        line, former = request.line, session.line
        session.port, session.send, session.line = request.source[1], request.send, line
        if former is not line and former is not None and not former.is_ending:
            former.close()
        if line is None or not line.is_ending:
            self._closed.pop(session.known.id, None)
        if line is not None:
            line.known, line.heard = session.known, monotonic()
            line.proved()

    def _log_out(self, known: Admitted, request: Request) -> None:
        session = self.sessions.pop(known.id, None)
        self._closed.pop(known.id, None)
        self.reports.gone(known, session)

        def done(problem: Exception | None) -> None:
            if problem is not None:
                request.unavailable(problem)
                return
            self.counts["logged out"] += 1
            request.answer(200, "OK", (("expires", "0"),))

        request.hold()
        self.writer.put(partial(presence.log_out, device=known.id, at=datetime.now(UTC)), done)

    def _message(self, request: Request) -> None:
        session = self.session_of(request)
        if session is None:
            # Whoever lost us, or we them, hears that they have to register.
            self.counts["not registered"] += 1
            self._refuse(request, 403, "Register First")
            return
        if not self.allowances.spend(str(session.known.id)):
            self.counts["too much of one device"] += 1
            self.directory.irregular(session.known, "flood")
            return
        self._goes_on(session, request)
        if request.message.method == "OPTIONS":
            request.answer(200, "OK", ALLOW)
            return
        try:
            self.reports.take(session, request)
        except BodyError as error:
            self.counts[f"refused {error.kind}"] += 1
            request.answer(400, "Bad Document")

    async def _remember(self) -> None:
        """Those that registered with us before we were started anew."""
        try:
            ask = partial(presence.registered, protocol=self.protocol, now=datetime.now(UTC))
            kept = await self.directory.ask(ask)
        except psycopg.Error as error:
            log.warning("registrations are not known, devices have to register again: %s", error)
            return
        known = {device.id: device for device in self.directory}
        now, moment = monotonic(), datetime.now(UTC)
        for each in kept:
            if (device := known.get(each.device_id)) is not None:
                until = now + (each.until - moment).total_seconds()
                self.sessions[device.id] = Session(device, each.address, each.port, until, None)

    async def _watch(self) -> None:
        """Once a second, until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                self._look(monotonic())
                await self.reports.write()
            except Exception:  # whatever it is: one device must not end the watch over all
                log.exception("a look at the devices failed")

    def _look(self, now: float) -> None:
        """Connections that broke for good, registrations that lapsed, questions to be asked."""
        for device, (line, due) in list(self._closed.items()):
            if due > now:
                continue
            del self._closed[device]
            session = self.sessions.get(device)
            if session is not None and session.line is line:
                del self.sessions[device]
                self.counts["closed"] += 1
                self.reports.gone(session.known, session, presence.CLOSED)
        for device, session in list(self.sessions.items()):
            if session.until <= now:
                del self.sessions[device]
                self.counts["lapsed"] += 1
            else:
                self.reports.ask(session, now)


class Datagrams(asyncio.DatagramProtocol):
    """What comes over UDP."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """One message; empty lines keep a way through a router open."""
        source = (str(addr[0]), int(addr[1]))
        if not data.strip(b"\r\n\0 "):
            return
        try:
            message = messages.decode(data)
        except DecodeError as error:
            self.gateway.counts[f"refused {error.kind}"] += 1
            self.gateway.addresses.forgives(source[0])
            return
        self.gateway.take(Request(message, source, partial(self._send, addr), None, self.gateway.answers))

    def _send(self, to: tuple[Any, ...], data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(data, to)


class Dialogue(Connection):
    """One connection over TCP. It speaks for one device."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self.gateway = gateway
        self.stream = Stream()

    def data_received(self, data: bytes) -> None:
        """Messages come in."""
        found = self.stream.feed(data)
        for each in found:
            if self.is_ending:
                return
            if isinstance(each, DecodeError):
                self.gateway.counts[f"refused {each.kind}"] += 1
                self.refuse()
                if isinstance(each, FrameError) and self.transport is not None:
                    # Nothing can be found behind it.
                    self.transport.abort()
            else:
                self.gateway.take(Request(each, self.source, self.send, self, self.gateway.answers))
        self.spend(len(found))

    @property
    def source(self) -> Source:
        """Where the device connects from."""
        peer = self.transport.get_extra_info("peername") if self.transport is not None else None
        return (str(peer[0]), int(peer[1])) if peer else ("", 0)
