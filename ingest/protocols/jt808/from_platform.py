"""What platforms send: bodies written, and read by the simulator. Clauses are of JT/T 808-2013.

0x8104 (all parameters), 0x8107 (attributes) and 0x8201 (location) ask with an empty body.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import Struct

from ingest.protocols.jt808.errors import BodyError
from ingest.protocols.jt808.fields import Reader, bcd_time, sized_field, text_field, text_of
from ingest.protocols.jt808.from_terminal import parse_parameters

_GENERAL = Struct(">HHB")
_LONG_TIME = Struct(">HBBBBB")

DONE, FAILED, WRONG, NOT_SUPPORTED, ALARM_HANDLED = range(5)
"""Results of a general reply."""
REGISTERED, VEHICLE_TAKEN, NO_VEHICLE, TERMINAL_TAKEN, NO_TERMINAL = range(5)
"""Results of a registration."""


@dataclass(frozen=True, slots=True)
class Query:
    """0x8104, 0x8107 or 0x8201: what the message id asks for."""


@dataclass(frozen=True, slots=True)
class ResendParts:
    """0x8003, clause 8.4."""

    serial: int
    """Of part 1 of the message."""
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RegistrationReply:
    """0x8100, clause 8.6; the code is empty unless the result is 0."""

    serial: int
    result: int
    code: str


@dataclass(frozen=True, slots=True)
class SetParameters:
    """0x8103, clause 8.9: parameter ids and raw values."""

    values: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class QueryParameters:
    """0x8106, clause 8.11: some parameters only."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ServerTime:
    """0x8004 or 0x8109."""

    at: datetime
    """Aware, UTC."""


def build_general_reply(serial: int, message_id: int, result: int = DONE) -> bytes:
    """The body of 0x8001 (and of 0x0001): an answer to the message of this serial and id."""
    return _GENERAL.pack(serial, message_id, result)


def build_resend_parts(serial: int, numbers: Sequence[int], is_2019: bool) -> bytes:
    """The body of 0x8003: serial of part 1, count (u8, 2019: u16), part numbers.

    Raises OverflowError for more than 255 numbers in the edition of 2013.
    """
    count = len(numbers).to_bytes(2 if is_2019 else 1)
    return serial.to_bytes(2) + count + b"".join(number.to_bytes(2) for number in numbers)


def parse_resend_parts(body: bytes, is_2019: bool) -> ResendParts:
    """Raises BodyError (body-short)."""
    reader = Reader(body)
    serial, count = reader.number(2), reader.number(2 if is_2019 else 1)
    return ResendParts(serial, tuple(reader.number(2) for _ in range(count)))


def build_registration_reply(serial: int, result: int, code: str = "") -> bytes:
    """The body of 0x8100: the code goes out only with result 0."""
    return serial.to_bytes(2) + result.to_bytes() + (text_field(code) if result == REGISTERED else b"")


def parse_registration_reply(body: bytes) -> RegistrationReply:
    """Raises BodyError (body-short)."""
    reader = Reader(body)
    return RegistrationReply(reader.number(2), reader.number(1), text_of(reader.rest()))


def build_set_parameters(values: Sequence[tuple[int, bytes]]) -> bytes:
    """The body of 0x8103. Raises OverflowError for more than 255 values, or bytes in one."""
    return len(values).to_bytes() + b"".join(item.to_bytes(4) + sized_field(value) for item, value in values)


def build_parameters_reply(serial: int, values: Sequence[tuple[int, bytes]]) -> bytes:
    """The body of 0x0104, the terminal's answer, which holds the same list."""
    return serial.to_bytes(2) + build_set_parameters(values)


def parse_set_parameters(body: bytes) -> SetParameters:
    """Raises BodyError (body-short)."""
    reader = Reader(body)
    reader.number(1)  # the count: see parse_parameters
    return SetParameters(parse_parameters(reader))


def build_query_parameters(ids: Iterable[int]) -> bytes:
    """The body of 0x8106. Raises OverflowError for more than 255."""
    wanted = [item.to_bytes(4) for item in ids]
    return len(wanted).to_bytes() + b"".join(wanted)


def parse_query_parameters(body: bytes) -> QueryParameters:
    """Raises BodyError (body-short)."""
    reader = Reader(body)
    return QueryParameters(tuple(reader.number(4) for _ in range(reader.number(1))))


def build_time_2019(now: datetime) -> bytes:
    """The body of 0x8004 (2019): BCD[6] in UTC, unlike the times of positions."""
    return bcd_time(now)


def build_time(now: datetime) -> bytes:
    """The body of 0x8109: year u16, month, day, hour, minute, second u8, in UTC."""
    there = now.astimezone(UTC)
    return _LONG_TIME.pack(there.year, there.month, there.day, there.hour, there.minute, there.second)


def parse_time(body: bytes) -> ServerTime:
    """Either form of the time. Raises BodyError: body-short, time."""
    try:
        if len(body) >= _LONG_TIME.size:
            year, month, day, hour, minute, second = _LONG_TIME.unpack_from(body)
        else:
            digits = Reader(body).take(6).hex()
            year, month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
            year += 2000
        return ServerTime(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
    except BodyError:
        raise
    except ValueError as error:
        raise BodyError("time", str(error)) from error
