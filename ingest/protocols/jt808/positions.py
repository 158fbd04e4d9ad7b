"""Positions: location reports (0x0200; JT/T 808-2013, 8.18) read, written, judged and told apart.

Body, big-endian: alarm u32, status u32, latitude and longitude u32 in 1e-6 degrees, altitude u16 m, speed u16 in
0.1 km/h, heading u16 degrees, time BCD[6] YYMMDDhhmmss in UTC+8; then items of id u8, length u8, value.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from struct import Struct
from typing import Any

from ingest.protocols.jt808.errors import BodyError

DEVICE_CLOCK = timedelta(hours=8)
"""Terminals send the time of UTC+8, wherever they are."""

ACC, FIXED, SOUTH, WEST = 0x1, 0x2, 0x4, 0x8
"""Status bits 0-3: ignition on, position fixed, latitude south, longitude west."""

AHEAD, BEHIND = timedelta(minutes=5), timedelta(days=30)
"""A fix further ahead or behind than this tells of a wrong clock (fault F14)."""
MAX_SPEED = 180.0
"""km/h; 50 m/s, which no vehicle of a construction site reaches (fault F39)."""

_BASIC = Struct(">IIIIHHH6s")
_DEGREE = 1_000_000


@dataclass(frozen=True, slots=True)
class Position:
    """One location report, as sent: nothing corrected, nothing dropped. See :func:`problems` before using it."""

    at: datetime | None
    """Aware, UTC; None if the device's digits are no date, which then stand in ``extras["clock"]``."""
    lon: float
    lat: float
    """Degrees, WGS 84 by convention (some installers send GCJ-02: a matter of the device's profile)."""
    altitude: int
    """Metres."""
    speed: float
    """km/h."""
    heading: int
    """Degrees clockwise from north."""
    status: int
    alarm: int
    mileage_km: float | None = None
    """Item 01."""
    fuel_l: float | None = None
    """Item 02, litres."""
    extras: dict[str, Any] = field(default_factory=dict, hash=False)
    """``recorder_kmh`` (item 03), ``signal`` (30), ``satellites`` (31), ``items``: the others as (id, value) pairs of
    hex text in their order, ``tail``: hex of a last item that is cut off, ``clock``. All fit for JSON."""

    @property
    def is_fixed(self) -> bool:
        """Status bit 1: whether the coordinates come from satellites now."""
        return bool(self.status & FIXED)

    @property
    def is_running(self) -> bool:
        """Status bit 0: ignition on."""
        return bool(self.status & ACC)


def parse_position(body: bytes) -> Position:
    """The position of a location body. Raises BodyError (body-short) under 28 bytes.

    Broken items do not cost the position: they are kept as sent in its extras.
    """
    if len(body) < _BASIC.size:
        raise BodyError("body-short", f"{len(body)} bytes, a position has {_BASIC.size}")
    alarm, status, lat, lon, altitude, speed, heading, clock = _BASIC.unpack_from(body)
    digits = clock.hex()
    mileage, fuel, extras = _items(body)
    at = None
    try:
        at = datetime.fromisoformat(f"20{digits[:6]}T{digits[6:]}Z") - DEVICE_CLOCK
    except ValueError:
        extras["clock"] = digits
    return Position(
        at,
        -lon / _DEGREE if status & WEST else lon / _DEGREE,
        -lat / _DEGREE if status & SOUTH else lat / _DEGREE,
        altitude,
        speed / 10,
        heading,
        status,
        alarm,
        mileage,
        fuel,
        extras,
    )


def _items(body: bytes) -> tuple[float | None, float | None, dict[str, Any]]:
    """Mileage, fuel and the extras; an item of an unexpected length, or there twice, stays as sent."""
    mileage = fuel = None
    extras: dict[str, Any] = {}
    others: list[tuple[str, str]] = []
    at, end = _BASIC.size, len(body)
    while at + 2 <= end:
        item, size = body[at], body[at + 1]
        after = at + 2 + size
        if after > end:
            break
        value = body[at + 2 : after]
        at = after
        if item > 0x31:  # the items of makers, the most by far
            others.append((_HEX[item], value.hex()))
        elif item == 0x01 and size == 4 and mileage is None:
            mileage = int.from_bytes(value) / 10
        elif item == 0x02 and size == 2 and fuel is None:
            fuel = int.from_bytes(value) / 10
        elif (known := _KNOWN.get((item, size))) and known not in extras:
            extras[known] = value[0] if size == 1 else int.from_bytes(value) / 10
        else:
            others.append((_HEX[item], value.hex()))
    if others:
        extras["items"] = others
    if at < end:
        extras["tail"] = body[at:].hex()
    return mileage, fuel, extras


