"""What fences tell: once, at the right moment, and the same however positions come."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection

from services.fences import evaluate, fences
from services.fences.evaluate import EVALUATE, JOINS
from services.positions.store import Row, Store
from tests.conftest import connect
from tests.positions.conftest import LAT, LON, METRE, NOON, drive, fix, stand

pytestmark = pytest.mark.django_db
Make = Callable[..., int]


def told(link: psycopg.Connection) -> list[tuple[Any, ...]]:
    """(kind, seconds after noon) of all events, in their order."""
    return [
        (kind, (at - NOON).total_seconds())
        for kind, at in link.execute("select kind, at from fences_event order by at, kind").fetchall()
    ]


def through(device: int) -> list[Row]:
    """A drive of 2 km northwards at 10 m/s, a fix every ten seconds: within the fence from 700 m to 1,300 m."""
    return [fix(device), *drive(device, NOON, 2000)]


def test_a_truck_that_drives_through_enters_and_leaves_once(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    one = trucks()
    fence(metres=305)
    watched.write(through(one))
    assert told(link) == [("enter", 70), ("leave", 140)]


@pytest.mark.parametrize("seed", range(5))
def test_f15_f16_however_the_batches_are_cut_and_repeated_the_events_are_the_same(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make, seed: int
) -> None:
    chance, whole, cut = random.Random(seed), trucks(), trucks()
    fence(kinds=["enter", "leave", "dwell"])
    fence(1500, metres=100, fixes=3, seconds=15)
    rows = through(whole)
    rows += stand(whole, rows[-1].at + timedelta(seconds=10), 2, 1200)
    rows += stand(whole, rows[-1].at + timedelta(seconds=30), 15, 1000)
    rows += drive(whole, rows[-1].at, 2000, 1000)
    watched.write(rows)
    rows = [row._replace(device=cut) for row in rows]
    while rows:
        size = chance.randrange(1, 30)
        batch, rows = rows[:size], rows[size:]
        watched.write(chance.sample(batch, len(batch)))
        if chance.random() < 0.5:
            watched.write(batch)
    found = link.execute("select device, fence, kind, at from fences_event order by at, fence, kind").fetchall()
    of = {device: [event[1:] for event in found if event[0] == device] for device in (whole, cut)}
    assert of[cut] == of[whole]
    assert {kind for _fence, kind, _at in of[whole]} == {"enter", "leave", "dwell"}


def test_f32_jitter_at_the_border_is_one_event(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    one = trucks()
    fence()
    norths = [600, 650, 710, 690, 705, 695, 720, 698, 760, 800, 850, 702, 699, 703, 900]
    for n, north in enumerate(norths):
        watched.write([fix(one, NOON + timedelta(seconds=10 * n), north)])
    assert told(link) == [("enter", 80)]


def test_an_event_needs_so_many_seconds_on_the_new_side(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    one = trucks()
    fence(fixes=1, seconds=60)
    watched.write([fix(one), fix(one, NOON + timedelta(seconds=10), 900), fix(one, NOON + timedelta(seconds=60), 0)])
    assert told(link) == []
    begin = NOON + timedelta(seconds=100)
    for n in range(5):
        watched.write([fix(one, begin + timedelta(seconds=20 * n), 900)])
    assert told(link) == [("enter", 100)]


def test_f17_late_positions_raise_nothing_and_turn_nothing_back(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    one = trucks()
    fence()
    rows = through(one)
    inside = [row for row in rows if 70 <= (row.at - NOON).total_seconds() <= 130]
    watched.write([row for row in rows if row not in inside])
    assert told(link) == []
    watched.write(inside)
    assert told(link) == []
    state = link.execute("select inside from fences_state").fetchall()
    assert state in ([], [(False,)])


def test_a_truck_that_is_inside_already_does_not_enter(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    known, fresh = trucks(), trucks()
    watched.write(stand(known, NOON, 2, 1000))
    fence()
    later = NOON + timedelta(minutes=5)
    watched.write([*stand(known, later, 2, 1000), *stand(fresh, later, 2, 1000)])
    assert told(link) == []
    gone = later + timedelta(minutes=2)
    watched.write([*drive(known, gone, 1000, 1000), *drive(fresh, gone, 1000, 1000)])
    assert [kind for kind, _at in told(link)] == ["leave", "leave"]


def test_dwelling_is_told_once_after_its_time(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    one = trucks()
    fence(kinds=["dwell"], dwell_minutes=10)
    for row in [fix(one), *stand(one, NOON + timedelta(minutes=1), 30, 1000)]:
        watched.write([row])
    assert told(link) == [("dwell", 60 + 600)]


def test_leaving_the_corridor_of_a_route_is_a_deviation(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    one = trucks()
    line = f"SRID=4490;LINESTRING({LON} {LAT - 500 * METRE}, {LON} {LAT + 5000 * METRE})"
    fence(shape="corridor", geom=line, metres=50.0, kinds=["deviation"])
    rows = [fix(one), *drive(one, NOON, 1000)]
    rows += [fix(one, NOON + timedelta(seconds=100 + 10 * n), 1000, 30 * n) for n in range(1, 6)]
    watched.write(rows)
    assert told(link) == [("deviation", 120)]


def test_a_fence_watches_its_own_trucks_at_its_own_hours(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    one, other = trucks(), trucks()
    (feature,) = link.execute("select feature from telemetry_device where id = %s", [one]).fetchone()  # type: ignore[misc]
    mine = fence(features=[feature])
    fence(from_time="22:00", to_time="06:00")
    fence(weekdays=[6, 7])
    fence(valid_from="2026-11-21")
    fence(active=False)
    fence(layer="monitors")
    watched.write([*through(one), *through(other)])
    found = link.execute("select fence, device from fences_event").fetchall()
    assert found == [(mine, one)] * 2


def test_a_slow_writer_is_not_read_over(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    first, second = trucks(), trucks()
    fence()
    watched.write([fix(second)])
    with connect(link.info.dbname) as other, other.transaction():
        # It began first, wrote first, and commits last.
        Store(other, [evaluate.watch]).write(through(first))
        watched.write(through(second))
        quick = read()
        assert [device for _mark, device in quick] == [second, second]
    assert [device for _mark, device in read(quick[-1][0])] == [first, first]
    assert [device for _mark, device in read()] == [second, second, first, first], "the order stays"


def test_an_open_transaction_that_writes_no_positions_holds_nothing_back(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    fence()
    with connect(link.info.dbname) as other, other.transaction():
        other.execute("update telemetry_factor set name = name")
        watched.write(through(trucks()))
        assert len(read()) == 2


def test_events_of_a_fence_that_went_leave_the_marks_of_others(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    first, second = trucks(), trucks()
    fence()
    gone = fence(metres=305)
    watched.write(through(first))
    mark = read()[-1][0]
    link.execute("delete from fences_fence where id = %s", [gone])
    watched.write(through(second))
    assert len(read(mark)) == 2


def read(mark: int = 0) -> list[tuple[int, int]]:
    """(Mark, device) of what an engine reads after a mark; in a thread, where Django is in no transaction."""

    def since() -> list[fences.Happened]:
        try:
            return fences.since(mark)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return [(event.mark, event.device) for event in pool.submit(since).result()]


def test_events_are_found_by_index(
    watched: Store, link: psycopg.Connection, trucks: Callable[[], int], fence: Make
) -> None:
    one = trucks()
    for n in range(1500):
        fence(20_000 + 700 * n)
    link.execute("analyze fences_fence")
    with link.transaction(), link.cursor() as cursor:
        cursor.execute("create temp table arriving_positions (like positions_position) on commit drop")
        cursor.execute(
            "insert into arriving_positions (device, at, received_at, status, alarm, speed, altitude, heading, quality,"
            " late, geom) values (%s, %s, %s, 0, 0, 0, 0, 0, 0, false, ST_SetSRID(ST_MakePoint(%s, %s), 4490))",
            [one, NOON, NOON, LON, LAT],
        )
        cursor.execute(JOINS)
        plan = "\n".join(row[0] for row in cursor.execute(f"explain {EVALUATE}").fetchall())
    assert "fences_fence_area" in plan
