"""Cameras and recorders that speak GB/T 28181 over UDP or TCP from outside, and disconnect on demand."""

import asyncio
import random
import secrets
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal, cast

from ingest.protocols.gb28181 import bodies, digest, messages
from ingest.protocols.gb28181.bodies import Body, Channel
from ingest.protocols.gb28181.errors import DecodeError
from ingest.protocols.gb28181.messages import Message, Stream
from ingest.simulators.hj212 import RECONNECT, Told

type How = Literal["logout", "close", "silence"]

EXPIRES = 3600
REPEATS = (0.5, 1.0, 2.0, 4.0)
"""Seconds until a request over UDP is sent again."""
A_PART = 4
"""Channels in one part of a catalogue."""
ON, AWAY = (240.0, 900.0), (200.0, 420.0)
"""Seconds for which a unit with the fault works, and is away."""


class NotAnswered(Exception):
    """A request had no answer, or a refusal."""


class Unit:
    """A camera, or a recorder with the channels behind it: registers, says that it is there, answers for its channels.

    ``leave`` and ``come_back`` are an outage on demand; ``switch`` turns a channel off and on.
    """

    def __init__(
        self, number: str, password: str, platform: str, *, interval: float = 60.0, over_tcp: bool = False,
        channels: Mapping[str, str] | None = None, told: Told | None = None, fails: bool = False, address: str = "",
    ) -> None:  # fmt: skip
        self.number, self.password, self.platform, self.interval = number, password, platform, interval
        self.over_tcp, self.address, self.fails = over_tcp, address, fails
        self.channels = {number: Channel(number, name, True) for number, name in (channels or {}).items()}
        self.told = told or Told()
        self.chance = random.Random(f"unit {number}")
        self.is_in = asyncio.Event()
        """It is registered."""
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._leaving = asyncio.Event()
        self._how: How = "logout"
        self._line: _Line | None = None
        self._sn = 0

    async def run(self, host: str, port: int) -> None:
        """Live until cancelled, coming again whenever something breaks."""
        while True:
            await self._wanted.wait()
            try:
                self._line = await (_over_tcp if self.over_tcp else _over_udp)(host, port, self.address, self._asked)
                await self._session(self._line)
            except (OSError, NotAnswered):
                self.told.counts["unit broken"] += 1
            finally:
                self.is_in.clear()
                if self._line is not None:
                    self._line.close()
            if self._wanted.is_set():
                await asyncio.sleep(self.chance.uniform(*RECONNECT))

    def leave(self, how: How) -> None:
        """Disconnect: with a word, by closing the connection, or by saying nothing any more."""
        self._how = how
        self._wanted.clear()
        self._leaving.set()

    def come_back(self) -> None:
        """End the outage."""
        self._leaving.clear()
        self._wanted.set()

    def switch(self, number: str, *, on: bool) -> None:
        """A channel is there, or is not; the next catalogue says so."""
        self.channels[number] = replace(self.channels[number], is_on=on)

    async def keep_alive(self) -> None:
        """Say that it is there, with the channels that are not."""
        self._sn += 1
        faulty = tuple(number for number, channel in self.channels.items() if not channel.is_on)
        await self._tell(bodies.keepalive(self._sn, self.number, faulty))
        self.told.counts["keepalives"] += 1

    async def _session(self, line: "_Line") -> None:
        await self._register(line, EXPIRES)
        self.told.counts["units registered"] += 1
        self.is_in.set()
        loop = asyncio.get_running_loop()
        renew = loop.time() + EXPIRES / 2
        fail = loop.time() + self.chance.uniform(*ON) if self.fails else float("inf")
        while not line.is_closed:
            if loop.time() > renew:
                await self._register(line, EXPIRES)
                renew = loop.time() + EXPIRES / 2
            await self.keep_alive()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), min(self.interval, max(0.0, fail - loop.time())))
            if self._leaving.is_set():
                await self._left(line, self._how)
                await self._wanted.wait()
                return
            if loop.time() >= fail:
                await self._left(line, self.chance.choice(("logout", "close", "silence")))
                await asyncio.sleep(self.chance.uniform(*AWAY))
                return

    async def _left(self, line: "_Line", how: How) -> None:
        self.is_in.clear()
        self.told.counts[f"left by {how}"] += 1
        if how == "logout":
            await self._register(line, 0)
        if how != "silence":
            line.close()

    async def _register(self, line: "_Line", expires: int) -> None:
        """Register, with the digest that is asked for."""
        call, more = secrets.token_hex(8), (("contact", f"<sip:{self.number}@127.0.0.1>"), ("expires", str(expires)))
        said = await line.call(self._request("REGISTER", call, 1, more=more), self.over_tcp)
        if said.status == 401:
            realm, nonce = digest.asked(said.header("www-authenticate"))
            uri = self._uri
            answer = digest.response(self.number, realm, self.password, "REGISTER", uri, nonce)
            proof = digest.authorization(digest.Proof(self.number, realm, nonce, uri, answer))
            asks = self._request("REGISTER", call, 2, more=(*more, ("authorization", proof)))
            said = await line.call(asks, self.over_tcp)
        if said.status != 200:
            raise NotAnswered(f"{said.status} {said.reason}")

    async def _tell(self, body: bytes) -> None:
        if self._line is None:
            raise NotAnswered("not connected")
        more = (("content-type", messages.XML),)
        said = await self._line.call(
            self._request("MESSAGE", secrets.token_hex(8), 20, body, more), self.over_tcp
        )  # fmt: skip
        if said.status != 200:
            raise NotAnswered(f"{said.status} {said.reason}")

    @property
    def _uri(self) -> str:
        return f"sip:{self.platform}@{self.platform[:10]}"

    def _request(
        self, method: str, call: str, cseq: int, body: bytes = b"", more: tuple[tuple[str, str], ...] = ()
    ) -> Message:
        way, domain = "TCP" if self.over_tcp else "UDP", self.platform[:10]
        headers = (
            ("via", f"SIP/2.0/{way} 127.0.0.1:5060;rport;branch=z9hG4bK{secrets.token_hex(6)}"),
            ("from", f"<sip:{self.number}@{domain}>;tag={secrets.token_hex(4)}"), ("to", f"<{self._uri}>"),
            ("call-id", call), ("cseq", f"{cseq} {method}"), ("max-forwards", "70"), ("user-agent", "IP Camera"), *more,
        )  # fmt: skip
        return Message(method, self._uri, headers, body)

    def _asked(self, line: "_Line", request: Message) -> None:
        """The platform wants to know something; who is away says nothing."""
        if not self.is_in.is_set():
            return
        line.send(messages.encode(messages.answer(request, 200, "OK", ("127.0.0.1", 0), tag="unit")))
        with suppress(DecodeError):
            asked = bodies.parse(request.body)
            if type(asked) is Body and asked.root == "Query" and asked.command == "Catalog":
                self.told.counts["catalogues asked"] += 1
                line.later(self._catalog(asked.sn))

    async def _catalog(self, sn: str) -> None:
        channels = tuple(self.channels.values())
        with suppress(NotAnswered):
            for at in range(0, len(channels), A_PART):
                await self._tell(bodies.catalog(sn, self.number, len(channels), channels[at : at + A_PART]))


