"""The check, and frames out of a stream that may hold anything."""

import random
import time

import pytest

from ingest.protocols.hj212.errors import BadFrame, BadPacket, Refused
from ingest.protocols.hj212.frames import LONGEST, Frame, Stream, crc16, frame
from ingest.protocols.hj212.packets import Packet, decode
from tests.ingest.protocols.hj212_samples import (
    BACK_FILL,
    CLOCK_READ,
    DATA_ACK,
    ENCRYPTED,
    EXAMPLE_2017,
    FRAMES,
    MICROGRAMS,
    REAL_TIME,
    segment,
)


def by_definition(data: bytes) -> int:
    """Annex A of HJ 212, bit by bit."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ byte
        for _ in range(8):
            lowest = crc & 1
            crc >>= 1
            if lowest:
                crc ^= 0xA001
    return crc


def fed(data: bytes, *sizes: int) -> list[Packet | str]:
    """Packets and the kinds of refusals, fed in pieces of these sizes and then the rest."""
    stream = Stream(lambda frame: decode(frame, MICROGRAMS))
    found: list[Packet | Refused] = []
    for size in sizes:
        found += stream.feed(data[:size])
        data = data[size:]
    found += stream.feed(data)
    kinds = [result.kind for result in found if isinstance(result, Refused)]
    assert stream.refused.total() == len(kinds), "every refusal is both counted and handed out"
    assert all(result.__traceback__ is None for result in found if isinstance(result, Refused)), "or memory is held"
    return [result.kind if isinstance(result, Refused) else result for result in found]


@pytest.mark.parametrize("whole", FRAMES, ids=lambda whole: whole[-6:-2].decode())
def test_the_vectors_of_the_standard(whole: bytes) -> None:
    (found,) = Stream().feed(whole)
    assert found == Frame(int(whole[2:6]), whole[6:-6], whole[-6:-2])
    assert found.raw == whole
    assert frame(whole[6:-6]) == whole


def test_the_check_of_the_standard_is_not_that_of_modbus() -> None:
    data = EXAMPLE_2017[6:-6]
    assert crc16(data) == 0x1C80
    assert crc16(data, "modbus") == 0x0759
    assert crc16(b"") == crc16(b"", "modbus") == 0xFFFF
    assert crc16(b"\x00") == 0x4040
    assert crc16(b"123456789", "modbus") == 0x4B37


def test_the_fast_check_is_the_check_by_definition() -> None:
    source = random.Random(212)
    for length in [*range(100), *(source.randrange(100, 1100) for _ in range(50)), 8192, 8193]:
        data = source.randbytes(length)
        assert crc16(data) == by_definition(data), length


def test_the_check_has_eight_bits_and_does_not_see_groups_of_eight_change_places() -> None:
    assert len({crc16(index.to_bytes(2)) for index in range(65536)}) == 256
    assert crc16(b"a" + b"35.00000" + b"88.00000" + b"b") == crc16(b"a" + b"88.00000" + b"35.00000" + b"b")


def test_a_segment_has_at_most_1024_bytes() -> None:
    assert Stream().feed(frame(b"x" * 1024)) == [Frame(1024, b"x" * 1024, b"%04X" % crc16(b"x" * 1024))]
    with pytest.raises(BadFrame) as refused:
        frame(b"x" * 1025)
    assert refused.value.kind == "length"


def test_split_at_every_byte_and_byte_by_byte() -> None:
    data = b"noise#" + EXAMPLE_2017 + b"\r\n" + REAL_TIME[:200] + BACK_FILL + b"##" + DATA_ACK.replace(b"99", b"98")
    data += b"#" + ENCRYPTED + b"##12x4" + CLOCK_READ + b"#"
    expected = fed(data)
    kinds = [result for result in expected if isinstance(result, str)]
    assert kinds == ["noise", "length", "noise", "crc", "key", "header"]
    assert len(expected) == 9
    for cut in range(len(data) + 1):
        assert fed(data, cut) == expected, cut
    assert fed(data, *[1] * len(data)) == expected


@pytest.mark.parametrize(
    ("damage", "kinds"),
    [
        (b"\x00\r\n  ", []),
        (b"random bytes \xff\xfe", ["noise"]),
        (b"#", ["noise"]),
        (b"##", ["noise"]),
        (b"#####", ["noise"]),
        (b"##abcd", ["header"]),
        (b"##00 1", ["header"]),
        (b"##\xef\xbc\x91\xef", ["header"]),
        (REAL_TIME[:100], ["length"]),
        (REAL_TIME[:-1], ["length"]),
        (REAL_TIME[:-2], ["length"]),
        (REAL_TIME.replace(b"##0341", b"##0340"), ["length"]),
        (REAL_TIME.replace(b"##0341", b"##0342"), ["length"]),
        (REAL_TIME.replace(b"##0341", b"##9341"), ["length"]),
        (b"##1025" + b"x" * 1025 + b"FFFF\r\n", ["length"]),
        (b"##0000\r\n", ["crc"]),
        (b"##0000FFFF\r\n", ["cp"]),
        (REAL_TIME.replace(b"35.0", b"95.0"), ["crc"]),
        (REAL_TIME.replace(b"F6C1", b"F6C "), ["crc"]),
        (b"##0100" + b"x" * LONGEST, ["long"]),
        (REAL_TIME[:50] + b"##" + REAL_TIME[:90] + b"##00", ["length", "length", "header"]),
    ],
    ids=str,
)  # fmt: skip
def test_f23_a_good_frame_after_damage_is_found_at_once(damage: bytes, kinds: list[str]) -> None:
    """F23: broken packets; counters right, the next good frame decoded."""
    *refused, packet = fed(damage + REAL_TIME)
    assert refused == kinds
    assert isinstance(packet, Packet)
    assert packet.cn == "2011"


def test_f23_a_good_frame_inside_a_damaged_one_is_found_but_not_inside_a_whole_one() -> None:
    """F23: only damage makes the search go on inside; text inside a whole packet is never taken for a packet."""
    inner = DATA_ACK[:-2]
    body = segment("i13004-Info=") + inner + b"\r\n"
    damaged = b"##%04d%b" % (len(body) + 60, body)
    kind, packet = fed(damaged)
    assert kind == "length"
    assert isinstance(packet, Packet)
    assert packet.cn == "9014"
    refused_as_a_whole = frame(segment(f"i13004-Info={inner.decode()}", flag="Flag=255;"))
    assert fed(refused_as_a_whole) == ["cp"]


def test_what_read_raises_besides_refused_leaves_the_stream() -> None:
    def read(frame: Frame) -> None:
        raise KeyError(frame.mn)

    with pytest.raises(KeyError):
        Stream(read).feed(REAL_TIME)


def test_a_refused_packet_does_not_stop_the_next() -> None:
    def read(frame: Frame) -> str:
        if frame.declared == 87:
            raise BadPacket("cn", "not today")
        return frame.mn

    first, second = Stream(read).feed(CLOCK_READ + REAL_TIME)
    assert isinstance(first, BadPacket)
    assert second == "010000A8900016F000169DC0"


def test_a_frame_has_at_most_8_kib_however_it_comes() -> None:
    for length, whole in ((LONGEST, True), (LONGEST + 1, False)):
        data = b"##0100" + b"CP=&&{0x".ljust(length - 12, b"F") + b"1C80\r\n"
        for cut in (0, 100, length - 2, length - 1):
            stream: Stream[Frame] = Stream()
            found = stream.feed(data[:cut]) + stream.feed(data[cut:])
            assert [isinstance(result, Frame) for result in found] == [whole]
            assert stream.refused == ({} if whole else {"long": 1})


@pytest.mark.parametrize(
    ("head", "mn"),
    [
        (b"ST=22;MN=A1;CP=&&", "A1"), (b"MN=A1;CP=&&", "A1"), (b"ST=22;mn= A1 ;CP=&&", "A1"), (b"ST=22;,MN=A1", "A1"),
        (b"ST=22;XMN=A1;CP=&&", ""), (b"ST=22;CP=&&;MN=A1;&&", ""), (b"ST=22;mn=A1;CP=&&;MN=A2;&&", "A1"),
        (b"QN=1;ST=22;MN=\xff", "\N{REPLACEMENT CHARACTER}"), (b"", ""),
    ],
    ids=str,
)  # fmt: skip
def test_mn_before_the_check(head: bytes, mn: str) -> None:
    assert Frame(0, head, b"").mn == mn


@pytest.mark.parametrize("hostile", [b"##0900", b"##", b"#", b"##0001\r", b"##99", b"x", b"##0001CP=&&{0x"], ids=str)
def test_memory_and_time_are_bounded_whatever_comes(hostile: bytes) -> None:
    """F23, F24: the buffer stays below 64 KiB, and the time grows with the bytes and not with their square."""
    stream: Stream[Frame] = Stream()
    begun = time.monotonic()
    stream.feed(hostile * (400_000 // len(hostile)))
    for _ in range(1000):
        stream.feed(hostile)
        assert stream.pending < LONGEST
    assert time.monotonic() - begun < 20
    assert stream.feed(b"\r\n" + CLOCK_READ)[-1] == Frame(87, CLOCK_READ[6:-6], b"2200")
