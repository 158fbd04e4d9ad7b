"""Frames out of a byte stream, HJ 212-2017/2025 clause 6.3: ``##`` LLLL segment CCCC CR LF."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Literal, NamedTuple, cast

from ingest.protocols.hj212.errors import BadFrame, Refused, shown
from ingest.protocols.hj212.sm4 import MARK

CrcMode = Literal["standard", "modbus"]

SEGMENT = 1024
"""Most bytes of a segment in plain text."""
LONGEST = 8 * 1024
"""Most bytes of a frame: the hex text of an encrypted payload is five times its plain text."""
PIECE = 32 * 1024
"""Bytes taken in at once, which keeps the buffer below 64 KiB whatever is fed."""


def _step(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_TABLE = tuple(_step(byte) for byte in range(256))
_MN = re.compile(rb"(?:^|;)[ ,]*MN[ ,]*=([^;]*)", re.IGNORECASE)
_HIGH = bytes(entry >> 8 for entry in _TABLE)
_GROUP = (1 << 64) - 1


def crc16(data: bytes, mode: CrcMode = "standard") -> int:
    """The check of a segment: ``standard`` as in annex A of HJ 212, ``modbus`` as some devices compute it instead.

    The standard shifts the register down by a byte *before* the exclusive or, which drops the low byte. So it is a
    check of 8 bits and not of 16, and as a linear map it returns to itself after eight bytes: the exclusive or of all
    groups of eight bytes, counted from the end, has the same check as the whole. Adding the groups up first makes the
    cost of a frame nearly that of eight bytes.
    """
    if mode == "modbus":
        crc = 0xFFFF
        for byte in data:
            crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
        return crc
    if not data:
        return 0xFFFF
    groups = int.from_bytes(data)
    bits = 64 << ((len(data) - 1) // 8).bit_length()
    while bits > 64:
        bits >>= 1
        groups ^= groups >> bits
    # The register starts at FFFF, of which only the high byte meets the first byte.
    group = groups & _GROUP ^ 0xFF << (len(data) - 1) % 8 * 8
    a, b, c, d, e, f, g, h = group.to_bytes(8)
    return _TABLE[_HIGH[_HIGH[_HIGH[_HIGH[_HIGH[_HIGH[_HIGH[a] ^ b] ^ c] ^ d] ^ e] ^ f] ^ g] ^ h]


def frame(segment: bytes, mode: CrcMode = "standard") -> bytes:
    """The frame of a segment; BadFrame ``length`` above 1024 bytes."""
    return enveloped(segment, segment, mode)


def enveloped(segment: bytes, wire: bytes, mode: CrcMode) -> bytes:
    """A frame with the length and check of ``segment`` around ``wire``, its encrypted form (HJ 212-2025)."""
    if len(segment) > SEGMENT:
        raise BadFrame("length", f"a segment of {len(segment)} bytes; {SEGMENT} are allowed")
    return b"##%04d%b%04X\r\n" % (len(segment), wire, crc16(segment, mode))


class Frame(NamedTuple):
    """A frame as it came, cut at its CRLF; neither the check nor the payload has been looked at."""

    declared: int
    """LLLL."""
    segment: bytes
    """As on the wire, so perhaps encrypted."""
    crc: bytes
    """CCCC: four characters, in either case."""

    @property
    def mn(self) -> str:
        """MN, read before the check is known, so only good to find the profile to decode with; empty without one."""
        head = self.segment.partition(b"CP=&&")[0]
        _, usual, mn = head.partition(b";MN=")
        if not usual:
            found = _MN.search(head)
            mn = found[1] if found else b""
        return mn.partition(b";")[0].decode("ascii", "replace").strip()

    @property
    def raw(self) -> bytes:
        """The frame as it was on the wire."""
        return b"##%04d%b%b\r\n" % (self.declared, self.segment, self.crc)


class Stream[T]:
    """Cuts what comes in on one connection into frames, and finds the next good frame after any damage.

    ``read`` makes something of a frame, as a rule the packet, with the check and key of the device it comes from. Where
    it raises BadFrame the search goes on just behind the ``##`` of that frame, so that a good frame inside a damaged
    one is found; where it raises another Refused the frame is done with. Without it, frames are given as they are and
    only their length is checked. What is refused is handed out in its place among the frames and counted in
    ``refused`` by its kind; nothing is dropped without a word but white space and NUL between frames.
    """

    def __init__(self, read: Callable[[Frame], T] | None = None) -> None:
        self.refused: Counter[str] = Counter()
        self._read = read or cast("Callable[[Frame], T]", _unread)
        self._held = b""
        self._lost = False
        """Searching after damage that was told of already."""

    @property
    def pending(self) -> int:
        """Bytes held that are not yet a frame: fewer than LONGEST."""
        return len(self._held)

    def feed(self, data: bytes) -> list[T | Refused]:
        """What these bytes complete, in their order. Raises nothing but what ``read`` raises beyond Refused."""
        found: list[T | Refused] = []
        for at in range(0, len(data), PIECE):
            self._held += data[at : at + PIECE]
            self._held = self._held[self._scan(self._held, found) :]
        return found

    def _scan(self, held: bytes, found: list[T | Refused]) -> int:
        """How many bytes are done with."""
        at = end = 0
        while at < len(held):
            start = held.find(b"##", at)
            if start < 0:
                start = len(held) - held.endswith(b"#", at)
                self._skip(held[at:start], found)
                return start
            while held.startswith(b"#", start + 2):
                start += 1
            if start > at:
                self._skip(held[at:start], found)
            if end < start + 6:
                end = held.find(b"\r\n", start + 6)
                end = len(held) + LONGEST if end < 0 else end  # not there yet
            try:
                length = held[start + 2 : start + 6]
                if (end + 2 - start > LONGEST or not length.isdigit()) and _incomplete(held, start, length):
                    return start
                declared, segment = int(length), held[start + 6 : end - 4]
                if declared != len(segment) or declared > SEGMENT:
                    _check_length(declared, segment)
                at = end + 2
                found.append(self._read(Frame(declared, segment, held[end - 4 : end])))
                self._lost = False
            except BadFrame as refused:
                at = start + 2
                self._lost = True
                self._refuse(refused, found)
            except Refused as refused:
                self._lost = False
                self._refuse(refused, found)
        return at

    def _skip(self, noise: bytes, found: list[T | Refused]) -> None:
        if noise and not self._lost and noise.strip(b"\r\n\t \0"):
            self._lost = True
            self._refuse(BadFrame("noise", f"outside any frame: {shown(noise)}"), found)

    def _refuse(self, refused: Refused, found: list[T | Refused]) -> None:
        self.refused[refused.kind] += 1
        found.append(refused.with_traceback(None))  # which would hold on to the buffer, and to ``found`` itself


def _incomplete(held: bytes, start: int, length: bytes) -> bool:
    """Whether more bytes may make a frame of what starts there with LLLL and has no CRLF in reach."""
    if len(length) < 4:
        return True
    if not length.isdigit():
        raise BadFrame("header", f"LLLL is {shown(length)}, not four digits")
    if len(held) - start < LONGEST:
        return True
    raise BadFrame("long", f"no CRLF within {LONGEST} bytes after {shown(held[start : start + 40])}")


def _check_length(declared: int, segment: bytes) -> None:
    """Refuse a length that is wrong; an encrypted payload may be longer than LLLL, which ``decode`` can tell."""
    if MARK in segment:
        return
    if declared > SEGMENT:
        raise BadFrame("length", f"LLLL is {declared}; a segment has at most {SEGMENT} bytes")
    raise BadFrame("length", f"LLLL is {declared}, but {len(segment)} bytes stand before the CRC and CRLF")


def _unread(frame: Frame) -> Frame:
    return frame
