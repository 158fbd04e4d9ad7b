"""Fault F23: a hundred thousand broken frames raise nothing but refusals, and the next good frame is read."""

import random
from collections import Counter
from datetime import UTC, datetime

from ingest.protocols.jt808.bodies import parse
from ingest.protocols.jt808.errors import DecodeError
from ingest.protocols.jt808.frames import Stream, frame, unescape
from ingest.protocols.jt808.from_terminal import Batch, build_batch
from ingest.protocols.jt808.messages import MessageId, decode, encode, packets
from ingest.protocols.jt808.parts import Assembler
from ingest.protocols.jt808.positions import Position, build_position, key, problems
from tests.conftest import SHARED_DATA
from tests.ingest.protocols.jt808_samples import HERE, made, real

ROUNDS = 100_000
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def contents() -> list[bytes]:
    """Header and body of good frames, the real ones too where they are; no long ones, to break many."""
    frames = made() + 5 * packets(MessageId.LOCATION_BATCH, build_batch(Batch(True, (HERE, HERE))), phone="1", serial=1)
    if SHARED_DATA.is_dir():
        known = {f"0x{message_id:04X}" for message_id in MessageId}
        frames += [bytes.fromhex(line["hex"]) for line in real(SHARED_DATA) if line["header"]["msg_id"] in known]
    parts = [bytes.fromhex(f"0704 2003 013912345678 000{number} 0003 000{number} 000000") for number in (1, 2, 3)]
    return [content for wire in frames if len(content := unescape(wire[1:-1])[:-1]) < 400] + parts * 5


def broken(chance: random.Random, content: bytes) -> bytes:
    """A frame with one to three faults: half of them behind a right check byte, so that they reach the bodies."""
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(changed):
                changed[at] = chance.choice((0, 0x7D, 0x7E, 0xFF, chance.randrange(256)))
            case 2:
                changed[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 3:
                del changed[at : at + chance.randrange(1, 9)]
            case 4:
                del changed[at:]
            case _:
                changed[at:at] = changed[at : at + 40]
    if chance.random() < 0.25:
        wire = bytearray(frame(content))
        wire[chance.randrange(len(wire))] = chance.randrange(256)
        return bytes(wire)
    if len(changed) > 4 and chance.random() < 0.5:  # the length bits right again: deeper still
        length = len(changed) - (17 if changed[2] & 0x40 else 12) - (4 if changed[2] & 0x20 else 0)
        changed[2:4] = ((changed[2] & 0xFC) << 8 | length & 0x3FF).to_bytes(2)
    return frame(bytes(changed)) if chance.random() < 0.7 else b"\x7e" + bytes(changed) + b"\x7e"


def test_f23_a_hundred_thousand_broken_frames() -> None:
    chance = random.Random(808)
    good = encode(MessageId.LOCATION, build_position(HERE), phone="13912345678", serial=1)
    stream, assembler = Stream(), Assembler(timeout=100.0)
    sources = contents()
    outcomes: Counter[str] = Counter()
    for round_ in range(ROUNDS):
        found = stream.feed(broken(chance, chance.choice(sources)) + good)
        assert found[-1] == good, "the good frame after a broken one"
        for item in found[:-1]:
            try:
                if isinstance(item, DecodeError):
                    raise item
                message = assembler.add(decode(item), float(round_))
                body = parse(message) if message else None
                outcomes[type(body).__name__] += 1
                if isinstance(body, Position):
                    problems(body, NOW)
                    key(body)
            except DecodeError as error:
                outcomes[error.kind] += 1
        if round_ % 1000 == 0:
            assert parse(decode(good)) == HERE
    assert outcomes.total() >= ROUNDS * 0.95, "a few lose their opening 7e to the frame before"
    for kind in (
        "checksum", "escape", "length", "phone", "encrypted", "too-short", "part", "body-short", "count", "time",
        "unknown-message", "total-changed", "Position", "Registration", "Batch", "NoneType",
    ):  # fmt: skip
        assert outcomes[kind] > 20, f"{kind} was hardly tried: {outcomes}"


def test_f23_random_bytes() -> None:
    chance = random.Random(809)
    stream = Stream()
    kinds: Counter[str] = Counter()
    for _ in range(2000):
        for item in stream.feed(chance.randbytes(chance.randrange(1, 400))):
            try:
                if isinstance(item, DecodeError):
                    raise item
                decode(item)
            except DecodeError as error:
                kinds[error.kind] += 1
    assert set(kinds) <= {
        "garbage",
        "too-short",
        "checksum",
        "escape",
        "length",
        "phone",
        "part",
        "encrypted",
        "too-long",
    }
    assert kinds["checksum"] > 100
    assert stream.counts.total() == kinds.total()


def test_f23_counters_are_right() -> None:
    good = made()[0]
    stream = Stream()
    stream.feed(b"garbage" + good * 3 + b"x" * 5000 + good[1:] + good)
    assert stream.counts == {"garbage": 1, "frame": 4, "too-long": 1}
