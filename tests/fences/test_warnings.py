"""Fences that have a level warn in the alarm centre of who is on the wrong side, until they are not."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.utils import timezone

from services.fences import warnings
from services.positions.store import Row, Store
from tests.positions.conftest import drive, fix

pytestmark = pytest.mark.django_db
Make = Callable[..., int]
CLEAN = """
delete from fences_standing; delete from fences_mark;
delete from alarms_told; delete from alarms_act; delete from alarms_episode; delete from live_event;
delete from notify_delivery; delete from notify_message;
"""


@pytest.fixture(autouse=True)
def _clean(link: psycopg.Connection) -> Iterator[None]:
    link.execute(CLEAN)
    warn()  # what happened before anybody looked is past
    yield
    link.execute(CLEAN)


def warn() -> int:
    """As the periodic work does it: in a thread, where it commits."""

    def work() -> int:
        try:
            return warnings.warn()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def standing(link: psycopg.Connection) -> list[tuple[Any, ...]]:
    """(kind of warning, subject, level, whether it has ended) of all warnings, the oldest first."""
    return link.execute(
        "select r.key, e.subject, e.level, e.ended_at is not null from alarms_episode e"
        " join alarms_rule r on r.id = e.rule_id order by e.began_at, e.id"
    ).fetchall()


def north(device: int, minutes: float, metres: float) -> list[Row]:
    """Two fixes so many metres to the north, some minutes ago."""
    at = timezone.now().replace(microsecond=0) - timedelta(minutes=minutes)
    return [fix(device, at + timedelta(seconds=10 * n), metres + n) for n in range(2)]


def test_who_drives_into_a_forbidden_place_is_warned_of_until_they_leave(
    link: psycopg.Connection, watched: Store, fence: Make, trucks: Callable[[], int]
) -> None:
    fence(level="orange", name="学校禁行区", kinds=["enter"])
    fence(level="", name="只记录", kinds=["enter"])
    truck = trucks()
    watched.write(north(truck, 10, 0))
    watched.write(north(truck, 8, 900))
    assert warn() == 1
    assert standing(link) == [("fence-mixer_trucks", "学校禁行区", "orange", False)]
    ((text, given),) = link.execute("select text, given from alarms_act where kind = 'raised'").fetchall()
    assert text % given == "进入围栏“学校禁行区”"
    ((people,),) = link.execute("select count(*) from alarms_told where kind = 'raised'").fetchall()
    assert people > 0, "it is told"
    assert warn() == 0, "once"
    watched.write(north(truck, 5, 3000))
    assert warn() == 0
    assert [row[3] for row in standing(link)] == [True], "though leaving is no event of this fence"
    watched.write(north(truck, 3, 900))
    assert warn() == 1 and [row[3] for row in standing(link)] == [True, False], "again is a warning of its own"


def test_who_leaves_where_they_belong_is_warned_of_until_they_are_back(
    link: psycopg.Connection, watched: Store, fence: Make, trucks: Callable[[], int]
) -> None:
    fence(level="red", name="作业范围", kinds=["leave"])
    truck = trucks()
    watched.write(north(truck, 10, 1000))
    watched.write(north(truck, 8, 4000))
    assert warn() == 1 and [row[2:] for row in standing(link)] == [("red", False)]
    watched.write(north(truck, 6, 1000))
    warn()
    assert [row[2:] for row in standing(link)] == [("red", True)]


def test_a_fence_that_watches_no_more_ends_its_warnings_and_late_positions_raise_none(
    link: psycopg.Connection, watched: Store, fence: Make, trucks: Callable[[], int]
) -> None:
    number = fence(level="yellow", kinds=["enter"])
    one, late = trucks(), trucks()
    for truck in (one, late):
        watched.write(north(truck, 50, 0))
    watched.write(north(one, 8, 900))
    watched.write([row._replace(received_at=timezone.now(), late=True) for row in north(late, 40, 900)])
    assert warn() == 1, "where the other one was 40 minutes ago is past"
    link.execute("update fences_fence set active = false where id = %s", [number])
    warn()
    assert [row[3] for row in standing(link)] == [True]


def test_a_rule_that_is_switched_off_is_asked(
    link: psycopg.Connection, watched: Store, fence: Make, trucks: Callable[[], int]
) -> None:
    fence(level="yellow", kinds=["enter"])
    truck = trucks()
    link.execute("update alarms_rule set enabled = false where key = 'fence-mixer_trucks'")
    try:
        watched.write(north(truck, 10, 0))
        watched.write(drive(truck, timezone.now() - timedelta(minutes=5), 1000, 0))
        assert warn() == 0 and standing(link) == []
    finally:
        link.execute("update alarms_rule set enabled = true where key = 'fence-mixer_trucks'")


def test_of_two_fences_of_one_name_one_that_is_left_ends_nothing_while_the_other_holds(
    link: psycopg.Connection, watched: Store, fence: Make, trucks: Callable[[], int]
) -> None:
    for metres in (300, 900):
        fence(level="red", name="禁行区", kinds=["enter"], metres=metres)
    truck = trucks()
    watched.write(north(truck, 10, 0))
    watched.write(north(truck, 8, 1000))
    warn()
    watched.write(north(truck, 6, 1600))
    warn()
    assert [row[3] for row in standing(link)] == [False], "the wider one holds the truck"
    watched.write(north(truck, 4, 4000))
    warn()
    assert [row[3] for row in standing(link)] == [True]
