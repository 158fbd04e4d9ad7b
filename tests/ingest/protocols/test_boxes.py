"""The JSON of site boxes: what is read, what is kept with a reason, what is refused and where."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.protocols.boxes import MOST_RECORDS, BadBody, parse, readings

UNITS = {"a34002": "µg/m³"}
TIME = "2026-11-27T10:15:00+08:00"


def read(body: Any, units: dict[str, str] | None = None) -> Any:
    return readings(parse(json.dumps(body).encode()), UNITS if units is None else units)


def one(value: Any, factor: str = "a34002") -> tuple[Any, str]:
    """Value and quality of one factor beside a good one."""
    found = read({"device": "B1", "time": TIME, "values": {factor: value, "LA": 63.5}})[0]
    assert (found[1].factor, found[1].value, found[1].quality) == ("LA", 63.5, "")
    return found[0].value, found[0].quality


def test_one_record_and_several() -> None:
    record = {"time": TIME, "values": {"a34002": 88.1, "LA": {"value": "63.5", "flag": "N", "unit": "dB(A)"}}}
    (single,) = read({"device": "B1", **record})
    assert [(r.factor, r.value, r.flag, r.quality, r.span) for r in single] == [
        ("a34002", 88.1, "", "", "real"), ("LA", 63.5, "N", "", "real"),
    ]  # fmt: skip
    assert single[0].at == datetime(2026, 11, 27, 2, 15, tzinfo=UTC)
    assert read({"records": [record, record]}) == [single, single]


def test_units_come_from_the_value_then_from_the_profile_and_dust_needs_one() -> None:
    assert one({"value": 0.088, "unit": "mg/m³"}) == (88.0, "")
    assert one(88) == (88.0, "")
    (found,) = read({"time": TIME, "values": {"a34002": 88}}, {})
    assert (found[0].value, found[0].quality) == (88.0, "unit")


@pytest.mark.parametrize(
    ("value", "quality"),
    [
        (float("nan"), "number"), (float("inf"), "number"), (10**400, "number"), ("1,2", "number"), ("--", "missing"),
        ("", "missing"), (None, "missing"), ("８８", "number"), (True, "number"), ([], "number"), ("1_0", "number"),
        (-1, "range"), (30_000, "range"), ({"value": 5, "low": 6}, "order"), ({"value": 5, "flag": "D"}, "flag"),
        ({"value": 5, "flag": "x"}, "letter"),
    ],
)  # fmt: skip
def test_f30_what_is_no_value_has_a_reason_and_the_others_are_kept(value: Any, quality: str) -> None:
    assert one(value)[1] == quality


def test_f30_a_number_beyond_all_bounds_in_the_text() -> None:
    found = readings(parse(b'{"time": "%s", "values": {"a34002": 1e400, "LA": NaN}}' % TIME.encode()), UNITS)
    assert [(r.value, r.quality) for r in found[0]] == [(None, "number"), (None, "number")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"device": "a\0b", "time": TIME, "values": {"LA": 1}}, "device"),
        ({"device": 7, "time": TIME, "values": {"LA": 1}}, "device"),
        ({"time": "2026-11-27T10:15:00", "values": {"LA": 1}}, "time"),
        ({"time": "yesterday", "values": {"LA": 1}}, "time"),
        ({"values": {"LA": 1}}, "time"),
        ({"time": "0001-01-01T00:00:00+08:00", "values": {"LA": 1}}, "time"),
        ({"time": TIME, "values": {}}, "values"),
        ({"time": TIME, "span": "year", "values": {"LA": 1}}, "span"),
        ({"time": TIME, "values": {"L\0A": 1}}, "values.L\0A"),
        ({"time": TIME, "values": {"LA": {"value": 1, "unit": "kg"}}}, "values.LA.unit"),
        ({"time": TIME, "values": {"LA": {"value": 1, "colour": "red"}}}, "values.LA.colour"),
        ({"records": [{"time": TIME, "values": {"LA": 1}}, {"time": TIME, "values": 5}]}, "records[1].values"),
        ({"records": []}, "records"),
        ({"records": [{}] * (MOST_RECORDS + 1)}, "records"),
        ({"records": ["x"]}, "records[0]"),
        ([], ""),
    ],
)
def test_a_fault_that_leaves_the_meaning_open_is_named_with_its_place(body: Any, field: str) -> None:
    with pytest.raises(BadBody) as refusal:
        read(body)
    assert refusal.value.field == field
    assert refusal.value.allowed


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"{", b'{"a":' * 100_000, b'"\xe9"', b"[" * 100_000])
def test_f31_what_is_no_json_in_utf_8_is_refused(data: bytes) -> None:
    with pytest.raises(BadBody):
        parse(data)


@settings(max_examples=300)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["device", "records", "time", "values", "LA", "value", "unit", "flag", "x\0"]),
        inner, max_size=4), max_leaves=12))  # fmt: skip
def test_nothing_but_a_refusal_leaves_the_decoder(body: Any) -> None:
    try:
        found = read(body)
    except BadBody:
        return
    assert all(reading.at.tzinfo is UTC for record in found for reading in record)
