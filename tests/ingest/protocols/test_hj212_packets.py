"""The content of frames: fields, editions, encryption, and what is refused."""

import subprocess
import sys
from dataclasses import replace

import pytest

from ingest.protocols.hj212.errors import BadFrame, BadPacket, Refused
from ingest.protocols.hj212.frames import crc16, frame
from ingest.protocols.hj212.packets import Packet, encode, parse
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.hj212.sm4 import decrypted, encrypted
from tests.ingest.protocols.hj212_samples import (
    BACK_FILL,
    DECRYPTED_CP,
    ENCRYPTED,
    ENCRYPTED_CP,
    ENCRYPTED_HEAD,
    EXAMPLE_2017,
    FRAMES,
    KEY,
    MN,
    REAL_TIME,
    one,
    segment,
)

SEALED = Profile(key=KEY)
MODBUS = Profile(crc_mode="modbus")


def kind(data: bytes, profile: Profile | None = None) -> str:
    """Why a frame is refused."""
    with pytest.raises(Refused) as refused:
        one(data, profile or Profile())
    return refused.value.kind


def headed(head: str) -> bytes:
    """A frame with this head."""
    return frame(f"{head};CP=&&DataTime=20261121101500&&".encode())


@pytest.mark.parametrize("whole", FRAMES, ids=lambda whole: whole[-6:-2].decode())
def test_the_vectors_of_the_standard_both_ways(whole: bytes) -> None:
    assert encode(one(whole), Profile()) == whole


def test_the_fields_of_a_packet() -> None:
    assert one(EXAMPLE_2017) == Packet(
        mn=MN, cn="1062", st="32", qn="20160801085857223", pw="100000", flag=5, version=2017, pnum=None, pno=None,
        rf=False, cp="RtdInterval=30",
    )  # fmt: skip
    assert one(EXAMPLE_2017).ack_wanted
    back_fill = one(BACK_FILL)
    assert (back_fill.version, back_fill.rf, back_fill.cn) == (2025, True, "2051")
    assert back_fill.groups == [
        [("DataTime", "20261121101000")],
        [("a34002-Min", "70.1"), ("a34002-Avg", "81.4"), ("a34002-Max", "99.0"), ("a34002-Flag", "N")],
    ]
    assert back_fill.parameter("datatime") == "20261121101000"
    assert back_fill.parameter("a34002") is None


@pytest.mark.parametrize(
    ("flag", "version", "ack"),
    [("Flag=0", 2005, False), ("Flag=3", 2005, True), ("Flag=1", 2005, True), ("Flag=4", 2017, False),
     ("Flag=5", 2017, True), ("Flag=8", 2025, False), ("FLAG=9", 2025, True), ("X=1", 2005, False)],
)  # fmt: skip
def test_the_edition_is_in_flag(flag: str, version: int, ack: bool) -> None:
    packet = one(headed(f"ST=39;CN=2011;PW=123456;MN={MN};{flag}"))
    assert (packet.version, packet.ack_wanted) == (version, ack)


def test_a_profile_may_know_the_edition_better() -> None:
    packet = headed(f"ST=39;CN=2011;MN={MN};Flag=1")
    assert one(packet, Profile(version=2017)).version == 2017
    assert one(headed(f"ST=39;CN=2011;MN={MN};Flag=255;PNUM=1;PNO=1"), Profile(version=2025)).version == 2025


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("ST=39;CN=2011;PW=123456", "mn"),
        ("ST=39;CN=2011;MN=", "mn"),
        (f"ST=39;CN=2011;MN={'9' * 33}", "mn"),
        ("ST=39;CN=2011;MN=测", "field"),
        (f"ST=39;MN={MN}", "cn"),
        (f"CN=211;MN={MN}", "cn"),
        (f"CN=２０１１;MN={MN}", "field"),
        (f"CN=20a1;MN={MN}", "cn"),
        (f"QN={'1' * 33};CN=2011;MN={MN}", "qn"),
        (f"QN=测;CN=2011;MN={MN}", "qn"),
        (f"QN=1;CN=2011;MN={MN};QN=2", "repeat"),
        (f"CN=2011;MN={MN};mn=another", "repeat"),
        (f"CN=2011;MN={MN};Flag=N", "flag"),
        (f"CN=2011;MN={MN};Flag=５", "field"),
        (f"CN=2011;MN={MN};Flag=-1", "flag"),
        (f"CN=2011;MN={MN};Flag=256", "flag"),
        (f"CN=2011;MN={MN};Flag=12", "version"),
        (f"CN=2011;MN={MN};junk;Flag=5", "field"),
        (f"CN=2011;MN={MN};PW=12\t45", "pw"),
    ],
)
def test_heads_that_are_refused(head: str, expected: str) -> None:
    assert kind(headed(head)) == expected


