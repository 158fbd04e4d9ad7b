"""JT/T 808 on the wire: escapes, check bytes, and frames out of streams cut anywhere."""

import csv
from functools import reduce
from operator import xor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.protocols.jt808.errors import FrameError
from ingest.protocols.jt808.frames import (
    MAX_ESCAPED,
    Stream,
    checksum,
    content_of,
    escape,
    frame,
    unescape,
)
from tests.ingest.protocols.jt808_samples import by_hand, made


def told(found: list[bytes | FrameError]) -> list[bytes | str]:
    return [item.kind if isinstance(item, FrameError) else item for item in found]


@settings(derandomize=True, max_examples=300)
@given(st.binary(max_size=1100))
def test_escaped_bytes_hold_no_delimiter_and_come_back(content: bytes) -> None:
    assert b"\x7e" not in escape(content)
    assert unescape(escape(content)) == content


def test_a_7d_that_was_escaped_does_not_pair_with_an_02_after_it() -> None:
    assert escape(b"\x7d\x02\x7e\x01") == b"\x7d\x01\x02\x7d\x02\x01"
    assert unescape(b"\x7d\x01\x02\x7d\x02\x01") == b"\x7d\x02\x7e\x01"


@pytest.mark.parametrize("broken", [b"\x7d", b"a\x7d\x03b", b"\x7d\x7d\x01", b"\x7d\x02\x7d"])
def test_f23_a_half_escape_is_refused(broken: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        unescape(broken)
    assert caught.value.kind == "escape"


@settings(derandomize=True, max_examples=300)
@given(st.binary(max_size=2500))
def test_the_check_byte_is_the_xor_of_all_bytes(content: bytes) -> None:
    assert checksum(content) == reduce(xor, content, 0)


@settings(derandomize=True, max_examples=200)
@given(st.binary(min_size=12, max_size=1044))
def test_a_frame_is_what_the_standard_says_and_opens_again(content: bytes) -> None:
    assert frame(content) == by_hand(content)
    assert content_of(frame(content)) == content


def test_f23_every_flipped_bit_is_found() -> None:
    good = frame(bytes(range(40)))
    for at in range(8, 8 * (len(good) - 1)):
        bad = bytearray(good)
        bad[at // 8] ^= 1 << at % 8
        with pytest.raises(FrameError) as caught:
            content_of(bytes(bad))
        assert caught.value.kind in ("checksum", "escape", "delimiter")


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (b"", "delimiter"),
        (b"\x7e", "delimiter"),
        (b"\x7e\x7e\x7e", "delimiter"),
        (b"abc", "delimiter"),
        (b"\x7e\x7e", "too-short"),
        (frame(bytes(11)), "too-short"),
        (frame(bytes(12)) + b"x", "delimiter"),
        (frame(bytes(12)) * 2, "delimiter"),
        (frame(bytes(12))[:-2] + b"\x01\x7e", "checksum"),
    ],
)
def test_f23_what_is_no_frame_is_refused_by_name(broken: bytes, kind: str) -> None:
    with pytest.raises(FrameError) as caught:
        content_of(broken)
    assert caught.value.kind == kind


def test_streams_of_traccar(shared_data: Path) -> None:
    lines = (shared_data / "protocol" / "jt808" / "escape_vectors.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert len(rows) == 2
    for row in rows:
        *errors, found = Stream().feed(bytes.fromhex(row["stream_hex"]))
        assert told(errors) == (["garbage"] if "garbage" in row["note"] else [])
        assert isinstance(found, bytes)
        assert b"\x7e" + unescape(found[1:-1]) + b"\x7e" == bytes.fromhex(row["frame_hex"])


def test_f23_split_at_every_byte_gives_the_same() -> None:
    long = b"\x7e" + b"x" * (MAX_ESCAPED + 1)
    frames = made()[:6]
    wire = b"noise" + frames[0] + frames[1] + b"between" + frames[2][:-1] + frames[3] + long + b"".join(frames[4:])
    whole = told(Stream().feed(wire))
    expected = [
        "garbage", frames[0], frames[1], b"\x7ebetween\x7e", frames[2], frames[3], "too-long", *frames[4:],
    ]  # fmt: skip
    assert whole == expected, "two frames may share a delimiter, and a good frame after garbage is found"
    for cut in range(len(wire) + 1):
        stream = Stream()
        assert told(stream.feed(wire[:cut]) + stream.feed(wire[cut:])) == whole, cut
    stream = Stream()
    assert told([item for byte in wire for item in stream.feed(bytes([byte]))]) == whole
    assert stream.counts == {"garbage": 1, "too-long": 1, "frame": 7}


def test_f24_an_endless_frame_costs_one_error_and_no_memory() -> None:
    """Slow or fast, with or without an opening 7e: what cannot become a frame is dropped."""
    for opening, kind in ((b"\x7e", "too-long"), (b"", "garbage")):
        stream = Stream()
        found = stream.feed(opening)
        for _ in range(500):
            found += stream.feed(b"x" * 997)
            assert stream.pending <= MAX_ESCAPED
        assert told(found) == [kind]
        good = made()[0]
        assert stream.feed(good) == [good], "the next frame is found"


def test_the_longest_frame_passes() -> None:
    longest = frame(b"\x7e" * 1044)
    assert len(longest) == 2 + 2 * 1044 + 1, "an even number of equal bytes XORs to 0, which needs no escape"
    fully = b"\x7e" + b"\x7d\x02" * 1045 + b"\x7e"
    assert Stream().feed(fully) == [fully]
    assert told(Stream().feed(fully[:-1] + b"x\x7e")) == ["too-long"]
