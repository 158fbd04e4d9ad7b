"""The pages of measured values as people get them: history, comparison, rose, their files, and nothing foreign."""

import csv
import io
from datetime import timedelta
from typing import Any

import openpyxl
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from layers.environment.models import Monitor
from services.audit.models import Entry
from services.telemetry import partitions
from services.telemetry.models import Device
from services.telemetry.rollups import compute
from services.telemetry.spans import ZONE
from services.telemetry.store import Row, Store
from tests.conftest import HOME, SIBLING, client

pytestmark = pytest.mark.django_db
PAGES = (
    "/desk/readings?feature={0}",
    "/desk/compare?feature={0}",
    "/desk/rose?feature={0}",
    "/desk/rose?feature={0}&factor=a34002",
)
FILES = (
    "/desk/readings/export?feature={0}",
    "/desk/readings/export?feature={0}&what=raw",
    "/desk/compare/export?feature={0}",
)


def taken(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


@pytest.fixture
def point() -> Monitor:
    """A monitor at home, which sent two whole hours and a half: PM10, noise, wind."""
    monitor = Monitor.objects.create(code="MN-OWN", name="家门口监测点", region_id=HOME)
    device = Device.objects.create(
        protocol="hj212", number="MN-OWN", feature=monitor.pk, state="active", interval=600, back_days=400
    )
    begin = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    values = {"a34002": 0.0, "LA": 60.0, "a01007": 2.0, "a01008": 90.0}
    rows = [
        Row(
            device.pk,
            code,
            begin + timedelta(minutes=10 * n),
            "real",
            value,
            None,
            None,
            None,
            "N",
            "",
            begin + timedelta(hours=3),
        )
        for n in range(15)
        for code, value in values.items()
    ]
    Store(partitions.raw()).write(rows)
    compute(partitions.raw(), running=True)  # days are not over at most hours
    return monitor


@pytest.mark.parametrize("address", [*PAGES, *FILES])
def test_f43_a_foreign_point_is_not_found(point: Monitor, address: str) -> None:
    path = address.format(point.pk)
    mine = client("owner").get(path)
    assert mine.status_code == 200
    if address in PAGES:
        assert "家门口监测点" in mine.content.decode()
    for name in ("neighbour", "stranger"):
        assert client(name).get(path).status_code == 404, name
    assert Client(headers={"Accept": "text/html"}).get(path).status_code == 302
    assert "家门口监测点" in client("owner").get("/desk/points?q=家门口").content.decode()
    assert "家门口监测点" not in client("neighbour").get("/desk/points?q=家门口").content.decode()


@pytest.mark.parametrize("path", ["/desk/readings", "/desk/compare", "/desk/rose"])
def test_without_a_point_a_page_says_how_to_choose_one(path: str) -> None:
    answer = client("owner").get(path)
    assert answer.status_code == 200 and "/desk/points" in answer.content.decode()


@pytest.mark.parametrize("path", ["/desk/readings?feature={0}", "/desk/compare?feature={0}", "/desk/rose?feature={0}"])
def test_a_point_without_a_device_says_so(path: str) -> None:
    bare = Monitor.objects.create(code="BARE", name="没有设备", region_id=HOME)
    answer = client("owner").get(path.format(bare.pk)).content.decode()
    assert "该要素没有监测设备。" in answer or "没有设备监测该因子" in answer


def test_history_shows_zero_and_marks_what_is_not_valid(point: Monitor) -> None:
    page = client("owner").get(f"/desk/readings?feature={point.pk}&factor=a34002&span=hour").content.decode()
    assert page.count('<td class="number">0<small>6/6</small>') == 2
    assert page.count('<td class="number invalid"') == 1 and "<small>3/6</small>" in page
    days = client("owner").get(f"/desk/readings?feature={point.pk}&factor=LA&span=day").content.decode()
    # Which parts of the day were measured depends on the hour at which this runs.
    assert "噪声 昼间" in days or "噪声 夜间" in days


@pytest.mark.covers("DZ-082")
def test_everything_stored_comes_out_as_excel_and_csv(point: Monitor) -> None:
    owner = client("owner")
    path = f"/desk/readings/export?feature={point.pk}&what=raw&factor=a34002&factor=LA&range=24h"
    lines = list(csv.reader(io.StringIO(taken(owner.get(f"{path}&format=csv")).decode("utf-8-sig"))))
    assert len(lines) == 1 + 30
    assert {line[2] for line in lines[1:]} == {"a34002", "LA"} and lines[1][5] == "60.0"
    book = openpyxl.load_workbook(io.BytesIO(taken(owner.get(f"{path}&format=xlsx"))))
    assert book.active.max_row == 31
    deeds = list(Entry.objects.filter(action="export", object_id=str(point.pk)).values_list("changes__what", flat=True))
    assert deeds == ["raw", "raw"]
    table = taken(owner.get(f"/desk/readings/export?feature={point.pk}&factor=a34002&format=csv")).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(table)))
    assert [row[1] for row in rows[1:]] == ["0.0", "0.0", "0.0"]
    assert [row[7] for row in rows[1:]] == ["是", "是", "否"]
    assert owner.get(f"{path}&format=pdf").status_code == 400
    assert client("inspector").get(path).status_code == 403, "who may see may not take along"


