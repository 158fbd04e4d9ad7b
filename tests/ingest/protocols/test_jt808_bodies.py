"""Bodies of JT/T 808 other than positions: layouts of three editions, there and back."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from ingest.protocols.jt808 import from_platform, from_terminal
from ingest.protocols.jt808.bodies import Body, parse
from ingest.protocols.jt808.errors import BodyError
from ingest.protocols.jt808.fields import sized_field
from ingest.protocols.jt808.messages import MessageId, decode, packets
from ingest.protocols.jt808.positions import build_position
from tests.ingest.protocols.jt808_samples import HERE, NOON, TRUCK

SHORT = from_terminal.Batch(False, (HERE, replace(HERE, lat=-HERE.lat, status=7)))
CODE = from_terminal.Authentication("川a1b2c3", "861234567890123", "ZT 1.2")
VALUES = ((0x0029, bytes.fromhex("0000001e")), (0x0083, "川S12345".encode("gbk")), (0xF001, b""))


def read(message_id: int, body: bytes, is_2019: bool = False) -> Body:
    (wire,) = packets(message_id, body, phone="1", serial=0, protocol_version=1 if is_2019 else None)
    return parse(decode(wire))


@pytest.mark.parametrize("is_2019", [False, True])
@pytest.mark.parametrize(
    ("message_id", "build", "expected"),
    [
        (0x0002, lambda new: b"", from_terminal.Heartbeat()),
        (0x0003, lambda new: b"", from_terminal.Logout()),
        (0x0004, lambda new: b"", from_terminal.TimeRequest()),
        (0x0109, lambda new: b"", from_terminal.TimeRequest()),
        (0x8104, lambda new: b"", from_platform.Query()),
        (0x8107, lambda new: b"", from_platform.Query()),
        (0x8201, lambda new: b"", from_platform.Query()),
        (
            0x0001,
            lambda new: from_platform.build_general_reply(65535, 0x8201, 3),
            from_terminal.GeneralReply(65535, 0x8201, 3),
        ),
        (0x8001, lambda new: from_platform.build_general_reply(1, 0x0200), from_terminal.GeneralReply(1, 0x0200, 0)),
        (0x0100, lambda new: from_terminal.build_registration(TRUCK, new), TRUCK),
        (
            0x0201,
            lambda new: from_terminal.build_location_reply(from_terminal.LocationReply(7, HERE)),
            from_terminal.LocationReply(7, HERE),
        ),
        (0x0704, lambda new: from_terminal.build_batch(SHORT), SHORT),
        (
            0x0104,
            lambda new: from_platform.build_parameters_reply(7, VALUES),
            from_terminal.ParametersReply(7, VALUES),
        ),
        (0x8103, lambda new: from_platform.build_set_parameters(VALUES), from_platform.SetParameters(VALUES)),
        (0x8106, lambda new: from_platform.build_query_parameters([0x29, 0xF001]),
         from_platform.QueryParameters((0x29, 0xF001))),
        (0x8003, lambda new: from_platform.build_resend_parts(65535, (1, 255), new),
         from_platform.ResendParts(65535, (1, 255))),
        (0x8100, lambda new: from_platform.build_registration_reply(7, 0, "码1"),
         from_platform.RegistrationReply(7, 0, "码1")),
        (0x8100, lambda new: from_platform.build_registration_reply(7, 4, "secret"),
         from_platform.RegistrationReply(7, 4, "")),
        (0x8004, lambda new: from_platform.build_time_2019(NOON), from_platform.ServerTime(NOON)),
        (0x8109, lambda new: from_platform.build_time(NOON), from_platform.ServerTime(NOON)),
    ],
)  # fmt: skip
def test_written_and_read_again(message_id: int, build: Any, expected: Body, is_2019: bool) -> None:
    assert read(message_id, build(is_2019), is_2019) == expected


def test_authentication_of_both_editions() -> None:
    old = read(MessageId.AUTHENTICATE, from_terminal.build_authentication(CODE, False))
    assert old == from_terminal.Authentication("川a1b2c3")
    assert read(MessageId.AUTHENTICATE, from_terminal.build_authentication(CODE, True), True) == CODE


def test_registration_of_2011_is_told_by_its_length() -> None:
    body = bytes.fromhex("0033 06a6") + b"ZT001" + b"TRUCK   " + b"7654321" + b"\x02" + "川S12345".encode("gbk")
    assert read(MessageId.REGISTER, body) == replace(TRUCK, model="TRUCK")


def test_registration_layouts_byte_by_byte() -> None:
    old = from_terminal.build_registration(TRUCK, False)
    new = from_terminal.build_registration(TRUCK, True)
    assert (len(old), len(new)) == (37 + 8, 76 + 8), "a Chinese character has two bytes in GBK"
    assert old[:9] == bytes.fromhex("0033 06a6") + b"ZT001"
    assert (old[36], new[75]) == (2, 2)


@pytest.mark.parametrize("hardware", [b"H-1", b"H-1\0\0\0\0\0"])
@pytest.mark.parametrize(("maker", "is_2019"), [(5, True), (11, True), (5, False)])
def test_attributes_with_either_maker_field(maker: int, is_2019: bool, hardware: bytes) -> None:
    """2019 has 5 bytes here, some terminals send the 11 of their registration."""
    model, terminal = (30, 30) if is_2019 else (20, 7)
    body = b"\0\x07" + b"ZT001".ljust(maker, b"\0") + b"M1".ljust(model, b"\0") + b"7654321".ljust(terminal, b"\0")
    body += bytes.fromhex("89860000000000000001") + sized_field(hardware) + b"\x04F-22" + b"\x01\x02"
    assert read(MessageId.ATTRIBUTES_REPLY, body, is_2019) == from_terminal.AttributesReply(
        7, "ZT001", "M1", "7654321", "89860000000000000001", "H-1", "F-22", 1, 2
    )


def test_the_count_of_resent_parts_grew_in_2019() -> None:
    assert from_platform.build_resend_parts(7, (2,), False) == bytes.fromhex("0007 01 0002")
    assert from_platform.build_resend_parts(7, (2,), True) == bytes.fromhex("0007 0001 0002")


def test_server_times_are_utc() -> None:
    """Not UTC+8, which only positions have."""
    there = datetime.fromisoformat("2026-11-21T12:00:00+08:00")
    assert from_platform.build_time_2019(there) == bytes.fromhex("261121040000")
    assert from_platform.build_time(there) == bytes.fromhex("07ea 0b 15 04 00 00")


@pytest.mark.parametrize("digits", ["261321040000", "26112104000a", "07ea0d15040000"])
def test_a_time_that_is_none_is_refused(digits: str) -> None:
    with pytest.raises(BodyError) as caught:
        read(MessageId.TIME_REPLY, bytes.fromhex(digits))
    assert caught.value.kind == "time"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a\0b", "ab"),
        (b"\0\0", ""),
        (b"\xff\xfe1", "��1"),
        (b"\xb4", "�"),
        (b"x\r\n\x1b[31m", "x[31m"),
        (b" \xb4\xa8 \0", "川"),
    ],
)
def test_f31_bad_gbk_and_nul(raw: bytes, text: str) -> None:
    """PostgreSQL refuses NUL, terminals show escapes, logs show lines: none of them passes."""
    assert read(MessageId.AUTHENTICATE, raw) == from_terminal.Authentication(text)


@pytest.mark.parametrize(
    ("message_id", "body", "is_2019"),
    [
        (0x0001, from_platform.build_general_reply(1, 2), False),
        (0x0100, bytes(25), False),
        (0x0100, from_terminal.build_registration(replace(TRUCK, plate=""), True), True),
        (0x0102, from_terminal.build_authentication(CODE, True), True),
        (0x0104, from_platform.build_parameters_reply(1, VALUES[:1]), False),
        (0x0201, b"\0\1" + build_position(replace(HERE, mileage_km=None, fuel_l=None, extras={})), False),
        (0x8003, from_platform.build_resend_parts(1, (1, 2), False), False),
        (0x8003, from_platform.build_resend_parts(1, (1, 2), True), True),
        (0x8100, from_platform.build_registration_reply(1, 3), False),
        (0x8106, from_platform.build_query_parameters([1]), False),
        (0x8004, from_platform.build_time_2019(NOON), True),
    ],
)
def test_f23_a_body_that_lacks_its_last_byte_is_refused(message_id: int, body: bytes, is_2019: bool) -> None:
    read(message_id, body, is_2019)
    with pytest.raises(BodyError) as caught:
        read(message_id, body[:-1], is_2019)
    assert caught.value.kind == "body-short"


@pytest.mark.parametrize(("count", "kind"), [(1, "count"), (3, "count"), (0, "count")])
def test_a_batch_that_miscounts_is_refused_whole(count: int, kind: str) -> None:
    body = from_terminal.build_batch(SHORT)
    with pytest.raises(BodyError) as caught:
        read(MessageId.LOCATION_BATCH, count.to_bytes(2) + body[2:])
    assert caught.value.kind == kind


def test_a_batch_cut_off_is_refused_whole() -> None:
    with pytest.raises(BodyError) as caught:
        read(MessageId.LOCATION_BATCH, from_terminal.build_batch(SHORT)[:-1])
    assert caught.value.kind == "body-short"


def test_f17_back_fill_is_told_from_the_present() -> None:
    for kind, expected in ((0, False), (1, True)):
        found = read(MessageId.LOCATION_BATCH, b"\0\0" + bytes([kind]))
        assert found == from_terminal.Batch(expected, ())


def test_a_wrong_parameter_count_is_overlooked() -> None:
    body = from_platform.build_parameters_reply(7, VALUES)
    expected = from_terminal.ParametersReply(7, VALUES)
    assert read(MessageId.PARAMETERS_REPLY, body[:2] + b"\0" + body[3:]) == expected
    assert read(MessageId.PARAMETERS_REPLY, body[:2] + b"\xff" + body[3:] + bytes(4) + b"filling") == expected


@pytest.mark.parametrize("message_id", [0x0000, 0x0801, 0x0900, 0xFFFF])
def test_unknown_messages_are_named(message_id: int) -> None:
    with pytest.raises(BodyError) as caught:
        read(message_id, b"anything")
    assert caught.value.kind == "unknown-message"


def test_texts_that_do_not_fit_are_not_sent() -> None:
    with pytest.raises(ValueError, match="field 5"):
        from_terminal.build_registration(replace(TRUCK, maker="ZT0012"), False)
