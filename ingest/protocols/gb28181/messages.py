"""SIP as GB/T 28181 uses it (RFC 3261): requests and responses out of datagrams and streams, and back into bytes.

Devices end lines with CRLF or with LF alone, fold headers, and write the short names of some; all of that is read.
What is written has CRLF and long names. A body is what ``Content-Length`` says, never more.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ingest.protocols.gb28181.errors import FrameError, HeadError

MAX_HEAD, MAX_BODY = 16 * 1024, 1024 * 1024
"""Bytes: beyond, it is not signalling."""
LONG = {
    "v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type",
    "s": "subject", "k": "supported", "o": "event",
}  # fmt: skip
"""Short name of a header → its name."""
NEEDED = ("via", "from", "to", "call-id", "cseq")
XML = "Application/MANSCDP+xml"
_END = re.compile(rb"\r?\n\r?\n")
_LINE = re.compile(r"\r?\n")
_METHOD = re.compile(r"[A-Z]{2,20}")
_LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*([^\r\n]*)")
_URI = re.compile(r"sips?:(?:([^@;>\s]{1,80})@)?(\[[^\]]{1,45}\]|[^:;>\s]{1,255})(?::(\d{1,5}))?", re.IGNORECASE)


class Uri(NamedTuple):
    """Who and where; the port is 0 where none is said."""

    user: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Message:
    """A request, or a response where ``status`` is not 0; headers in their order, names in lower case."""

    method: str
    """Of a response, the method that it answers."""
    uri: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    status: int = 0
    reason: str = ""

    def header(self, name: str, default: str = "") -> str:
        """The first header with this name."""
        return next((value for key, value in self.headers if key == name), default)

    def all(self, name: str) -> list[str]:
        """Every header with this name."""
        return [value for key, value in self.headers if key == name]

    @property
    def user(self) -> str:
        """The number of the device that sends a request, or whose request a response answers."""
        return uri_of(self.header("from")).user

    @property
    def cseq(self) -> int:
        """The number in CSeq."""
        return int(self.header("cseq").split()[0])

    @property
    def key(self) -> tuple[str, str, str]:
        """The same for a message and its retransmissions."""
        return self.header("via"), self.header("call-id"), self.header("cseq")

    @property
    def expires(self) -> int | None:
        """Seconds for which a registration is asked for, None where none are said; the Contact's own come first."""
        said = re.search(r";\s*expires\s*=\s*\"?(\d{1,10})", self.header("contact"), re.IGNORECASE)
        text = said[1] if said else self.header("expires").strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def decode(data: bytes) -> Message:
    """A message from a datagram. Raises FrameError and HeadError; bytes after the body are not looked at."""
    end = _END.search(data, 0, MAX_HEAD + 4)
    if end is None and len(data) > MAX_HEAD:
        raise FrameError("head-too-long", f"no empty line in {MAX_HEAD} bytes")
    head, body = (data, b"") if end is None else (data[: end.start()], data[end.end() :])
    length = _length(head)
    if length is not None and length > len(body):
        raise FrameError("length", f"Content-Length says {length}, {len(body)} bytes came")
    return _read(head, body if length is None else body[:length])


