"""Frames of real devices and of annex C of the standard: each is decoded, or refused for a reason named here."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.protocols.hj212.errors import Refused
from ingest.protocols.hj212.factors import SPANS, readings
from ingest.protocols.hj212.frames import Stream, crc16, frame
from ingest.protocols.hj212.packets import Packet, decode
from ingest.protocols.readings import QUALITIES
from tests.ingest.protocols.hj212_samples import MICROGRAMS

UNREADABLE = {"hj212-023": "noise", "hj212-029": "length", "hj212-027": "cp"}
"""The second half of a frame · LLLL and CRC wrong · no CP at all, with a right CRC."""
REFUSED_IN_A_WHOLE_FRAME = {"hj212-027": "cp", "hj212-033": "parts", "hj212-082": "mn"}
"""No CP · Flag says parts, and there are none · MN is empty."""
WITHOUT_TIME = {"hj212-019", "hj212-029", "hj212-039"}
"""DataTime of 15 or 16 digits."""
QUALITY = {
    "hj212-031": {"a34004": "flag", "a34002": "flag", "LA": "key"},
    "hj212-033": {"LA": "key"},
    "hj212-037": {"a01006": "range"},
    "hj212-021": {"a01006": "range"},
    "hj212-104": {"w01018": "missing"},
    "hj212-123": {"e01001": "repeat"},
}
"""What is not good in them, besides units that nobody confirmed."""


@pytest.fixture(scope="module")
def lines(shared_data: Path) -> list[dict[str, Any]]:
    path = shared_data / "protocol" / "hj212" / "packets.jsonl"
    if not path.is_file():
        pytest.skip(f"the real frames are not at {path}")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def result_of(data: bytes) -> Packet | Refused:
    (result,) = Stream(lambda frame: decode(frame, MICROGRAMS)).feed(data)
    return result


def test_every_frame_as_it_came(lines: list[dict[str, Any]]) -> None:
    whole = [line for line in lines if line["raw"]]
    assert len(whole) >= 20
    for line in whole:
        expected = UNREADABLE.get(line["id"]) or ("packet" if line["crc_ok"] else "crc")
        result = result_of(line["raw"].encode() + b"\r\n")
        assert (result.kind if isinstance(result, Refused) else "packet") == expected, line["id"]


def test_every_segment_in_a_good_frame(lines: list[dict[str, Any]]) -> None:
    """Among them those of frames with a stale check: what their content would have given."""
    segments = [line for line in lines if line.get("segment")]
    assert len(segments) >= 130
    for line in segments:
        data = line["segment"].encode()
        if line.get("computed_crc"):
            assert f"{crc16(data):04X}" == line["computed_crc"], line["id"]
        result = result_of(frame(data))
        if isinstance(result, Refused):
            assert result.kind == REFUSED_IN_A_WHOLE_FRAME.get(line["id"]), line["id"]
            continue
        assert line["id"] not in REFUSED_IN_A_WHOLE_FRAME
        head = {name.upper(): value for name, value in line["fields"].items()}
        assert (result.mn, result.cn, result.qn) == (head["MN"], head["CN"], head.get("QN", "")), line["id"]
        assert flattened(result) == flattened_fields(head["CP"]), line["id"]


def test_the_readings_of_every_data_packet(lines: list[dict[str, Any]]) -> None:
    seen = 0
    for line in lines:
        if not line.get("segment"):
            continue
        packet = result_of(frame(line["segment"].encode()))
        if isinstance(packet, Refused) or packet.cn not in SPANS or "DATATIME" not in packet.cp.upper():
            continue
        if line["id"] in WITHOUT_TIME:
            with pytest.raises(Refused) as refused:
                readings(packet, MICROGRAMS)
            assert refused.value.kind == "datatime"
            continue
        found = readings(packet, MICROGRAMS)
        assert found, line["id"]
        assert all(reading.quality in QUALITIES for reading in found)
        bad = {reading.factor: reading.quality for reading in found if reading.quality not in ("", "unit")}
        assert bad == QUALITY.get(line["id"], {}), line["id"]
        seen += 1
    assert seen >= 25


def flattened(packet: Packet) -> dict[str, list[str]]:
    """Names and values of CP."""
    values: dict[str, list[str]] = {}
    for name, value in (item for group in packet.groups for item in group):
        if value:
            values.setdefault(name, []).append(value)
    return values


def flattened_fields(cp: dict[str, Any]) -> dict[str, list[str]]:
    """The same of an independent reading of the file."""
    return {name.strip(): value if isinstance(value, list) else [value] for name, value in cp.items() if value}
