"""Packets in parts."""

from itertools import permutations

import pytest

from ingest.protocols.hj212.assembly import MOST_CHARACTERS, TIMEOUT, Assembler
from ingest.protocols.hj212.errors import BadPacket
from ingest.protocols.hj212.factors import readings
from ingest.protocols.hj212.frames import frame
from ingest.protocols.hj212.packets import Packet, encode
from ingest.protocols.hj212.profile import Profile
from tests.ingest.protocols.hj212_samples import MICROGRAMS, one, segment

TIME = "DataTime=20261121101500"
CPS = (f"{TIME};a34002-Rtd=88.0,a34002-Flag=N;", "LA-Rtd=63.5,LA-Flag=N", f"{TIME};a01001-Rtd=18.6,a01001-Flag=N")


def part(number: int, cp: str = "", of: int = 3, qn: str = "20261121101500123") -> Packet:
    """One part of a set."""
    packet = one(frame(segment(cp or CPS[number - 1], flag="Flag=7;", more=f"PNUM={of};PNO={number};")))
    return packet._replace(qn=qn)


def refusal(assembler: Assembler, packet: Packet, now: float = 0) -> str:
    with pytest.raises(BadPacket) as refused:
        assembler.add(packet, now)
    return refused.value.kind


def test_a_packet_without_parts_is_whole() -> None:
    packet = one(frame(segment(CPS[0])))
    assert Assembler().add(packet, 0) is packet


def test_f16_parts_in_any_order_and_more_than_once() -> None:
    """F15, F16: duplicates and disorder give the same whole."""
    wholes = set()
    for order in permutations((1, 2, 3)):
        assembler = Assembler()
        for number in order[:2]:
            assert assembler.add(part(number), 0) is None
            assert assembler.add(part(number), 1) is None, "sent again"
        whole = assembler.add(part(order[2]), 2)
        assert whole is not None
        assert assembler.waiting == 0
        wholes.add(whole)
    (whole,) = wholes
    assert (whole.pnum, whole.pno, whole.flag) == (None, None, 5)
    assert [(reading.factor, reading.value) for reading in readings(whole, MICROGRAMS)] == [
        ("a34002", 88.0), ("LA", 63.5), ("a01001", 18.6),
    ]  # fmt: skip
    assert one(encode(whole, Profile())) == whole


def test_f19_a_set_that_misses_a_part_times_out() -> None:
    """F19: the memory is freed, nothing partial comes out, and it is said."""
    assembler = Assembler()
    assembler.add(part(1), 100)
    assembler.add(part(3), 100 + TIMEOUT)
    assert assembler.expire(100 + TIMEOUT) == []
    (late,) = assembler.expire(100.1 + TIMEOUT)
    assert late.kind == "incomplete"
    assert "2 of 3 parts" in str(late)
    assert assembler.waiting == 0
    assert assembler.add(part(2), 200) is None, "too late: the beginning of another set"


def test_f20_a_total_that_changes_gives_the_set_up() -> None:
    """F20: PNUM changes within a set; one part comes with two contents."""
    assembler = Assembler()
    assembler.add(part(1), 0)
    assert refusal(assembler, part(2, of=4)) == "parts"
    assert assembler.waiting == 0
    assembler.add(part(1), 0)
    assert refusal(assembler, part(1, cp=f"{TIME};LA-Rtd=1")) == "parts"
    assert assembler.waiting == 0
    assembler.add(part(1), 0)
    assert refusal(assembler, part(2)._replace(cn="2061")) == "parts"
    assert assembler.waiting == 0


def test_f20_memory_is_bounded() -> None:
    """F20: a set has at most 256 KiB, and only so many sets are open."""
    assembler = Assembler()
    large = part(1, of=200)._replace(cp="x" * 2000)
    for number in range(1, MOST_CHARACTERS // 2000 + 1):
        assert assembler.add(large._replace(pno=number), 0) is None
    assert refusal(assembler, large._replace(pno=199)) == "parts"
    assert assembler.waiting == 0
    for number in range(8):
        assert assembler.add(part(1, cp="LA-Rtd=1", qn=str(number)), number) is None
    assert refusal(assembler, part(1, cp="LA-Rtd=1", qn="8"), 8) == "incomplete"
    assert assembler.waiting == 8
    assert assembler.add(part(2, qn="8"), 9) is None, "the newest is kept"
    assert assembler.add(part(3, qn="8"), 9) is not None
    assert assembler.add(part(2, qn="0"), 9) is None, "the oldest gave way"
    assert assembler.waiting == 8


def test_parts_with_a_qn_each_as_in_annex_c() -> None:
    assembler = Assembler()
    first, second = f"{TIME};a34002-Rtd=88.0", f"{TIME};LA-Rtd=63.5"
    assert assembler.add(part(1, first, of=2, qn="20160801085857534"), 0) is None
    other = part(2, second.replace("1500", "1600"), of=2, qn="20160801085857536")
    assert assembler.add(other, 0) is None, "of another time"
    whole = assembler.add(part(2, second, of=2, qn="20160801085857535"), 0)
    assert whole is not None
    assert whole.cp == f"{first};{second}"
    assert assembler.waiting == 1


def test_a_set_that_is_begun_anew_is_another_set() -> None:
    assembler = Assembler()
    assert assembler.add(part(1, qn="1"), 0) is None
    assert assembler.add(part(1, f"{TIME};LA-Rtd=1", qn="2"), 0) is None
    assert assembler.waiting == 2


def test_devices_are_kept_apart() -> None:
    assembler = Assembler()
    assert assembler.add(part(1, of=2), 0) is None
    assert assembler.add(part(2, of=2)._replace(mn="another"), 0) is None
    assert assembler.waiting == 2


def test_parts_of_two_times_do_not_make_a_reading() -> None:
    whole = one(frame(segment(f"{TIME};LA-Rtd=1;DataTime=20261121101600;a01001-Rtd=2")))
    with pytest.raises(BadPacket, match="both") as refused:
        readings(whole, MICROGRAMS)
    assert refused.value.kind == "datatime"
