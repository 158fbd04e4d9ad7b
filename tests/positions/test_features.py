"""The latest position and state in the rows of features that move."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from services.positions import features
from services.positions.store import Store
from services.telemetry import devices
from tests.positions.conftest import LAT, LON, NOON, fix

pytestmark = pytest.mark.django_db
Device = Callable[..., int]


@pytest.fixture
def truck(link: psycopg.Connection) -> Iterator[str]:
    """A truck of the demo city, put back as it was afterwards."""
    columns = "id, state, geom, speed, heading, located_at"
    row = link.execute(f"select {columns} from concrete_mixertruck order by id limit 1").fetchone()
    assert row is not None
    link.execute("update concrete_mixertruck set state = 'offline', located_at = %s where id = %s", [
        NOON - timedelta(days=1), row[0],
    ])  # fmt: skip
    yield row[0]
    link.execute(
        "update concrete_mixertruck set state = %s, geom = %s, speed = %s, heading = %s, located_at = %s where id = %s",
        [*row[1:], row[0]],
    )


def shown(link: psycopg.Connection, truck: str) -> tuple[Any, ...]:
    """(state, km/h, heading, time, whether it is where the last fix was) of the row."""
    row = link.execute(
        "select state, speed, heading, located_at,"
        " ST_Distance(geom::geography, ST_SetSRID(ST_MakePoint(%s, %s), 4490)::geography) < 1"
        " from concrete_mixertruck where id = %s", [LON, LAT, truck],
    ).fetchone()  # fmt: skip
    assert row is not None
    return row


def test_a_truck_drives_stands_and_falls_silent(
    store: Store, link: psycopg.Connection, device: Device, truck: str
) -> None:
    one = device(feature=truck)
    store.write([fix(one, speed=41.26, heading=123)])
    devices.heard(link, {one: (NOON, "10.0.0.1")})
    features.write(link)
    assert shown(link, truck) == ("driving", 41.3, 123.0, NOON, True)
    before = link.execute("select xmin::text from concrete_mixertruck where id = %s", [truck]).fetchone()
    features.write(link)
    assert link.execute("select xmin::text from concrete_mixertruck where id = %s", [truck]).fetchone() == before
    store.write([fix(one, NOON + timedelta(seconds=30), speed=0.0)])
    features.write(link)
    assert shown(link, truck)[:2] == ("idle", 0.0)
    devices.mark_silent(link, NOON + timedelta(hours=1))
    features.write(link)
    assert shown(link, truck)[0] == "offline"


def test_a_judgement_stays_while_it_stands_and_ends_when_it_drives_off(
    store: Store, link: psycopg.Connection, device: Device, truck: str
) -> None:
    one = device(feature=truck)
    link.execute("update concrete_mixertruck set state = 'pouring' where id = %s", [truck])
    store.write([fix(one, speed=2.0)])
    devices.heard(link, {one: (NOON, "10.0.0.1")})
    features.write(link)
    assert shown(link, truck)[0] == "pouring"
    store.write([fix(one, NOON + timedelta(seconds=30), speed=30.0)])
    features.write(link)
    assert shown(link, truck)[0] == "driving"


def test_f17_late_and_blocked_positions_move_no_truck(
    store: Store, link: psycopg.Connection, device: Device, truck: str
) -> None:
    one = device(feature=truck)
    store.write([fix(one)])
    features.write(link)
    store.write([fix(one, NOON - timedelta(minutes=20), 5000, received_at=NOON)])
    features.write(link)
    assert shown(link, truck)[3:] == (NOON, True)
    link.execute("update telemetry_device set state = 'blocked' where id = %s", [one])
    store.write([fix(one, NOON + timedelta(seconds=30), 5000)])
    features.write(link)
    assert shown(link, truck)[3:] == (NOON, True)
