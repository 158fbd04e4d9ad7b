"""F23: frames with every kind of damage, a hundred thousand of them, the same ones each time."""

import random

from ingest.protocols.hj212.assembly import Assembler
from ingest.protocols.hj212.errors import Refused
from ingest.protocols.hj212.factors import readings
from ingest.protocols.hj212.frames import Frame, Stream, frame
from ingest.protocols.hj212.packets import Packet, decode, encode
from ingest.protocols.hj212.profile import Profile
from tests.ingest.protocols.hj212_samples import CLOCK_READ, ENCRYPTED, FRAMES, KEY, MICROGRAMS, segment

MUTATIONS = 100_000
PARTED = frame(segment("DataTime=20261121101500;LA-Rtd=1", flag="Flag=7;", more="PNUM=2;PNO=1;"))
GBK = frame(segment("DataTime=20261121101500;i11001-Info=//?//;LA-Rtd=1").replace(b"?", "清洗".encode("gbk")))
SOURCES = (*FRAMES, ENCRYPTED, PARTED, GBK)
PROFILES = (MICROGRAMS, Profile(key=KEY, datatime_is="end", missing_flag="D"))
PIECES = (
    b"##", b"\r\n", b"&&", b"CP=&&", b";", b",", b"=", b"{0x", b"}", b"-", b"\0", b"\xff", b"MN=", b"Flag=", b"NaN",
    b"1e999", b"_", b"DataTime=", b"9999", b"PNUM=3;PNO=2;",
)  # fmt: skip


def damaged(data: bytes, source: random.Random) -> bytes:
    """The bytes with one to three faults; half of the time with a length and check that fit again."""
    for _ in range(source.randint(1, 3)):
        at = source.randrange(len(data) + 1)
        what = source.randrange(7)
        if what == 0:
            data = data[:at] + bytes([source.randrange(256)]) + data[at + 1 :]
        elif what == 1:
            data = data[:at] + data[at + source.randint(1, 20) :]
        elif what == 2:
            data = data[:at]
        elif what == 3:
            data = data[:at] + source.choice(PIECES) + data[at:]
        elif what == 4:
            data = data[:at] + data[max(0, at - source.randint(1, 60)) :]
        elif what == 5:
            data = data[:at] + source.randbytes(source.randint(1, 8)) + data[at:]
        elif at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << source.randrange(8)]) + data[at + 1 :]
    body = data[6:-6]
    return frame(body) if source.random() < 0.5 and len(body) <= 1024 else data


def test_f23_damage_raises_nothing_but_refusals_and_hides_no_good_frame() -> None:
    """F23: no other exception leaves the decoder, whatever it reads can be written, and the next frame is found."""
    source = random.Random(20261121)
    frames: list[Frame] = []
    profile = MICROGRAMS

    def read(frame: Frame) -> Packet:
        frames.append(frame)
        return decode(frame, profile)

    stream, assembler = Stream(read), Assembler()
    kinds, packets, measured = set(), 0, 0
    for number in range(MUTATIONS):
        profile = PROFILES[number % 2]
        frames.clear()
        results = stream.feed(damaged(SOURCES[number % len(SOURCES)], source))
        for result in results:
            if isinstance(result, Refused):
                kinds.add(result.kind)
                continue
            packets += 1
            assert result.mn in {frame.mn for frame in frames}, "read with the profile of another device"
            if result.cp.isascii():
                encode(result, profile)
            try:
                whole = assembler.add(result, number)
                measured += len(readings(whole, profile)) if whole else 0
            except Refused as refused:
                kinds.add(refused.kind)
        if number % 50 == 0:
            kinds |= {late.kind for late in assembler.expire(number)}
            good = stream.feed(CLOCK_READ)[-1]
            assert isinstance(good, Packet)
            assert good.cn == "1011"
            assert stream.pending == 0
    assert packets > MUTATIONS / 10
    assert measured > MUTATIONS / 10
    assert kinds >= {
        "noise", "header", "length", "crc", "key", "decrypt", "control", "cp", "field", "repeat", "cn", "mn", "flag",
        "version", "parts", "plain", "datatime", "incomplete",
    }  # fmt: skip