@pytest.mark.parametrize(
    ("flag", "parts", "expected"),
    [
        ("Flag=6", "PNUM=9999;PNO=1", "parts"), ("Flag=6", "PNUM=201;PNO=1", "parts"),
        ("Flag=6", "PNUM=2;PNO=3", "parts"), ("Flag=6", "PNUM=2;PNO=0", "parts"), ("Flag=6", "PNUM=0;PNO=0", "parts"),
        ("Flag=6", "PNUM=2", "parts"), ("Flag=6", "PNO=1", "parts"), ("Flag=6", "PNUM=a;PNO=1", "parts"),
        ("Flag=6", "PNUM=1e1;PNO=1", "parts"), ("Flag=6", "PNUM=00002;PNO=1", "parts"), ("Flag=7", "X=1", "parts"),
        ("Flag=5", "PNUM=2;PNO=1", "parts"), ("Flag=10", "PNUM=-1;PNO=1", "parts"),
        ("Flag=6", "PNUM=200;PNO=200", (200, 200)), ("Flag=7", "PNUM=0002;PNO=0001", (2, 1)),
        ("X=1", "PNO=0002;PNUM=0002", (2, 2)), ("Flag=3", "X=1", (None, None)),
    ],
)  # fmt: skip
def test_f20_numbers_of_parts(flag: str, parts: str, expected: str | tuple[int | None, int | None]) -> None:
    """F20: PNUM beyond 200 and contradictions are refused; HJ/T 212-2005 sets bit 1 of Flag without parts."""
    data = headed(f"ST=39;CN=2011;MN={MN};{flag};{parts}")
    if isinstance(expected, str):
        assert kind(data) == expected
    else:
        assert (one(data).pnum, one(data).pno) == expected


@pytest.mark.parametrize(
    "text", ["", "CP=", "CP=&&", "CP=&&&", "CP=&&a=1", "CP=&&a=1&", "CP=&&a=1&&b", "CP=&&a&&b&&", "&&", "cp=&&a=1&&"]
)
def test_a_packet_ends_with_its_cp(text: str) -> None:
    assert kind(frame(f"CN=2011;MN={MN};Flag=5;{text}".encode())) == "cp"


def test_an_empty_cp_is_one() -> None:
    assert one(frame(f"CN=2011;MN={MN};Flag=5;CP=&&&&".encode())).cp == ""


def test_f23_the_check_is_strict_and_never_guessed() -> None:
    """F23: a device that computes the check of Modbus is read only where its profile says so."""
    data = EXAMPLE_2017[6:-6]
    modbus = frame(data, "modbus")
    assert modbus[-6:-2] == b"0759"
    assert kind(modbus) == kind(EXAMPLE_2017, MODBUS) == "crc"
    assert one(modbus, MODBUS) == one(EXAMPLE_2017)
    assert one(EXAMPLE_2017.replace(b"1C80", b"1c80")) == one(EXAMPLE_2017)
    for text in (b" 1C8", b"+1C8", b"1C8_", b"1C08", b"\xff" * 4):
        assert kind(EXAMPLE_2017.replace(b"1C80", text)) == "crc"
    small = next(bytes([byte]) for byte in range(256) if crc16(bytes([byte])) < 0x1000)
    assert frame(small)[-6:-5] == b"0", "padded to four digits"


@pytest.mark.parametrize("byte", [b"\0", b"\n", b"\r", b"\x1b", b"\x7f"])
def test_f31_control_characters_are_refused(byte: bytes) -> None:
    """F31: NUL never reaches the database, ESC never a terminal."""
    assert kind(frame(segment("i11001-Info=a").replace(b"=a", b"=a" + byte))) == "control"


@pytest.mark.parametrize(
    ("sent", "read"),
    [("清洗管路".encode(), "清洗管路"), ("清洗管路".encode("gbk"), "清洗管路"), (b"\xe6\xb8\x85\xff!", None)],
)
def test_f31_names_in_utf8_gbk_and_neither(sent: bytes, read: str | None) -> None:
    """F31: text in GBK or UTF-8 is read, bad bytes are replaced."""
    text = one(frame(segment("i11001-Info=//?//", "3020").replace(b"?", sent))).parameter("i11001-Info") or ""
    if read is None:
        assert "\N{REPLACEMENT CHARACTER}" in text
        text.encode()
    else:
        assert text == f"//{read}//"


def test_messages_cannot_forge_a_log_line() -> None:
    with pytest.raises(BadPacket) as refused:
        parse(b"MN=a\nERROR forged \x1b[31m" + b"x" * 2000)
    assert "\n" not in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_the_vector_of_sm4() -> None:
    packet = one(ENCRYPTED, SEALED)
    assert packet.cp == DECRYPTED_CP
    assert encrypted(DECRYPTED_CP.encode(), KEY) == ENCRYPTED_CP
    assert encode(packet, SEALED, encrypt=True) == ENCRYPTED


