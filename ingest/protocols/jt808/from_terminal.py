"""What terminals send: bodies read, and written for the simulator. Clauses are of JT/T 808-2013.

Three editions are told apart by the header and the length. Longer bodies than expected are accepted where no text ends
them: later editions add fields at the end.
"""

from contextlib import suppress
from dataclasses import dataclass

from ingest.protocols.jt808.errors import BodyError
from ingest.protocols.jt808.fields import Reader, sized_field, text_field, text_of
from ingest.protocols.jt808.positions import Position, build_position, parse_position

_SIZES_2011, _SIZES_2013, _SIZES_2019 = (5, 8, 7), (5, 20, 7), (11, 30, 30)
"""Bytes of maker, model and terminal id in a registration."""
_AROUND = 5
"""Bytes of province, city and plate colour beside them."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """0x0002, clause 8.3: the terminal is there."""


@dataclass(frozen=True, slots=True)
class Logout:
    """0x0003, clause 8.7: the terminal was taken out of its vehicle."""


@dataclass(frozen=True, slots=True)
class TimeRequest:
    """0x0004 (2019) or 0x0109 (terminals of one maker): what time is it?"""


@dataclass(frozen=True, slots=True)
class GeneralReply:
    """0x0001 and 0x8001, clauses 8.1 and 8.2: the answer to a message that has no answer of its own."""

    serial: int
    message_id: int
    result: int
    """0 done, 1 failed, 2 message wrong, 3 not supported, 4 alarm handled (platform only)."""


@dataclass(frozen=True, slots=True)
class Registration:
    """0x0100, clause 8.5."""

    province: int
    """First two digits of the GB/T 2260 code; 0 lets the platform choose."""
    city: int
    """The other four digits."""
    maker: str
    model: str
    terminal_id: str
    plate_colour: int
    """JT/T 415: 1 blue, 2 yellow, 3 black, 4 white, 9 other; 0 no plate yet."""
    plate: str
    """The number plate, or the VIN if the colour is 0."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """0x0102, clause 8.8: the code that the registration was answered with. IMEI and software only in 2019."""

    code: str
    imei: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True)
class ParametersReply:
    """0x0104, clause 8.12."""

    serial: int
    """Of the query."""
    values: tuple[tuple[int, bytes], ...]
    """Parameter id and raw value, in the order sent."""


@dataclass(frozen=True, slots=True)
class AttributesReply:
    """0x0107, clause 8.15."""

    terminal_type: int
    maker: str
    model: str
    terminal_id: str
    iccid: str
    hardware: str
    firmware: str
    gnss: int
    network: int


@dataclass(frozen=True, slots=True)
class LocationReply:
    """0x0201, clause 8.20: a location on request."""

    serial: int
    """Of the query."""
    position: Position


@dataclass(frozen=True, slots=True)
class Batch:
    """0x0704, clause 8.49: several locations at once."""

    is_back_fill: bool
    """Type 1: kept while out of reach, so history and not the present."""
    positions: tuple[Position, ...]


def parse_general_reply(body: bytes) -> GeneralReply:
    """Raises BodyError under 5 bytes."""
    reader = Reader(body)
    return GeneralReply(reader.number(2), reader.number(2), reader.number(1))


def parse_registration(body: bytes, is_2019: bool) -> Registration:
    """A registration of any edition. Raises BodyError (body-short).

    2011 and 2013 have the same header: a body too short for the model field of 2013 is of 2011. A VIN (17 bytes) in a
    registration of 2011 cannot be told from 2013; such terminals have a plate by now.
    """
    if is_2019:
        sizes = _SIZES_2019
    else:
        sizes = _SIZES_2013 if len(body) >= _AROUND + sum(_SIZES_2013) else _SIZES_2011
    reader = Reader(body)
    province, city = reader.number(2), reader.number(2)
    maker, model, terminal_id = (reader.text(size) for size in sizes)
    return Registration(province, city, maker, model, terminal_id, reader.number(1), text_of(reader.rest()))


def build_registration(told: Registration, is_2019: bool) -> bytes:
    """The body of 0x0100. Raises ValueError where a text does not fit."""
    maker, model, terminal_id = _SIZES_2019 if is_2019 else _SIZES_2013
    return b"".join((
        told.province.to_bytes(2),
        told.city.to_bytes(2),
        text_field(told.maker, maker),
        text_field(told.model, model),
        text_field(told.terminal_id, terminal_id),
        told.plate_colour.to_bytes(),
        text_field(told.plate),
    ))  # fmt: skip


def parse_authentication(body: bytes, is_2019: bool) -> Authentication:
    """2013: the body is the code. 2019: length u8, code, IMEI[15], software[20]. Raises BodyError (body-short)."""
    if not is_2019:
        return Authentication(text_of(body))
    reader = Reader(body)
    return Authentication(text_of(reader.sized()), reader.text(15), reader.text(20))


def build_authentication(told: Authentication, is_2019: bool) -> bytes:
    """The body of 0x0102. Raises ValueError where a text does not fit."""
    code = text_field(told.code)
    if not is_2019:
        return code
    return sized_field(code) + text_field(told.imei, 15) + text_field(told.software, 20)


def parse_parameters(reader: Reader) -> tuple[tuple[int, bytes], ...]:
    """Parameters up to the end of a body: id u32, length u8, value. Raises BodyError (body-short).

    The count before them is not trusted: real terminals send 7 and say 9, or send 84 and fill with zeros up to what
    they say. There is no parameter 0: after such filling nothing is in its place.
    """
    found = []
    while reader.left and (item := reader.number(4)):
        found.append((item, reader.sized()))
    return tuple(found)


def parse_parameters_reply(body: bytes) -> ParametersReply:
    """Raises BodyError (body-short)."""
    reader = Reader(body)
    serial, _count = reader.number(2), reader.number(1)
    return ParametersReply(serial, parse_parameters(reader))


def parse_attributes_reply(body: bytes, is_2019: bool) -> AttributesReply:
    """Raises BodyError (body-short).

    2019 kept the maker at 5 bytes here, but terminals are out that send the 11 of a registration: what fits exactly is
    taken, and 5 bytes otherwise.
    """
    if is_2019:
        with suppress(BodyError):
            reply, left = _attributes(body, _SIZES_2019)
            if left == 0:
                return reply
        return _attributes(body, (5, 30, 30))[0]
    return _attributes(body, _SIZES_2013)[0]


def _attributes(body: bytes, sizes: tuple[int, int, int]) -> tuple[AttributesReply, int]:
    reader = Reader(body)
    terminal_type = reader.number(2)
    maker, model, terminal_id = (reader.text(size) for size in sizes)
    iccid = reader.take(10).hex()
    hardware, firmware = text_of(reader.sized()), text_of(reader.sized())
    gnss, network = reader.number(1), reader.number(1)
    return AttributesReply(
        terminal_type, maker, model, terminal_id, iccid, hardware, firmware, gnss, network
    ), reader.left


def parse_location_reply(body: bytes) -> LocationReply:
    """Raises BodyError (body-short)."""
    reader = Reader(body)
    return LocationReply(reader.number(2), parse_position(reader.rest()))


def build_location_reply(told: LocationReply) -> bytes:
    """The body of 0x0201."""
    return told.serial.to_bytes(2) + build_position(told.position)


def parse_batch(body: bytes) -> Batch:
    """Count u16, type u8, then each location with its length u16. Raises BodyError: body-short, count.

    All or nothing: a batch whose frame fits and whose locations do not was made wrong, and would be again.
    """
    reader = Reader(body)
    count, kind = reader.number(2), reader.number(1)
    positions = []
    while reader.left:
        positions.append(parse_position(reader.sized(2)))
    if count != len(positions):
        raise BodyError("count", f"{len(positions)} locations, declared {count}")
    return Batch(kind == 1, tuple(positions))


def build_batch(told: Batch) -> bytes:
    """The body of 0x0704; longer than one packet it is split by :func:`~.messages.packets`."""
    bodies = [build_position(position) for position in told.positions]
    head = len(bodies).to_bytes(2) + told.is_back_fill.to_bytes()
    return head + b"".join(len(body).to_bytes(2) + body for body in bodies)