class _Line:
    """A way to the platform: what is sent, and who waits for which answer."""

    def __init__(self, asked: Callable[["_Line", Message], None]) -> None:
        self._asked = asked
        self._waiting: dict[tuple[str, str], asyncio.Future[Message]] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._send: Callable[[bytes], None] = lambda _data: None
        self._end: Callable[[], None] = lambda: None
        self.is_closed = False

    def opened(self, send: Callable[[bytes], None], end: Callable[[], None]) -> None:
        """The way is there."""
        self._send, self._end = send, end

    def send(self, data: bytes) -> None:
        """Send bytes, where the way is still there."""
        if not self.is_closed:
            self._send(data)

    def close(self) -> None:
        """End it."""
        self.is_closed = True
        self._end()
        for task in self._work:
            task.cancel()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(NotAnswered("the connection ended"))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the rest."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def call(self, request: Message, is_reliable: bool) -> Message:
        """The answer to a request, sent again over UDP while there is none. Raises NotAnswered."""
        key = (request.header("call-id"), request.header("cseq"))
        future = self._waiting[key] = asyncio.get_running_loop().create_future()
        try:
            for wait in (sum(REPEATS),) if is_reliable else REPEATS:
                self.send(messages.encode(request))
                with suppress(TimeoutError):
                    return await asyncio.wait_for(asyncio.shield(future), wait)
        finally:
            self._waiting.pop(key, None)
        raise NotAnswered(f"no answer to {request.method}")

    def came(self, message: Message) -> None:
        """A message from the platform."""
        if not message.status:
            self._asked(self, message)
            return
        future = self._waiting.get((message.header("call-id"), message.header("cseq")))
        if future is not None and not future.done():
            future.set_result(message)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, line: _Line) -> None:
        self.line = line

    def datagram_received(self, data: bytes, addr: object) -> None:
        with suppress(DecodeError):
            self.line.came(messages.decode(data))


class _Bytes(asyncio.Protocol):
    def __init__(self, line: _Line) -> None:
        self.line, self.stream = line, Stream()

    def data_received(self, data: bytes) -> None:
        for each in self.stream.feed(data):
            if isinstance(each, Message):
                self.line.came(each)

    def connection_lost(self, exc: Exception | None) -> None:
        self.line.close()


async def _over_udp(host: str, port: int, address: str, asked: Callable[[_Line, Message], None]) -> _Line:
    line = _Line(asked)
    local = (address, 0) if address else None
    transport, _protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(line), local_addr=local, remote_addr=(host, port)
    )
    line.opened(transport.sendto, transport.close)
    return line


async def _over_tcp(host: str, port: int, address: str, asked: Callable[[_Line, Message], None]) -> _Line:
    line = _Line(asked)
    local = (address, 0) if address else None
    transport, _protocol = await asyncio.get_running_loop().create_connection(
        lambda: _Bytes(line), host, port, local_addr=local
    )
    line.opened(cast(asyncio.Transport, transport).write, transport.close)
    return line