_HEX = tuple(f"{item:02x}" for item in range(256))
_KNOWN = {(0x03, 2): "recorder_kmh", (0x30, 1): "signal", (0x31, 1): "satellites"}


def build_position(position: Position) -> bytes:
    """The body of a location report; its hemisphere bits follow the coordinates. The opposite of parse_position.

    Raises ValueError for a year outside 2000-2099, struct.error for a number that does not fit its field.
    """
    status = position.status & ~(SOUTH | WEST)
    status |= (SOUTH if position.lat < 0 else 0) | (WEST if position.lon < 0 else 0)
    lat, lon = round(abs(position.lat) * _DEGREE), round(abs(position.lon) * _DEGREE)
    body = _BASIC.pack(
        position.alarm, status, lat, lon, position.altitude, round(position.speed * 10), position.heading,
        bytes.fromhex(_digits(position)),
    )  # fmt: skip
    extras = position.extras
    if position.mileage_km is not None:
        body += b"\x01\x04" + round(position.mileage_km * 10).to_bytes(4)
    if position.fuel_l is not None:
        body += b"\x02\x02" + round(position.fuel_l * 10).to_bytes(2)
    for (item, size), name in _KNOWN.items():
        if name in extras:
            body += bytes((item, size)) + round(extras[name] * (10 if size == 2 else 1)).to_bytes(size)
    for item, value in extras.get("items", ()):
        body += bytes.fromhex(item) + (len(value) // 2).to_bytes() + bytes.fromhex(value)
    return body + bytes.fromhex(extras.get("tail", ""))


def _digits(position: Position) -> str:
    if position.at is None:
        return str(position.extras.get("clock", "0" * 12))
    there = position.at.astimezone(UTC) + DEVICE_CLOCK
    if not 2000 <= there.year <= 2099:
        raise ValueError(f"the year {there.year} has no two digits here")
    return there.strftime("%y%m%d%H%M%S")


def problems(position: Position, now: datetime, *, max_speed: float = MAX_SPEED) -> tuple[str, ...]:
    """Why a position must not move a vehicle on the map; empty if it may. ``now`` is aware.

    not-fixed, zero-island (0, 0), out-of-range (of degrees), no-time, future (> 5 min ahead), outdated (> 30 days old),
    speed (> ``max_speed`` km/h), heading (> 360).
    """
    at = position.at
    checks = (
        ("not-fixed", not position.is_fixed),
        # Receivers without a fix send 0, or noise of a few metres around it.
        ("zero-island", abs(position.lat) < 0.001 and abs(position.lon) < 0.001),
        ("out-of-range", abs(position.lat) > 90 or abs(position.lon) > 180),
        ("no-time", at is None),
        ("future", at is not None and at - now > AHEAD),
        ("outdated", at is not None and now - at > BEHIND),
        ("speed", position.speed > max_speed),
        ("heading", position.heading > 360),
    )
    return tuple(code for code, applies in checks if applies)


def key(position: Position) -> bytes:
    """16 bytes, the same for the same report of one terminal: fix time, place, motion, status and alarm (fault F15).

    Not in it: the serial, which wraps and changes on a repeat; the message id and the items, so that a fix reported
    live and again in a batch is one. The caller adds the terminal.
    """
    at = position.at.astimezone(UTC).isoformat() if position.at else position.extras.get("clock")
    told = (
        at, round(position.lon * _DEGREE), round(position.lat * _DEGREE), position.altitude,
        round(position.speed * 10), position.heading, position.status, position.alarm,
    )  # fmt: skip
    return blake2b(repr(told).encode(), digest_size=16).digest()
