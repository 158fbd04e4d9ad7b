"""JT/T 808 messages: the header of both editions, and bodies cut into sub-packets (JT/T 808-2013, 4.4.3 and 7.12).

Header, big-endian: message id u16, attributes u16 (bits 0-9 body length, 10-12 encryption, 13 split, 14 edition of
2019), [2019: protocol version u8,] phone BCD[6] or 2019 BCD[10], serial u16, [split: parts u16, part number u16].
"""

import struct
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from ingest.protocols.jt808.errors import EncryptedError, HeaderError
from ingest.protocols.jt808.frames import MAX_BODY, content_of, frame

LENGTH_BITS, ENCRYPTION_BITS, SPLIT_BIT, EDITION_2019_BIT = 0x03FF, 0x1C00, 0x2000, 0x4000
SERIALS = 65536
"""Serial numbers wrap here."""

_EDITION_2019_FLAG = EDITION_2019_BIT >> 8
"""The same bit in the upper byte of the attributes."""
_HEADER_2013 = Struct(">HH6sH")
_HEADER_2019 = Struct(">HHB10sH")
_PARTS = Struct(">HH")


class MessageId(IntEnum):
    """The messages that this package reads or writes."""

    TERMINAL_REPLY = 0x0001
    HEARTBEAT = 0x0002
    LOGOUT = 0x0003
    TIME_REQUEST_2019 = 0x0004
    REGISTER = 0x0100
    AUTHENTICATE = 0x0102
    PARAMETERS_REPLY = 0x0104
    ATTRIBUTES_REPLY = 0x0107
    TIME_REQUEST = 0x0109
    LOCATION = 0x0200
    LOCATION_REPLY = 0x0201
    LOCATION_BATCH = 0x0704
    PLATFORM_REPLY = 0x8001
    RESEND_PARTS = 0x8003
    TIME_REPLY_2019 = 0x8004
    REGISTER_REPLY = 0x8100
    SET_PARAMETERS = 0x8103
    QUERY_PARAMETERS = 0x8104
    QUERY_SOME_PARAMETERS = 0x8106
    QUERY_ATTRIBUTES = 0x8107
    TIME_REPLY = 0x8109
    QUERY_LOCATION = 0x8201


class Header(NamedTuple):
    """The header of one packet; ``protocol_version`` is None in the 2013 edition, ``total`` is 0 if not split."""

    message_id: int
    attributes: int
    phone: str
    """Digits as sent, 12 (2013) or 20 (2019), leading zeros kept: what a reply must carry."""
    serial: int
    protocol_version: int | None = None
    total: int = 0
    number: int = 0

    @property
    def length(self) -> int:
        """Declared bytes of the body of this packet."""
        return self.attributes & LENGTH_BITS

    @property
    def encryption(self) -> int:
        """0 plain, 1 RSA, the rest reserved."""
        return (self.attributes & ENCRYPTION_BITS) >> 10

    @property
    def is_split(self) -> bool:
        """Whether this is one sub-packet of a longer message."""
        return bool(self.attributes & SPLIT_BIT)

    @property
    def is_2019(self) -> bool:
        """Whether bodies follow the edition of 2019."""
        return self.protocol_version is not None

    @property
    def terminal(self) -> str:
        """The phone number to look a terminal up by: no leading zeros, so the same in both editions."""
        return self.phone.lstrip("0") or "0"


class Message(NamedTuple):
    """A header and its plain body; of an assembled message the header of part 1, and the body of all parts."""

    header: Header
    body: bytes
    serials: tuple[int, ...] = ()
    """Of an assembled message: the serial of each part, each to be acknowledged."""


def decode(wire: bytes) -> Message:
    """The message of one frame, ``7e`` to ``7e``, as :class:`~.frames.Stream` gives them.

    Raises FrameError and HeaderError, EncryptedError among them; nothing else, whatever the bytes.
    """
    content = content_of(wire)
    try:
        if content[2] & _EDITION_2019_FLAG:
            message_id, attributes, version, digits, serial = _HEADER_2019.unpack_from(content)
            start = 17
        else:
            message_id, attributes, digits, serial = _HEADER_2013.unpack_from(content)
            version, start = None, 12
        total = number = 0
        if attributes & SPLIT_BIT:
            total, number = _PARTS.unpack_from(content, start)
            start += 4
    except struct.error as error:
        raise HeaderError("too-short", f"{len(content)} bytes are less than their header") from error
    phone, body = digits.hex(), content[start:]
    header = Header(message_id, attributes, phone, serial, version, total, number)
    if len(body) != attributes & LENGTH_BITS:
        raise HeaderError("length", f"body of {len(body)} bytes, declared {header.length}", header)
    if not phone.isdecimal():
        raise HeaderError("phone", f"phone {phone} is not BCD", header)
    if attributes & SPLIT_BIT and not 1 <= number <= total:
        raise HeaderError("part", f"part {number} of {total}", header)
    if attributes & ENCRYPTION_BITS:
        raise EncryptedError("encrypted", f"encryption {header.encryption}", header)
    return Message(header, body)


def packets(
    message_id: int, body: bytes = b"", *, phone: str, serial: int, protocol_version: int | None = None
) -> list[bytes]:
    """A message as frames, more than one where the body is longer than 1023 bytes, with consecutive serials.

    ``phone`` is filled with zeros to 12 digits, or to 20 if a protocol version (edition of 2019) is given. Raises
    ValueError for a phone that does not fit and for a body of more than 65535 parts.
    """
    width = 12 if protocol_version is None else 20
    if not (phone.isascii() and phone.isdecimal() and len(phone) <= width):
        raise ValueError(f"phone {phone!r} is not a number of at most {width} digits")
    digits = bytes.fromhex(phone.zfill(width))
    pieces = [body[at : at + MAX_BODY] for at in range(0, len(body), MAX_BODY)] or [b""]
    if len(pieces) > 0xFFFF:
        raise ValueError(f"{len(body)} bytes are more than a message can carry")
    found = []
    for number, piece in enumerate(pieces, 1):
        attributes = len(piece) | (SPLIT_BIT if len(pieces) > 1 else 0)
        its_serial = (serial + number - 1) % SERIALS
        if protocol_version is None:
            head = _HEADER_2013.pack(message_id, attributes, digits, its_serial)
        else:
            head = _HEADER_2019.pack(message_id, attributes | EDITION_2019_BIT, protocol_version, digits, its_serial)
        if len(pieces) > 1:
            head += _PARTS.pack(len(pieces), number)
        found.append(frame(head + piece))
    return found


def encode(
    message_id: int, body: bytes = b"", *, phone: str, serial: int, protocol_version: int | None = None
) -> bytes:
    """The bytes to send for a message: its :func:`packets` one after the other."""
    return b"".join(packets(message_id, body, phone=phone, serial=serial, protocol_version=protocol_version))


def reply(to: Header, message_id: int, body: bytes, *, serial: int) -> bytes:
    """The bytes of a message to the sender of a header, in its edition and with its phone digits as sent."""
    return encode(message_id, body, phone=to.phone, serial=serial, protocol_version=to.protocol_version)
