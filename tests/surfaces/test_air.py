"""Regions side by side: the mean of their valid stations, the bands of the day that was measured, exceedance."""

import re
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from command_center.desk import air
from gis.models import Region
from services.accounts.models import User
from services.telemetry import partitions
from services.telemetry.spans import Span
from tests.conftest import HOME, SIBLING
from tests.surfaces.conftest import CHINA, NOON, City

pytestmark = pytest.mark.django_db
AT = "2026-11-20T12:00"


def rows(at: datetime = NOON, span: Span = Span.HOUR) -> dict[str, air.Row]:
    found = air.compare(list(Region.objects.filter(code__in=[HOME, SIBLING])), at, span)
    return {row.region.code: row for row in found}


@pytest.fixture
def clients(who: dict[str, Any]) -> dict[str, Client]:
    found = {name: Client(SERVER_NAME="127.0.0.1") for name in ("owner", "commander", "stranger", "public")}
    for name, client in found.items():
        if name != "public":
            client.force_login(User.objects.get(username=name))
    return found


def test_a_region_is_judged_by_the_mean_of_its_valid_stations(city: City) -> None:
    a, b, c = city.stations(3)
    city.hour({a: 100.0, b: 140.0, c: (900.0, False)})
    city.hour({a: 20.0, b: 30.0}, code="a34004")
    row = rows()[HOME]
    assert row.means == {"a34002": pytest.approx(120.0), "a34004": pytest.approx(25.0)}
    # PM10 120 is the last of 2026's second band; a single station at 140 is above it.
    assert (row.aqi, row.band.name, row.color, row.primary) == (100, "良", air.NO_VALUE, "PM10")
    assert (row.stations, row.valid, row.over, row.share) == (3, 2, 1, 0.5)
    empty = rows()[SIBLING]
    assert (empty.aqi, empty.band, empty.share, empty.rank) == (None, None, None, None)


@pytest.mark.parametrize(("day", "aqi"), [(28, 85), (1, 100)])
def test_f34_the_breakpoints_are_those_of_the_day_it_was_measured(city: City, day: int, aqi: int) -> None:
    at = datetime(2026, 2 if day == 28 else 3, day, 0, tzinfo=CHINA)
    partitions.make(partitions.raw(), at.date().replace(day=1))
    monitor = city.station(107.46, 31.24)
    city.hour({monitor: 120.0}, at)
    with connection.cursor() as cursor:
        cursor.execute("update telemetry_rollup set span = %s where at = %s", [Span.DAY, at])
    assert rows(at, Span.DAY)[HOME].aqi == aqi


@pytest.mark.covers("DZ-098")
def test_a_region_changes_its_colour_with_its_exceedance(city: City, clients: dict[str, Client]) -> None:
    made = city.stations(4)
    seen = []
    for high in range(5):
        city.hour({m: 300.0 if n < high else 30.0 for n, m in enumerate(made)})
        page = clients["commander"].get(f"/desk/air?at={AT}&by=over").content.decode()
        told = re.search(rf'"{HOME}": {{"name": "[^"]+", "color": "(#[0-9a-f]+)", "text": "(\d+%)"', page)
        assert told is not None
        seen.append(told.groups())
    assert [text for _color, text in seen] == ["0%", "25%", "50%", "75%", "100%"]
    colors = [color for color, _text in seen]
    assert colors == ["#00e400", "#ff7e00", "#ff0000", "#7e0023", "#7e0023"]
    # By index, too, and every number leads to its list.
    page = clients["commander"].get(f"/desk/air?at={AT}").content.decode()
    assert f"/desk/monitors?region={HOME}" in page
    assert '"color": "#99004C"' not in page and '"text": "200"' not in page
    assert "4 / 4 / 4</a>" in page


def test_the_page_shows_ones_own_regions(city: City, clients: dict[str, Client]) -> None:
    city.hour(dict.fromkeys(city.stations(3), 60.0))
    shown = {name: clients[name].get(f"/desk/air?at={AT}") for name in ("owner", "commander", "stranger")}
    assert all(answer.status_code == 200 for answer in shown.values())
    counties = {name: set(re.findall(r'"(5117\d\d)": {"name"', a.content.decode())) for name, a in shown.items()}
    assert counties["owner"] == {HOME}
    assert {HOME, SIBLING} < counties["commander"]
    assert counties["stranger"] == set()
    assert clients["public"].get("/desk/air").status_code in (302, 401)
    for query in ("at=noon", "day=2026-13-01", "by=size"):
        assert clients["owner"].get(f"/desk/air?{query}").status_code == 400, query
    assert clients["owner"].get("/desk/air").status_code == 200
    assert clients["owner"].get("/desk/air?day=2026-11-20").status_code == 200


def test_the_number_of_queries_does_not_grow_with_the_regions(
    city: City, clients: dict[str, Client], django_assert_max_num_queries: Any
) -> None:  # fmt: skip
    city.hour(dict.fromkeys(city.stations(3), 60.0))
    with django_assert_max_num_queries(24):
        assert clients["commander"].get(f"/desk/air?at={AT}").status_code == 200
