"""What is stored of positions, what is set aside, and that the latest never moves back."""

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from gis.datums import wgs_to_gcj
from services.positions.store import Store
from tests.positions.conftest import LAT, LON, NOON, drive, fix

pytestmark = pytest.mark.django_db
TABLES = ("position", "latest", "mark", "aside")
Device = Callable[..., int]


def everything(link: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, with the transaction that wrote each."""
    return {
        table: link.execute(f"select xmin::text, t.* from positions_{table} t order by t::text").fetchall()
        for table in TABLES
    }


def latest(link: psycopg.Connection, device: int) -> tuple[object, ...] | None:
    return link.execute(
        "select at, round(ST_Y(geom)::numeric, 7)::float8 from positions_latest where device = %s", [device]
    ).fetchone()


def test_f15_the_same_position_five_times_is_one_row_and_changes_nothing(
    store: Store, link: psycopg.Connection, device: Device
) -> None:
    one = device()
    rows = [fix(one), *drive(one, NOON, 300)]
    assert store.write(rows).new == 4
    before = everything(link)
    for again in range(4):
        rows = [row._replace(received_at=row.received_at + timedelta(minutes=again), late=True) for row in rows]
        stored = store.write(rows + rows)
        assert (stored.new, stored.same, stored.replaced, stored.revisions) == (0, 8, 0, 0)
    assert everything(link) == before


def test_f14_a_wrong_clock_is_set_aside_and_moves_nothing(
    store: Store, link: psycopg.Connection, device: Device
) -> None:
    one = device()
    store.write([fix(one)])
    for wrong in (NOON + timedelta(days=1), NOON + timedelta(minutes=6), NOON - timedelta(days=31), None):
        stored = store.write([fix(one, wrong, 500, received_at=NOON)])
        assert (stored.new, stored.refused) == (0, {"clock": 1})
    assert latest(link, one) == (NOON, LAT)
    reasons = link.execute("select reason, received_at from positions_aside").fetchall()
    assert reasons == [("clock", NOON)] * 4
    assert store.write([fix(one, NOON + timedelta(minutes=4), 500, received_at=NOON)]).new == 1


def test_f16_an_old_position_is_kept_and_the_latest_stays(
    store: Store, link: psycopg.Connection, device: Device
) -> None:
    one = device()
    store.write([fix(one)])
    before = latest(link, one)
    store.write([fix(one, NOON - timedelta(minutes=30), 900, received_at=NOON)])
    assert latest(link, one) == before
    late = link.execute("select late from positions_position order by at").fetchall()
    assert late == [(True,), (False,)]


@pytest.mark.parametrize("problem", ["not-fixed", "zero-island", "out-of-range", "speed", "heading"])
def test_f39_a_position_that_cannot_be_is_kept_and_moves_nothing(
    store: Store, link: psycopg.Connection, device: Device, problem: str
) -> None:
    one = device()
    store.write([fix(one), fix(one, NOON + timedelta(seconds=30), 90, problem=problem, lon=400.0)])
    assert latest(link, one) == (NOON, LAT)
    kept = link.execute("select quality, geom is null from positions_position order by at").fetchall()
    assert kept[0] == (0, False)
    assert kept[1][0] > 0 and kept[1][1]


@pytest.mark.parametrize("together", [True, False])
def test_f18_of_two_positions_for_one_moment_the_first_good_is_kept(
    store: Store, link: psycopg.Connection, device: Device, together: bool
) -> None:
    one = device()
    bad, good, other = fix(one, problem="not-fixed"), fix(one), fix(one, north=70)
    batches = [[bad, good, other]] if together else [[bad], [good], [other]]
    counted = [store.write(batch) for batch in batches]
    assert sum(stored.revisions for stored in counted) == 1
    assert latest(link, one) == (NOON, LAT)
    assert link.execute("select quality from positions_position").fetchall() == [(0,)]
    assert link.execute("select reason from positions_aside").fetchall() == [("other",)]


def test_a_terminal_that_sends_gcj02_is_put_where_it_is(store: Store, link: psycopg.Connection, device: Device) -> None:
    one, other = device(), device()
    link.execute(
        "insert into positions_terminal (device_id, maker, model, number, plate, datum) values (%s, '', '', '', '',"
        " 'gcj02')", [one],
    )  # fmt: skip
    lon, lat = (float(value) for value in wgs_to_gcj(LON, LAT))
    store.write([fix(one, lon=lon, lat=lat), fix(other, lon=lon, lat=lat)])
    apart = link.execute(
        "select ST_Distance(geom::geography, ST_SetSRID(ST_MakePoint(%s, %s), 4490)::geography) from positions_latest"
        " order by device", [LON, LAT],
    ).fetchall()  # fmt: skip
    assert apart[0][0] < 0.01
    assert apart[1][0] > 100


def test_unknown_devices_are_left_out_and_the_rest_is_stored(store: Store, device: Device) -> None:
    one = device()
    stored = store.write([fix(one), fix(999_999)])
    assert (stored.new, stored.refused) == (1, {"device": 1})
