"""Trips and stops: what they are, and that however positions arrive they come out as from a sorted replay."""

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from pyproj import Geod

from services.positions import legs
from services.positions.store import Row, Store
from tests.positions.conftest import NOON, drive, fix, stand
from tests.telemetry.conftest import CHINA

pytestmark = pytest.mark.django_db
Device = Callable[..., int]
CGCS2000 = Geod(a=6378137.0, rf=298.257222101)


def found(link: psycopg.Connection, device: int) -> list[tuple[Any, ...]]:
    """(kind, began, ended, metres, fixes) of a device's legs."""
    legs.derive(link)
    return link.execute(
        "select kind, began_at, ended_at, round(distance_m::numeric, 3)::float8, fixes, fresh from positions_leg"
        " where device = %s order by began_at", [device],
    ).fetchall()  # fmt: skip


def length(rows: list[Row]) -> float:
    """Metres along positions."""
    return CGCS2000.line_length([row.lon for row in rows], [row.lat for row in rows])


def day_of(device: int, begin: datetime = NOON) -> list[Row]:
    """Ten minutes of standing, 3 km, five of standing, 2 km, an hour of silence, 1 km from elsewhere, standing."""
    rows = stand(device, begin, 10)
    rows += drive(device, rows[-1].at, 3000, 0)
    rows += stand(device, rows[-1].at + timedelta(seconds=10), 5, 3100)
    rows += drive(device, rows[-1].at, 2000, 3100)
    later = rows[-1].at + timedelta(hours=1)
    rows += drive(device, later, 1000, 6100)
    return rows + stand(device, rows[-1].at + timedelta(seconds=10), 20, 7200)


def test_trips_run_from_the_last_fix_of_a_stop_to_the_first_of_the_next(
    store: Store, link: psycopg.Connection, device: Device
) -> None:
    one = device()
    rows = day_of(one)
    store.write(rows)
    legs_ = found(link, one)
    assert [leg[0] for leg in legs_] == [1, 0, 1, 0, 0, 1]
    stop, trip, second, *_rest = legs_
    assert stop[1] == NOON and trip[1] == stop[2] and trip[2] == second[1]
    driven = [row for row in rows if trip[1] <= row.at <= trip[2]]
    assert trip[3] == pytest.approx(length(driven), abs=0.01)
    # The hour of silence belongs to no trip.
    assert legs_[4][1] - legs_[3][2] > timedelta(minutes=59)
    assert sum(leg[3] for leg in legs_[3:5]) < 3100


@pytest.mark.parametrize("seed", range(6))
def test_f16_f17_any_order_of_arrival_gives_the_legs_of_the_sorted_replay(
    store: Store, link: psycopg.Connection, device: Device, seed: int
) -> None:
    chance = random.Random(seed)
    sorted_, shuffled = device(), device()
    rows = day_of(sorted_)
    # Some fixes near the borders of stops and jumps of a broken receiver.
    for _ in range(6):
        rows.append(fix(sorted_, NOON + timedelta(seconds=chance.randrange(1, 7000)), chance.uniform(-200, 7500)))
    rows = list({row.at: row for row in rows}.values())
    store.write(sorted(rows, key=lambda row: row.at))
    again = [row._replace(device=shuffled) for row in rows]
    if seed % 2:
        chance.shuffle(again)
    else:
        # A back-fill: one stretch comes last.
        again.sort(key=lambda row: row.at)
        cut = chance.randrange(len(again))
        again = again[:cut] + again[cut + 40 :] + again[cut : cut + 40]
    while again:
        size = chance.randrange(1, 25)
        store.write(again[:size])
        again = again[size:]
        legs.derive(link)
    assert found(link, shuffled) == found(link, sorted_)


def test_late_positions_leave_the_legs_that_they_cannot_change(
    store: Store, link: psycopg.Connection, device: Device
) -> None:
    one = device()
    rows = [row for hours in (0, 4, 8, 12, 16) for row in day_of(one, NOON + timedelta(hours=hours))]
    missing = [row for row in rows if NOON + timedelta(minutes=12) < row.at < NOON + timedelta(minutes=13)]
    assert missing
    store.write([row for row in rows if row not in missing])
    found(link, one)
    before = dict(link.execute("select began_at, xmin::text from positions_leg").fetchall())
    store.write(missing)
    after = dict(zip([leg[1] for leg in found(link, one)], link.execute(
        "select xmin::text from positions_leg order by began_at"
    ).fetchall(), strict=True))  # fmt: skip
    kept = [at for at, (writer,) in after.items() if before.get(at) == writer]
    assert len(kept) >= len(after) - 4
    assert link.execute("select count(*) from positions_mark").fetchone() == (0,)


def test_a_jump_of_a_broken_receiver_adds_no_metres(store: Store, link: psycopg.Connection, device: Device) -> None:
    one = device()
    rows = [fix(one), *drive(one, NOON, 2000)]
    jump = fix(one, rows[5].at + timedelta(seconds=4), 90_000)
    store.write([*rows, jump])
    (trip,) = found(link, one)
    assert trip[3] == pytest.approx(length(rows), abs=0.01)


def test_mileage_of_a_day_counts_the_part_of_a_trip_that_lies_in_it(
    store: Store, link: psycopg.Connection, device: Device
) -> None:
    one = device()
    midnight = datetime(2026, 11, 21, tzinfo=CHINA)
    begin = midnight - timedelta(minutes=10)
    rows = [*stand(one, begin - timedelta(minutes=5), 5), *drive(one, begin, 12_000)]
    store.write(rows)
    legs.derive(link)
    days = legs.daily([one], date(2026, 11, 20), date(2026, 11, 22), link)
    driven = [(after.at, length([before, after])) for before, after in pairwise(rows) if after.at > begin]
    for day in days:
        expected = sum(m for at, m in driven if (at - timedelta(seconds=1)).astimezone(CHINA).date() == day.day)
        assert day.metres == pytest.approx(expected, abs=0.05)
    assert [day.trips for day in days] == [1, 0, 0]
    assert legs.mileage([one], begin, midnight + timedelta(days=1), link) == pytest.approx(
        sum(day.metres for day in days), abs=0.01
    )


def test_the_rule_is_a_row(store: Store, link: psycopg.Connection, device: Device) -> None:
    one = device()
    store.write([*stand(one, NOON, 4), *drive(one, NOON + timedelta(minutes=4), 2000)])
    assert [leg[0] for leg in found(link, one)] == [1, 0]
    link.execute("update positions_rule set stop_seconds = 300")
    try:
        legs.rebuild(one, link)
        assert [leg[0] for leg in found(link, one)] == [0]
    finally:
        link.execute("update positions_rule set stop_seconds = 180")
