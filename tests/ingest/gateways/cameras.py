"""A camera's or recorder's end of the signalling of GB/T 28181, over UDP or TCP, and what is kept of it."""

import itertools
import socket
import time
from typing import Any

from ingest.protocols.gb28181 import digest, messages
from ingest.protocols.gb28181.messages import Message, Stream
from services.catalog.sealed import seal
from services.telemetry.devices import PASSWORD_FOR
from tests.conftest import Server

PASSWORD = "camera-28181"
PLATFORM, REALM = "51170000442000000001", "5117000044"
URI = f"sip:{PLATFORM}@{REALM}"
_CALLS = itertools.count(1)


def number_of(serial: int, kind: int = 132) -> str:
    """A number of a device of the construction industry in Dazhou."""
    return f"5117020044{kind}0{serial:06}"


def register(
    server: Server, number: str, *, password: str = PASSWORD, state: str = "active", feature: Any = None,
    behind: str = "",
) -> int:  # fmt: skip
    """Make a device known; the gateway reads it within seconds."""
    ((pk,),) = server.sql(
        """
        insert into telemetry_device
            (protocol, number, name, state, secret, password, units, crc_mode, datatime_is, missing_flag, minute_span,
             "interval", base, back_days, sm4_key, created_at, feature, behind_id)
        values ('gb28181', %s, '', %s, '', %s, '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '', now(), %s,
            (select id from telemetry_device where protocol = 'gb28181' and number = %s))
        returning id
        """,
        number, state, seal(password, PASSWORD_FOR) if password else "", feature, behind,
    )  # fmt: skip
    return int(pk)


def forget(server: Server) -> None:
    """Take all of them away again."""
    ours = "device_id in (select id from telemetry_device where protocol = 'gb28181')"
    for table in ("presence", "outage", "registration"):
        server.sql(f"delete from telemetry_{table} where {ours}")
    server.sql("update telemetry_device set behind_id = null where protocol = 'gb28181'")
    server.sql("delete from telemetry_device where protocol = 'gb28181'")


def presence(server: Server, number: str) -> tuple[Any, ...]:
    """(online, how it left, when it left, when it was heard, open outages) of a device."""
    rows = server.sql(
        """
        select p.online, p.left_how, p.left_at, p.seen_at,
            (select count(*) from telemetry_outage o where o.device_id = d.id and o.ended_at is null)
        from telemetry_device d join telemetry_presence p on p.device_id = d.id
        where d.protocol = 'gb28181' and d.number = %s
        """,
        number,
    )
    return rows[0] if rows else (None, "", None, None, 0)


class Camera:
    """One device and its way to the gateway."""

    def __init__(
        self, port: int, number: str, *, tcp: bool = False, address: str = "127.0.0.1", password: str = PASSWORD
    ) -> None:
        self.port, self.number, self.tcp, self.password = port, number, tcp, password
        self.socket = socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.connect(("127.0.0.1", port))
        self.stream = Stream()
        self.asked: list[Message] = []
        """What the platform asked, each answered with 200."""
        self._came: list[Message] = []

    def request(self, method: str, body: bytes = b"", **more: str) -> Message:
        """A request that was not sent before; ``authorization="…"`` and the like are headers of their own."""
        call = next(_CALLS)
        headers = (
            ("via", f"SIP/2.0/{'TCP' if self.tcp else 'UDP'} 10.0.0.1:5060;rport;branch=z9hG4bK{call}"),
            ("from", f"<sip:{self.number}@{REALM}>;tag={call}"), ("to", f"<{URI}>"), ("call-id", str(call)),
            ("cseq", f"{call} {method}"), *((name.replace("_", "-"), value) for name, value in more.items()),
        )  # fmt: skip
        return Message(method, URI, headers, body)

    def send(self, message: Message | bytes) -> None:
        """Send a message, or bytes that may be none."""
        self.socket.sendall(message if isinstance(message, bytes) else messages.encode(message))

    def receive(self, within: float = 10.0) -> Message | None:
        """The next answer; what the platform asks meanwhile is answered."""
        end = time.monotonic() + within
        while not self._came and (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except (TimeoutError, ConnectionError):
                return None
            if self.tcp and not data:
                return None
            found = self.stream.feed(data) if self.tcp else [messages.decode(data)]
            for each in found:
                assert isinstance(each, Message)
                if each.status:
                    self._came.append(each)
                else:
                    self.asked.append(each)
                    self.send(messages.answer(each, 200, "OK", ("127.0.0.1", self.port), tag="camera"))
        return self._came.pop(0) if self._came else None

    def exchange(self, message: Message, within: float = 10.0) -> Message | None:
        """The answer to a request, sent again over UDP while there is none, as RFC 3261 has it."""
        for _again in range(1 if self.tcp else 4):
            self.send(message)
            if (answer := self.receive(within if self.tcp else within / 4)) is not None:
                return answer
        return None

    def call(self, message: Message, within: float = 10.0) -> int:
        """The status with which a request is answered, 0 for none."""
        answer = self.exchange(message, within)
        return answer.status if answer is not None else 0

    def call_once(self) -> bool:
        """Whether somebody answers."""
        try:
            return self.call(self.request("REGISTER", expires="3600"), 1) != 0
        finally:
            self.close()

    def nonce(self) -> str:
        """A nonce that the gateway hands out to this device."""
        answer = self.exchange(self.request("REGISTER", expires="3600"))
        assert answer is not None and answer.status == 401, answer
        realm, nonce = digest.asked(answer.header("www-authenticate"))
        assert realm == REALM
        return nonce

    def proof(self, nonce: str, password: str = "", qop: str = "", nc: str = "", cnonce: str = "") -> str:
        """An Authorization header."""
        said = digest.response(
            self.number, REALM, password or self.password, "REGISTER", URI, nonce, qop, nc, cnonce
        )  # fmt: skip
        return digest.authorization(digest.Proof(self.number, REALM, nonce, URI, said, qop, cnonce, nc))

    def register(self, expires: int = 3600, password: str = "") -> int:
        """Register, or log out, as it should be done; the status of the last answer."""
        authorization = self.proof(self.nonce(), password)
        return self.call(self.request("REGISTER", expires=str(expires), authorization=authorization))

    def say(self, body: bytes) -> int:
        """Send a document; the status of the answer."""
        return self.call(self.request("MESSAGE", body, content_type=messages.XML))

    def close(self) -> None:
        """End the connection."""
        self.socket.close()
