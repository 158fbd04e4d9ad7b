"""Positions of JT/T 808: read, written, judged, told apart."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.protocols.jt808.bodies import parse
from ingest.protocols.jt808.errors import BodyError
from ingest.protocols.jt808.from_terminal import Batch, build_batch
from ingest.protocols.jt808.messages import MessageId, decode, encode, packets
from ingest.protocols.jt808.positions import (
    AHEAD,
    BEHIND,
    SOUTH,
    WEST,
    Position,
    build_position,
    key,
    parse_position,
    problems,
)
from tests.ingest.protocols.jt808_samples import HERE, NOON

BARE = "00000001 00000003 01d3d3ac 0633eaa4 01f4 0168 005a 261121120000"


def body(items: str = "", *, status: str = "00000003", clock: str = "261121120000") -> bytes:
    return bytes.fromhex(BARE.replace("00000003", status).replace("261121120000", clock) + items)


def test_every_field_by_hand() -> None:
    found = parse_position(body("0104 000186a0 0202 0064 0302 0163 3001 17 3101 00 2a02 0004 ff00"))
    assert found == Position(
        at=NOON,
        lon=104.0657,
        lat=30.6595,
        altitude=500,
        speed=36.0,
        heading=90,
        status=3,
        alarm=1,
        mileage_km=10000.0,
        fuel_l=10.0,
        extras={"recorder_kmh": 35.5, "signal": 23, "satellites": 0, "items": [("2a", "0004"), ("ff", "")]},
    )


@pytest.mark.parametrize(
    ("status", "lon", "lat"),
    [("00000002", 1, 1), ("00000006", 1, -1), ("0000000a", -1, 1), ("0000000e", -1, -1)],
)
def test_signs_come_from_status_bits(status: str, lon: int, lat: int) -> None:
    found = parse_position(body(status=status))
    assert (found.lon, found.lat) == (lon * 104.0657, lat * 30.6595)
    assert (found.is_fixed, found.is_running) == (True, False)


def test_the_day_begins_eight_hours_earlier_in_utc() -> None:
    assert parse_position(body(clock="270101073000")).at == datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert parse_position(body(clock="280229235959")).at == datetime(2028, 2, 29, 15, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("clock", ["000000000000", "261301000000", "270229000000", "26112112600a", "ffffffffffff"])
def test_f14_digits_that_are_no_time_are_kept_and_told(clock: str) -> None:
    found = parse_position(body(clock=clock))
    assert found.at is None
    assert found.extras == {"clock": clock}
    assert problems(found, NOON) == ("no-time",)
    assert build_position(found) == body(clock=clock)


@pytest.mark.parametrize("size", range(28))
def test_f23_a_body_under_28_bytes_is_refused(size: int) -> None:
    with pytest.raises(BodyError) as caught:
        parse_position(body()[:size])
    assert caught.value.kind == "body-short"


@pytest.mark.parametrize(
    ("items", "tail"),
    [("01", "01"), ("0104 000000", "0104000000"), ("3001 17 00dd 00", "00dd00"), ("2aff 00", "2aff00")],
)
def test_f23_a_cut_item_does_not_cost_the_position(items: str, tail: str) -> None:
    found = parse_position(body(items))
    assert found.extras["tail"] == tail
    assert (found.at, found.lon, found.mileage_km) == (NOON, 104.0657, None)
    assert problems(found, NOON) == ()


@pytest.mark.parametrize("items", ["0102 0001", "0204 00000001", "0301 01", "3002 0017", "3100", "0301 05"])
def test_an_item_of_another_length_stays_as_sent(items: str) -> None:
    found = parse_position(body(items))
    assert (found.mileage_km, found.fuel_l) == (None, None)
    assert found.extras == {"items": [(items[:2], items[4:].replace(" ", ""))]}


def test_f18_the_first_of_two_equal_items_counts_and_the_second_is_kept() -> None:
    found = parse_position(body("0104 00000001 0104 00000002 3001 17 3001 18"))
    assert found.mileage_km == 0.1
    assert found.extras == {"signal": 23, "items": [("01", "00000002"), ("30", "18")]}


def test_zero_is_not_missing() -> None:
    found = parse_position(body("0104 00000000 0202 0000 0302 0000 3001 00 3101 00"))
    assert (found.mileage_km, found.fuel_l) == (0.0, 0.0)
    assert found.extras == {"recorder_kmh": 0.0, "signal": 0, "satellites": 0}
    assert parse_position(build_position(found)) == found


HEX = st.binary(max_size=255).map(bytes.hex)
EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "recorder_kmh": st.integers(0, 65535).map(lambda tenths: tenths / 10),
        "signal": st.integers(0, 255),
        "satellites": st.integers(0, 255),
        "items": st.lists(st.tuples(st.integers(0x32, 255).map("{:02x}".format), HEX), min_size=1, max_size=3),
    },
)
POSITIONS = st.builds(
    Position,
    at=st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)).map(
        lambda at: at.replace(microsecond=0)
    ),
    lon=st.integers(-180_000_000, 180_000_000).map(lambda micro: micro / 1e6),
    lat=st.integers(-90_000_000, 90_000_000).map(lambda micro: micro / 1e6),
    altitude=st.integers(0, 65535),
    speed=st.integers(0, 65535).map(lambda tenths: tenths / 10),
    heading=st.integers(0, 65535),
    status=st.integers(0, 2**32 - 1),
    alarm=st.integers(0, 2**32 - 1),
    mileage_km=st.none() | st.integers(0, 2**32 - 1).map(lambda tenths: tenths / 10),
    fuel_l=st.none() | st.integers(0, 65535).map(lambda tenths: tenths / 10),
    extras=EXTRAS,
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(POSITIONS, st.none() | st.integers(0, 255))
def test_written_and_read_again(position: Position, version: int | None) -> None:
    wire = encode(MessageId.LOCATION, build_position(position), phone="1", serial=0, protocol_version=version)
    assume_one = packets(MessageId.LOCATION, build_position(position), phone="1", serial=0, protocol_version=version)
    assert assume_one == [wire]
    found = parse(decode(wire))
    sign = (SOUTH if position.lat < 0 else 0) | (WEST if position.lon < 0 else 0)
    assert found == replace(position, status=position.status & ~(SOUTH | WEST) | sign)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ()),
        ({"status": 1}, ("not-fixed",)),
        ({"lon": 0.0, "lat": 0.0}, ("zero-island",)),
        ({"lon": 0.000012, "lat": -0.0004}, ("zero-island",)),
        ({"lon": 0.0}, ()),
        ({"lat": 90.000001}, ("out-of-range",)),
        ({"lon": -180.5}, ("out-of-range",)),
        ({"lat": 116.307629, "lon": 40.058359}, ("out-of-range",)),
        ({"speed": 180.0}, ()),
        ({"speed": 180.1}, ("speed",)),
        ({"heading": 360}, ()),
        ({"heading": 361}, ("heading",)),
        ({"at": NOON + AHEAD}, ()),
        ({"at": NOON + AHEAD + timedelta(seconds=1)}, ("future",)),
        ({"at": NOON - BEHIND}, ()),
        ({"at": NOON - BEHIND - timedelta(seconds=1)}, ("outdated",)),
        ({"status": 0, "lon": 0.0, "lat": 0.0, "at": None}, ("not-fixed", "zero-island", "no-time")),
    ],
)
def test_f14_problems_by_name_and_their_limits(change: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert problems(replace(HERE, **change), NOON) == expected


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("261122120000", ("future",)),  # a day ahead
        ("251121120000", ("outdated",)),  # a year behind
        ("700101080000", ("future",)),  # 1970 in two digits is 2070
        ("380119031408", ("future",)),
        ("000101000000", ("outdated",)),
    ],
)
def test_f14_clocks_of_devices(clock: str, expected: tuple[str, ...]) -> None:
    assert problems(parse_position(body(clock=clock)), NOON) == expected


def test_the_speed_limit_is_the_callers() -> None:
    assert problems(replace(HERE, speed=81.0), NOON, max_speed=80.0) == ("speed",)


def test_f15_a_repeat_has_the_same_key_whatever_the_serial() -> None:
    first, again = (
        parse(decode(encode(MessageId.LOCATION, build_position(HERE), phone="1", serial=n))) for n in (1, 2)
    )
    assert isinstance(first, Position) and isinstance(again, Position)
    assert key(first) == key(again) == key(HERE)
    assert len(key(HERE)) == 16


def test_f15_live_and_in_a_batch_is_one_fix() -> None:
    """Back-fill repeats what was sent and not acknowledged; items may differ, time zones too."""
    batch = parse(decode(encode(MessageId.LOCATION_BATCH, build_batch(Batch(True, (HERE,))), phone="1", serial=9)))
    assert isinstance(batch, Batch) and batch.is_back_fill
    assert key(batch.positions[0]) == key(replace(HERE, mileage_km=None, extras={}))


@pytest.mark.parametrize(
    "change",
    [
        {"at": NOON + timedelta(seconds=1)},
        {"at": None},
        {"lon": HERE.lon + 1e-6},
        {"lat": -HERE.lat},
        {"altitude": 501},
        {"speed": 36.1},
        {"heading": 91},
        {"status": 2},
        {"alarm": 1},
    ],
)
def test_another_report_has_another_key(change: dict[str, Any]) -> None:
    assert key(replace(HERE, **change)) != key(HERE)


def test_reports_without_a_time_are_told_apart_by_what_was_sent() -> None:
    one, other = (parse_position(body(clock=clock)) for clock in ("000000000000", "000000000001"))
    assert one.at is None and other.at is None
    assert key(one) != key(other)


@pytest.mark.parametrize("year", [1999, 2100])
def test_a_year_without_two_digits_is_not_written(year: int) -> None:
    with pytest.raises(ValueError, match="two digits"):
        build_position(replace(HERE, at=datetime(year, 6, 1, tzinfo=UTC)))
