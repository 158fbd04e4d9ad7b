"""Frames of the tests of JT/T 808: some of every kind, made here, and the real ones where they are."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

from ingest.protocols.jt808.from_platform import (
    build_general_reply,
    build_parameters_reply,
    build_registration_reply,
    build_time,
)
from ingest.protocols.jt808.from_terminal import (
    Authentication,
    Batch,
    LocationReply,
    Registration,
    build_authentication,
    build_batch,
    build_location_reply,
    build_registration,
)
from ingest.protocols.jt808.messages import MessageId, packets
from ingest.protocols.jt808.positions import Position, build_position

NOON = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
"""Noon in Chengdu."""
HERE = Position(
    at=NOON,
    lon=104.0657,
    lat=30.6595,
    altitude=500,
    speed=36.0,
    heading=90,
    status=3,
    alarm=0,
    mileage_km=12345.6,
    fuel_l=0.0,
    extras={"recorder_kmh": 35.5, "signal": 23, "satellites": 0, "items": [("2a", "0004"), ("e4", "")]},
)
BATCH = Batch(True, tuple(replace(HERE, speed=float(speed)) for speed in range(40)))
TRUCK = Registration(51, 1702, "ZT001", "MUCK-TRUCK", "7654321", 2, "川S12345")


def by_hand(content: bytes) -> bytes:
    """A frame made the plain way, to check the package against."""
    checked = content + bytes([reduce(xor, content)])
    return b"\x7e" + b"".join({0x7E: b"\x7d\x02", 0x7D: b"\x7d\x01"}.get(b, bytes([b])) for b in checked) + b"\x7e"


def made() -> list[bytes]:
    """Frames of every kind in both editions."""
    found: list[bytes] = []
    for version in (None, 1):
        new = version is not None
        for serial, (message_id, body) in enumerate((
            (MessageId.TERMINAL_REPLY, build_general_reply(7, 0x8201)),
            (MessageId.HEARTBEAT, b""),
            (MessageId.REGISTER, build_registration(TRUCK, new)),
            (MessageId.AUTHENTICATE, build_authentication(Authentication("a1b2c3", "8" * 15, "v1"), new)),
            (MessageId.PARAMETERS_REPLY, build_parameters_reply(9, ((0x29, bytes(4)), (0x83, "川S".encode("gbk"))))),
            (MessageId.LOCATION, build_position(HERE)),
            (MessageId.LOCATION_REPLY, build_location_reply(LocationReply(9, HERE))),
            (MessageId.LOCATION_BATCH, build_batch(BATCH)),
            (MessageId.REGISTER_REPLY, build_registration_reply(7, 0, "a1b2c3")),
            (MessageId.TIME_REPLY, build_time(NOON)),
        )):  # fmt: skip
            found += packets(message_id, body, phone="13912345678", serial=serial * 16, protocol_version=version)
    return found


def real(shared_data: Path) -> list[dict[str, Any]]:
    """The lines of the real frames, each with what is expected of it."""
    with gzip.open(shared_data / "protocol" / "jt808" / "packets.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