def test_the_file_of_a_comparison_has_a_column_a_point(point: Monitor) -> None:
    other = Monitor.objects.create(code="OTHER", name="另一监测点", region_id=HOME)
    path = f"/desk/compare/export?feature={point.pk}&feature={other.pk}&factor=LA&step=hour"
    rows = list(csv.reader(io.StringIO(taken(client("owner").get(f"{path}&format=csv")).decode("utf-8-sig"))))
    assert rows[0][1].startswith("家门口监测点") and rows[0][3].startswith("另一监测点")
    assert [row[1:] for row in rows[1:3]] == [["60.0", "是", "", ""]] * 2
    assert client("inspector").get(path).status_code == 403


@pytest.mark.parametrize(
    "query",
    ["factor=w01018", "span=x", "range=2h", "from=nonsense", "from=2026-11-02&to=2026-11-01", "to=2026-11-01",
     "from=1999-01-01&to=2026-01-01"],
)  # fmt: skip
def test_what_is_not_offered_is_refused(point: Monitor, query: str) -> None:
    assert client("owner").get(f"/desk/readings?feature={point.pk}&{query}").status_code == 400


@pytest.mark.parametrize("query", ["factor=w01018", "step=x", "kind=pie", "range=2h"])
def test_a_comparison_refuses_what_it_does_not_know(point: Monitor, query: str) -> None:
    assert client("owner").get(f"/desk/compare?feature={point.pk}&{query}").status_code == 400


def test_a_day_of_the_address_is_one_of_china(point: Monitor) -> None:
    today = timezone.now().astimezone(ZONE).date()
    answer = client("owner").get(f"/desk/readings?feature={point.pk}&from={today}&to={today}")
    assert f"{today} 00:00 – {today + timedelta(days=1)} 00:00" in answer.content.decode()


def test_a_list_leads_to_the_comparison_of_its_first_rows(point: Monitor) -> None:
    answer = client("owner").get("/desk/compare?layer=monitors&q=家门口")
    assert answer.status_code == 302 and answer.headers["Location"] == f"/desk/compare?feature={point.pk}"
    assert client("owner").get("/desk/compare?layer=monitors").headers["Location"].count("feature=") <= 8
    foreign = Monitor.objects.create(code="FAR", name="家门口外", region_id=SIBLING)
    assert str(foreign.pk) not in client("owner").get("/desk/compare?layer=monitors&q=家门口").headers["Location"]
    many = "&".join(
        f"feature={pk}" for pk in Monitor.objects.filter(region__code__startswith=HOME).values_list("pk", flat=True)[:9]
    )
    assert client("owner").get(f"/desk/compare?{many}").status_code == 400 or many.count("feature") < 9


@pytest.mark.covers("DZ-075", "DZ-088", "DZ-089", "DZ-090", "DZ-091", "DZ-092")
def test_points_are_compared_as_lines_and_as_bars_and_grow(point: Monitor) -> None:
    second = Monitor.objects.create(code="MN-TWO", name="第二监测点", region_id=HOME)
    device = Device.objects.create(protocol="hj212", number="MN-TWO", feature=second.pk, state="active", interval=60)
    owner, now = client("owner"), timezone.now().replace(microsecond=0) - timedelta(hours=1)
    for factor in ("a34002", "a34004", "LA"):
        for kind in ("line", "bar"):
            path = (
                f"/desk/compare?feature={point.pk}&feature={second.pk}&factor={factor}&kind={kind}&range=24h&step=real"
            )
            before = owner.get(path).content.decode()
            assert 'hx-trigger="every 30s"' in before
            now += timedelta(seconds=1)
            Store(partitions.raw()).write([Row(device.pk, factor, now, "real", 77.0, None, None, None, "N", "", now)])
            after = owner.get(path, headers={"HX-Request": "true", "HX-Target": "comparison"}).content.decode()
            assert "<html" not in after and after.count("77.0]") == before.count("77.0]") + 1
    past = f"/desk/compare?feature={point.pk}&feature={second.pk}&from=2026-01-01&to=2026-01-02"
    assert "every 30s" not in owner.get(past).content.decode()


@pytest.mark.parametrize(("address", "most"), [(PAGES[0], 16), (PAGES[1], 14), (PAGES[3], 14)])
def test_a_page_makes_a_bounded_number_of_queries(point: Monitor, address: str, most: int) -> None:
    owner = client("owner")
    owner.get(address.format(point.pk))
    with CaptureQueriesContext(connection) as queries:
        owner.get(address.format(point.pk))
    assert len(queries) <= most


def test_the_curves_of_a_panel_grow_too(point: Monitor) -> None:
    answer = client("owner").get(f"/desk/monitors/{point.pk}/curves", headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="every 30s"' in answer and f"/desk/compare?feature={point.pk}" in answer
