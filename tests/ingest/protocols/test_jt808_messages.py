"""JT/T 808 headers of both editions, there and back; the vectors of the standard."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.protocols.jt808.bodies import parse
from ingest.protocols.jt808.errors import EncryptedError, HeaderError
from ingest.protocols.jt808.frames import Stream
from ingest.protocols.jt808.from_platform import build_general_reply
from ingest.protocols.jt808.from_terminal import GeneralReply, Heartbeat
from ingest.protocols.jt808.messages import MessageId, decode, encode, packets, reply
from ingest.protocols.jt808.parts import Assembler
from ingest.protocols.jt808.positions import Position
from tests.ingest.protocols.jt808_samples import by_hand

PHONES = st.text("0123456789", min_size=1, max_size=12)


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> dict[str, Any]:
    path = shared_data.parent / "standards" / "vectors.json"
    if not path.is_file():
        pytest.skip(f"the vectors are not at {path}")
    return json.loads(path.read_text(encoding="utf-8"))["jt808"]


def test_vector_heartbeat(vectors: dict[str, Any]) -> None:
    wire = bytes.fromhex(vectors["heartbeat_2013"])
    message = decode(wire)
    assert parse(message) == Heartbeat()
    assert (message.header.phone, message.header.terminal, message.header.serial) == ("013800138000", "13800138000", 1)
    assert encode(MessageId.HEARTBEAT, phone="13800138000", serial=1) == wire


def test_vector_general_reply(vectors: dict[str, Any]) -> None:
    wire = bytes.fromhex(vectors["general_ack_8001"])
    asked = decode(bytes.fromhex(vectors["location_0200_2013"])).header
    assert parse(decode(wire)) == GeneralReply(1, 0x0200, 0)
    assert reply(asked, MessageId.PLATFORM_REPLY, build_general_reply(1, 0x0200), serial=1) == wire


@pytest.mark.parametrize("name", ["location_0200_2013", "location_0200_2019"])
def test_vector_location(vectors: dict[str, Any], name: str) -> None:
    message = decode(bytes.fromhex(vectors[name]))
    assert message.header.is_2019 == name.endswith("2019")
    assert message.header.terminal == "13800138000", "one terminal in both editions"
    assert len(message.header.phone) == (20 if message.header.is_2019 else 12)
    found = parse(message)
    assert isinstance(found, Position)
    assert found.at is not None and found.at.isoformat() == "2026-11-21T02:15:00+00:00", "10:15 in UTC+8"
    assert (found.lat, found.lon, found.altitude, found.speed, found.heading) == (30.6595, 104.0657, 500, 36.0, 90)
    assert (found.is_running, found.is_fixed, found.alarm, found.extras) == (True, True, 0, {})
    assert found.mileage_km is None and found.fuel_l is None


def test_vector_escape(vectors: dict[str, Any]) -> None:
    message = decode(bytes.fromhex(vectors["escape_7e7d"]))
    assert message.header.message_id == 0x0900
    assert message.body == b"\x7e\x7d"
    with pytest.raises(ValueError, match="message 0900"):
        parse(message)


def test_vector_of_traccar(vectors: dict[str, Any]) -> None:
    sample = vectors["traccar_sample_0200"]
    message = decode(bytes.fromhex(sample["hex"]))
    assert (message.header.phone, message.header.serial) == (sample["phone"], sample["serial"])
    found = parse(message)
    assert isinstance(found, Position)
    assert (found.lat, found.lon) == (sample["lat"], sample["lon"])
    assert sample["time_gmt8"] == "200807180722"
    assert found.at is not None and found.at.isoformat() == "2020-08-07T10:07:22+00:00"


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.integers(0, 0xFFFF), PHONES, st.integers(0, 0xFFFF), st.none() | st.integers(0, 255), st.binary(max_size=3000),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_encode_and_decode(
    message_id: int, phone: str, serial: int, version: int | None, body: bytes, order: Any
) -> None:
    """Whatever the length: through a stream, the parts in any order, back to the same body."""
    wire = encode(message_id, body, phone=phone, serial=serial, protocol_version=version)
    found = Stream().feed(wire)
    assert found == packets(message_id, body, phone=phone, serial=serial, protocol_version=version)
    order.shuffle(found)
    parts = [decode(item) for item in found if isinstance(item, bytes)]
    assembler = Assembler()
    *early, whole = [assembler.add(part, 0.0) for part in parts]
    assert not any(early)
    assert whole is not None and whole.body == body
    header = whole.header
    assert (header.message_id, header.serial, header.protocol_version) == (message_id, serial, version)
    assert header.phone == phone.zfill(12 if version is None else 20)
    assert len(parts) == max(1, -(-len(body) // 1023))
    if len(parts) > 1:
        assert whole.serials == tuple((serial + number) % 65536 for number in range(len(parts)))


def test_serials_of_parts_wrap() -> None:
    parts = [decode(wire).header for wire in packets(0x0704, bytes(2000), phone="1", serial=65535)]
    assert [(part.serial, part.number, part.total) for part in parts] == [(65535, 1, 2), (0, 2, 2)]


@pytest.mark.parametrize("phone", ["", "1" * 13, "12a", "１２", "-1"])
def test_a_phone_that_does_not_fit_is_not_sent(phone: str) -> None:
    if phone:
        with pytest.raises(ValueError, match="phone"):
            encode(2, phone=phone, serial=0)
    else:
        with pytest.raises(ValueError, match="phone"):
            encode(2, phone=phone, serial=0, protocol_version=1)


HEAD = "0002 0000 013912345678 0001"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("0002 0001 013912345678 0001", "length"),
        (HEAD + "00", "length"),
        ("0002 0000 01391234567a 0001", "phone"),
        ("0002 4000 01 013912345678 0001", "too-short"),
        ("0002 2000 013912345678 0001", "too-short"),
        ("0002 2000 013912345678 0001 0002 00", "too-short"),
        ("0002 2000 013912345678 0001 0002 0003", "part"),
        ("0002 2000 013912345678 0001 0002 0000", "part"),
        ("0002 2000 013912345678 0001 0000 0000", "part"),
        ("0002 0400 013912345678 0001", "encrypted"),
        ("0002 1800 013912345678 0001", "encrypted"),
    ],
)
def test_f23_a_wrong_header_is_refused_by_name(content: str, kind: str) -> None:
    with pytest.raises(HeaderError) as caught:
        decode(by_hand(bytes.fromhex(content)))
    assert caught.value.kind == kind
    assert isinstance(caught.value, EncryptedError) == (kind == "encrypted")
    assert (caught.value.header is None) == (kind == "too-short"), "who asked is known, so it can be answered"
    assert decode(by_hand(bytes.fromhex(HEAD))).header.serial == 1