class Stream:
    """Messages out of the bytes of one connection, however they were cut; keeps at most one unfinished message.

    After a FrameError nothing more can be found in the stream: without a right length the next message has no begin.
    """

    __slots__ = ("_lost", "_rest", "counts")

    def __init__(self) -> None:
        self._rest = b""
        self._lost = False
        self.counts: Counter[str] = Counter()

    @property
    def pending(self) -> int:
        """Bytes of the unfinished message, never more than the longest head and body."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Message | FrameError | HeadError]:
        """Whole messages and errors in the order of the stream; empty lines between messages keep it open."""
        found: list[Message | FrameError | HeadError] = []
        self._rest += data
        while not self._lost:
            self._rest = self._rest.lstrip(b"\r\n")
            try:
                cut = self._cut()
            except FrameError as error:
                found.append(error)
                self._lost, self._rest = True, b""
                break
            if cut is None:
                break
            try:
                found.append(_read(*cut))
                self.counts["message"] += 1
            except HeadError as error:
                found.append(error)
        if self._lost:
            self._rest = b""
        return found

    def _cut(self) -> tuple[bytes, bytes] | None:
        end = _END.search(self._rest, 0, MAX_HEAD + 4)
        if end is None:
            if len(self._rest) > MAX_HEAD:
                raise FrameError("head-too-long", f"no empty line in {MAX_HEAD} bytes")
            return None
        head = self._rest[: end.start()]
        length = _length(head)
        if length is None:
            raise FrameError("no-length", "a message in a stream needs its Content-Length")
        if len(self._rest) < end.end() + length:
            return None
        body = self._rest[end.end() : end.end() + length]
        self._rest = self._rest[end.end() + length :]
        return head, body


def encode(message: Message) -> bytes:
    """A message as bytes; Content-Length is added."""
    first = f"{message.method} {message.uri} SIP/2.0"
    if message.status:
        first = f"SIP/2.0 {message.status} {message.reason}"
    lines = [first, *(f"{_title(name)}: {value}" for name, value in message.headers if name != "content-length")]
    lines += [f"Content-Length: {len(message.body)}", "", ""]
    return "\r\n".join(lines).encode() + message.body


def answer(
    request: Message, status: int, reason: str, source: tuple[str, int], more: Iterable[tuple[str, str]] = (),
    tag: str = "",
) -> Message:  # fmt: skip
    """The response to a request that came from ``source``; it finds back behind translated addresses, too."""
    vias = request.all("via")
    if vias:
        vias[0] = _came_from(vias[0], source)
    to = request.header("to")
    if tag and ";tag=" not in to.lower():
        to += f";tag={tag}"
    headers = [("via", via) for via in vias]
    headers += [("from", request.header("from")), ("to", to), ("call-id", request.header("call-id"))]
    headers += [("cseq", request.header("cseq")), *more]
    return Message(request.method, "", tuple(headers), status=status, reason=reason)


def uri_of(text: str) -> Uri:
    """The SIP address in a header like From. Raises HeadError (uri) where there is none."""
    found = _URI.search(text)
    if found is None or int(found[3] or 0) > 65535:
        raise HeadError("uri", f"{text[:80]!r} holds no SIP address")
    return Uri(found[1] or "", found[2], int(found[3] or 0))


def parameter(value: str, name: str) -> str:
    """A parameter of a header, such as the tag of From; empty where it is not there."""
    found = re.search(rf";\s*{re.escape(name)}\s*=\s*\"?([^;,\"\s]*)", value, re.IGNORECASE)
    return found[1] if found else ""


def _read(head: bytes, body: bytes) -> Message:
    text = head.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    first, *lines = _LINE.split(text)
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and headers:
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise HeadError("header", f"{line[:80]!r} is no header")
        name = name.strip().lower()
        headers.append((LONG.get(name, name), value.strip()))
    known = dict(reversed(headers))
    missing = [name for name in NEEDED if not known.get(name)]
    if missing:
        raise HeadError("missing", f"no {', '.join(missing)}")
    number, _space, method = known["cseq"].partition(" ")
    method = method.strip().upper()
    if not (number.isascii() and number.isdigit() and len(number) <= 10 and _METHOD.fullmatch(method)):
        raise HeadError("cseq", f"{known['cseq'][:40]!r} is no number with a method")
    uri_of(known["from"]), uri_of(known["to"])
    parts = first.split(" ", 2)
    if len(parts) >= 2 and parts[0] == "SIP/2.0" and parts[1].isascii() and parts[1].isdigit() and len(parts[1]) == 3:
        return Message(method, "", tuple(headers), body, int(parts[1]) or 999, "".join(parts[2:]))
    if len(parts) != 3 or parts[2].strip() != "SIP/2.0" or not _METHOD.fullmatch(parts[0]):
        raise HeadError("start-line", f"{first[:80]!r} begins no SIP message")
    if parts[0] != method:
        raise HeadError("cseq", f"CSeq names {method}, the request is {parts[0]}")
    return Message(parts[0], parts[1], tuple(headers), body)


def _length(head: bytes) -> int | None:
    found = _LENGTH.search(head)
    if found is None:
        return None
    text = found[1].strip()
    if not text.isdigit() or len(text) > 10:
        raise FrameError("length", f"Content-Length {text[:20]!r} is no number")
    if int(text) > MAX_BODY:
        raise FrameError("body-too-long", f"a body of {int(text)} bytes; {MAX_BODY} are allowed")
    return int(text)


def _came_from(via: str, source: tuple[str, int]) -> str:
    """The topmost Via with where the request really came from (RFC 3581)."""
    host, port = source
    via = re.sub(r";\s*received\s*=[^;,]*", "", via, flags=re.IGNORECASE)
    via = re.sub(r";\s*rport(\s*=[^;,]*)?(?=[;,\s]|$)", f";rport={port}", via, flags=re.IGNORECASE)
    first, comma, rest = via.partition(",")
    return f"{first};received={host}{comma}{rest}"


def _title(name: str) -> str:
    return {"call-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate"}.get(name, name.title())