def test_f35_the_length_of_the_plain_text_or_of_the_wire() -> None:
    """F35: LLLL is that of the plain text in the standard's own examples; either is taken, nothing else."""
    wire = len(ENCRYPTED_HEAD + ENCRYPTED_CP) + 2
    assert wire == 492
    assert one(ENCRYPTED.replace(b"##0171", b"##%04d" % wire), SEALED) == one(ENCRYPTED, SEALED)
    assert kind(ENCRYPTED.replace(b"##0171", b"##0172"), SEALED) == "length"


def test_f35_wrong_key_changed_tail_malformed() -> None:
    """F35: decrypt failures have kinds of their own and give no packet."""
    assert kind(ENCRYPTED) == "key"
    assert kind(ENCRYPTED.replace(b"ag=N", b"ag=D"), SEALED) == "decrypt"
    assert kind(ENCRYPTED.replace(b"0xDE", b"0xDF"), SEALED) == "decrypt"
    assert kind(ENCRYPTED.replace(b"0xDE,", b""), SEALED) == "decrypt"
    assert kind(ENCRYPTED.replace(b"0xDE", b"0x_E"), SEALED) == "decrypt"
    assert kind(ENCRYPTED.replace(b"}ag", b",ag"), SEALED) == "decrypt"
    for number in range(2000):  # of which some pass the check, for it has but eight bits
        assert kind(ENCRYPTED, Profile(key=number.to_bytes(16))) == "decrypt"


def test_f35_every_length_of_payload() -> None:
    """F35: whole groups of 16 bytes are encrypted, the rest stays behind in plain text."""
    for length in range(70):
        plain = b"x" * length
        sent = b"CP=&&" + encrypted(plain, KEY) + b"&&"
        assert sent.count(b"0x") == length // 16 * 16
        assert (decrypted(sent, KEY) if length >= 16 else sent) == b"CP=&&" + plain + b"&&"


def test_data_in_plain_text_of_a_device_with_a_key_are_refused() -> None:
    assert kind(REAL_TIME, SEALED) == "plain"
    assert one(EXAMPLE_2017, SEALED).cn == "1062"
    assert one(frame(segment("a=1")), SEALED).cp == "a=1", "too short to encrypt"
    assert one(frame(segment("LA-Rtd=63.5,LA-Flag=N")), SEALED).version == 2017, "which knows no encryption"
    with pytest.raises(BadFrame, match="no key"):
        encode(one(REAL_TIME), Profile(), encrypt=True)


@pytest.mark.parametrize(
    "change",
    [
        {"mn": "A;CN=3019"}, {"mn": "A&&"}, {"mn": ""}, {"mn": "测"}, {"mn": " A"}, {"qn": "1;MN=2"}, {"pw": "1\r\n##"},
        {"cn": "20"}, {"cp": "a=1&&"}, {"cp": "a=1\r\n"}, {"cp": "a=\0"}, {"cp": "\U0001f600"}, {"flag": 256},
        {"flag": 7}, {"pnum": 2, "pno": 1}, {"pnum": 2}, {"flag": 7, "pnum": 201, "pno": 1}, {"cp": "x&&CP=&&y"},
    ],
    ids=str,
)  # fmt: skip
def test_nothing_is_sent_that_does_not_read_back_as_itself(change: dict[str, object]) -> None:
    packet = one(EXAMPLE_2017)
    assert encode(packet, Profile()) == EXAMPLE_2017
    with pytest.raises(BadPacket):
        encode(packet._replace(**change), Profile())  # type: ignore[arg-type]


def test_chinese_is_sent_in_gbk_and_a_packet_has_bounds() -> None:
    packet = one(EXAMPLE_2017)._replace(cp="i11001-Info=//清洗管路//")
    sent = encode(packet, Profile())
    assert "清洗管路".encode("gbk") in sent
    assert one(sent) == packet
    with pytest.raises(BadFrame) as refused:
        encode(packet._replace(cp="x" * 1000), Profile())
    assert refused.value.kind == "length"


@pytest.mark.parametrize(
    "wrong",
    [{"crc_mode": "crc16"}, {"datatime_is": "middle"}, {"key": b"short"}, {"minutes": 0}, {"minutes": 61},
     {"version": 2011}, {"units": {"a34002": "ppm"}}, {"units": {"a34002": "mg/L"}}, {"units": {"LA": "%"}}],
    ids=str,
)  # fmt: skip
def test_a_profile_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        replace(Profile(), **wrong)


def test_a_key_is_not_shown() -> None:
    assert "000" not in repr(SEALED)


def test_the_decoder_is_pure() -> None:
    modules = "assembly, errors, factors, frames, names, packets, profile, replies, sm4"
    loaded = "{'django', 'psycopg', 'redis'} & {*sys.modules}"
    code = f"import sys; from ingest.protocols.hj212 import {modules}; import services.telemetry.units; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
