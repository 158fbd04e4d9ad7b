"""Reports of domains: the dust ranking and the sewage plant, worked out by hand; rights, periods, files."""

import csv
import io
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from layers.environment.models import Monitor
from layers.environment.rules import dust_score, good_pm10
from layers.projects.models import Project
from layers.sewage.models import Equipment, SewagePlant
from services.access.principal import Principal
from services.telemetry import partitions
from services.telemetry.models import Device
from services.telemetry.reports import REPORTS, Period, period
from services.telemetry.rollups import compute
from services.telemetry.spans import ZONE
from services.telemetry.store import Row, Store
from tests.conftest import HOME, SIBLING, client

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 11, 9, tzinfo=ZONE)
WEEK = period("week", date(2026, 11, 12))
People = dict[str, Principal]


def hours(
    feature: Any, number: str, values: dict[str, list[tuple[float | None, float | None]]], begin: datetime
) -> None:
    """A device of a feature that sent (value, total) an hour from ``begin`` on."""
    device, _new = Device.objects.get_or_create(
        protocol="hj212", number=number,
        defaults={"feature": feature.pk, "state": "active", "base": 2, "back_days": 4000},
    )  # fmt: skip
    rows = [
        Row(device.pk, code, at, "hour", value, None, None, total, "N", "", at + timedelta(minutes=61))
        for code, pairs in values.items()
        for n, (value, total) in enumerate(pairs)
        if (value, total) != (None, None)
        for at in [begin + timedelta(hours=n)]
    ]
    Store(partitions.raw()).write(rows)
    compute(partitions.raw())


def pm10(*values: float | None) -> dict[str, list[tuple[float | None, float | None]]]:
    return {"a34002": [(value, None) for value in values]}


@pytest.fixture
def sites() -> dict[str, Any]:
    """Two sites at home, one with two monitors, and a monitor that belongs to none."""
    clean = Project.objects.create(code="P-CLEAN", name="净工地", region_id=HOME)
    dirty = Project.objects.create(code="P-DIRTY", name="脏工地", region_id=HOME)
    made = {"clean": clean, "dirty": dirty}
    for name, project in (("a", clean), ("b", clean), ("c", dirty), ("d", None)):
        made[name] = Monitor.objects.create(code=f"R-{name}", name=f"监测点{name}", region_id=HOME, project=project)
    return made


@pytest.mark.parametrize(
    ("mean", "over", "share", "points"),
    [(50, 0, 1, (50, 30, 20)), (0, 0, 1, (50, 30, 20)), (150, 0.5, 0.5, (25, 15, 10)), (250, 1, 0, (0, 0, 0)),
     (900, 1, 1, (0, 0, 20)), (None, None, 0, (0, 0, 0))],
)  # fmt: skip
def test_the_score_has_three_parts(mean: Any, over: Any, share: float, points: Any) -> None:
    assert dust_score(mean, over, share) == pytest.approx(points)


def test_good_air_is_judged_by_the_day_that_was_measured() -> None:
    assert [good_pm10(date(2026, 2, 28)), good_pm10(date(2026, 3, 1))] == [150, 120]


@pytest.mark.covers("DZ-086", "DZ-087")
def test_sites_are_ranked_by_the_week_and_past_weeks_open_again(who: People, sites: dict[str, Any]) -> None:
    hours(sites["a"], "R-a", pm10(*[50.0] * 168), MONDAY)
    hours(sites["b"], "R-b", pm10(*[100.0] * 84), MONDAY)
    hours(sites["c"], "R-c", pm10(*[150.0] * 168), MONDAY)
    hours(sites["d"], "R-d", pm10(*[120.0] * 168), MONDAY)
    # A week before the dirty one was clean.
    hours(sites["c"], "R-c", pm10(*[40.0] * 168), MONDAY - timedelta(days=7))
    hours(sites["a"], "R-a", pm10(*[90.0] * 168), MONDAY - timedelta(days=7))
    lines = {line.cells[1]: line for line in REPORTS["dust-ranking"].sheet(who["owner"], WEEK, None).lines}
    mine = [name for name in lines if name in ("净工地", "脏工地", "监测点d")]
    assert mine == ["净工地", "监测点d", "脏工地"]
    clean, dirty, point = (lines[name] for name in ("净工地", "脏工地", "监测点d"))
    mean = (50 * 168 + 100 * 84) / 252
    assert clean.cells[3:7] == [2, pytest.approx(mean), 0, pytest.approx(75)]
    assert clean.cells[7:] == pytest.approx([50 * (250 - mean) / 200, 30, 15, 50 * (250 - mean) / 200 + 45])
    assert dirty.cells[4:] == pytest.approx([150, 168, 100, 25, 0, 20, 45])
    assert point.cells[5] == 0, "what is just reached is not exceeded"
    assert (dirty.cells[2], clean.cells[2], point.cells[2]) == ("↓ 2", "↑ 1", "新上榜")
    assert clean.link == ("projects", sites["clean"].pk) and point.link == ("monitors", sites["d"].pk)
    assert not clean.marked
    before = REPORTS["dust-ranking"].sheet(who["owner"], WEEK.before, None)
    assert [line.cells[1] for line in before.lines if line.cells[1] in lines] == ["脏工地", "净工地"]
    page = client("owner").get("/desk/reports/dust-ranking?date=2026-11-12").content.decode()
    assert "2026-11-09 – 2026-11-15" in page and "净工地" in page and "浓度分" in page and "250 µg/m³" in page


def test_f43_a_ranking_holds_what_the_reader_sees(who: People, sites: dict[str, Any]) -> None:
    hours(sites["a"], "R-a", pm10(*[50.0] * 24), MONDAY)
    far = Monitor.objects.create(code="R-far", name="别处", region_id=SIBLING)
    hours(far, "R-far", pm10(*[50.0] * 24), MONDAY)
    named = {
        name: {line.cells[1] for line in REPORTS["dust-ranking"].sheet(who[name], WEEK, None).lines}
        for name in ("owner", "neighbour", "stranger", "admin")
    }
    assert "净工地" in named["owner"] and "别处" not in named["owner"]
    assert "别处" in named["neighbour"] and "净工地" not in named["neighbour"]
    assert named["stranger"] == set()
    assert {"净工地", "别处"} <= named["admin"]


def test_an_hour_is_judged_by_the_limit_of_its_day(who: People, sites: dict[str, Any]) -> None:
    switch = datetime(2026, 3, 1, tzinfo=ZONE)
    hours(sites["c"], "R-c", pm10(*[130.0] * 48), switch - timedelta(days=1))
    (line,) = [
        line
        for line in REPORTS["dust-ranking"].sheet(who["owner"], period("week", switch.date()), None).lines
        if line.cells[1] == "脏工地"
    ]
    assert line.cells[5] == 24, "130 is good until February 2026 and too much from March on"


DAY = datetime(2026, 11, 10, tzinfo=ZONE)


@pytest.fixture
def plant() -> SewagePlant:
    """A plant that sent three hours of a day: flow in L/s with totals in m³, COD, level, a counter of energy."""
    made = SewagePlant.objects.create(code="WS-1", name="测试污水厂", region_id=HOME)
    hours(
        made, "WS-1",
        {
            "w00000": [(100.0, 360.0), (200.0, 720.0), (0.0, 0.0)],
            "w01018": [(20.0, None), (50.0, None), (90.0, None)],
            "level": [(3.0, None), (3.5, None), (2.5, None)],
            "energy": [(1000.0, None), (1100.0, None), (1250.0, None)],
        },
        DAY + timedelta(hours=8),
    )  # fmt: skip
    return made


@pytest.mark.covers("DZ-340", "HZ-209", "HZ-210")
def test_a_plant_has_a_day_a_month_and_a_year(who: People, plant: SewagePlant) -> None:
    report = REPORTS["sewage-plant"]
    day = report.sheet(who["owner"], period("day", DAY.date()), plant)
    labels = [f"{head.label} {head.unit}".strip() for head in day.headings]
    place = {label: n for n, label in enumerate(labels)}
    assert [line.cells[0] for line in day.lines] == ["08:00", "09:00", "10:00"]
    assert [line.cells[place["处理水量 m³"]] for line in day.lines] == [360, 720, 0]
    assert [line.cells[place["平均流量 m³/h"]] for line in day.lines] == pytest.approx([360, 720, 0])
    assert [line.cells[place["化学需氧量负荷 kg"]] for line in day.lines] == pytest.approx([7.2, 36, 0])
    highest, least, mean, total = (line.cells for line in day.summary)
    cod = place["化学需氧量 mg/L"]
    assert (highest[cod], least[cod]) == (90, 20)
    assert mean[cod] == pytest.approx((20 * 360 + 50 * 720) / 1080), "what did not flow does not count"
    assert total[place["化学需氧量负荷 kg"]] == pytest.approx(43.2)
    assert total[place["处理水量 m³"]] == 1080 and total[place["用电量 kWh"]] == 250
    assert mean[place["吨水电耗 kWh/m³"]] == pytest.approx(250 / 1080)
    assert total[cod] is None and mean[place["处理水量 m³"]] is None
    month = report.sheet(who["owner"], period("month", DAY.date()), plant)
    year = report.sheet(who["owner"], period("year", DAY.date()), plant)
    assert [[line.cells[0] for line in each.lines] for each in (month, year)] == [["11-10"], ["2026-11"]]
    assert month.lines[0].cells[1:] == year.lines[0].cells[1:]
    assert month.lines[0].cells[place["处理水量 m³"]] == 1080
    assert report.sheet(who["owner"], period("day", date(2026, 11, 11)), plant).lines == []


@pytest.mark.covers("DZ-341", "DZ-342", "DZ-344")
def test_a_parameter_has_its_report_and_its_curve_grows(plant: SewagePlant) -> None:
    owner = client("owner")
    past = f"feature={plant.pk}&factor=w01018&from=2026-11-10&to=2026-11-10"
    page = owner.get(f"/desk/readings?{past}&span=hour").content.decode()
    assert all(f'<td class="number">{value}<small>1/1</small>' in page for value in ("20.0", "50.0", "90.0"))
    trend = owner.get(f"/desk/compare?{past}&step=hour").content.decode()
    at = int(DAY.timestamp() + 8 * 3600 + 8 * 3600) * 1000
    assert f"[[{at}, 20.0], [{at + 3600000}, 50.0], [{at + 7200000}, 90.0]]" in trend
    now = timezone.now().replace(microsecond=0)
    address = f"/desk/sewage_plants/{plant.pk}/curves?range=1h&factor=w01018"
    htmx = {"HX-Request": "true"}
    shown = []
    for n in (3, 2, 1):
        device = Device.objects.create(
            protocol="hj212", number=f"NOW{n}", feature=plant.pk, state="active", interval=60
        ) if n == 3 else Device.objects.get(number="NOW3")  # fmt: skip
        at_now = now - timedelta(minutes=n)
        Store(partitions.raw()).write(
            [Row(device.pk, "w01018", at_now, "real", 31.0, None, None, None, "N", "", at_now)]
        )
        curve = owner.get(address, headers=htmx).content.decode()
        assert 'hx-trigger="every 30s"' in curve
        shown.append(curve.count(", 31.0]"))
    assert shown == [1, 2, 3]


@pytest.mark.covers("DZ-345")
def test_all_plants_are_summed_up_with_their_equipment(who: People, plant: SewagePlant) -> None:
    for number, (state, power) in enumerate([("running", 37), ("running", 75), ("standby", 22), ("fault", 15)]):
        Equipment.objects.create(plant=plant, number=f"E{number}", title="泵", state=state, power=power)
    made = REPORTS["sewage-summary"].sheet(who["owner"], period("day", DAY.date()), None)
    (line,) = [line for line in made.lines if line.cells[0] == "测试污水厂"]
    assert line.cells[1:] == pytest.approx([3.0, 3.5, 360, 1080, 250, 2, 1, 1, 149, 112])
    others = [line for line in made.lines if line.cells[0] != "测试污水厂"]
    assert others and all(line.marked and line.cells[4] is None for line in others), (
        "without data it is marked, not zero"
    )
    stranger = REPORTS["sewage-summary"].sheet(who["stranger"], period("day", DAY.date()), None)
    assert stranger.lines == []


def test_a_report_is_shown_and_taken_along_within_rights(plant: SewagePlant) -> None:
    path = f"/desk/reports/sewage-plant?period=day&date=2026-11-10&feature={plant.pk}"
    page = client("owner").get(path).content.decode()
    assert "测试污水厂" in page and "1,080" in page and "Σ(C·Q)/ΣQ" in page
    taken = b"".join(client("owner").get(path.replace("?", "/export?") + "&format=csv").streaming_content)  # type: ignore[attr-defined]
    rows = list(csv.reader(io.StringIO(taken.decode("utf-8-sig"))))
    assert rows[0][1] == "处理水量（m³）" and rows[1][:2] == ["08:00", "360.0"] and rows[7][1] == "1080.0"
    for name in ("neighbour", "stranger"):
        assert client(name).get(path).status_code == 404
        assert client(name).get(path.replace("?", "/export?")).status_code == 404
    assert client("inspector").get(path).status_code == 200
    assert client("inspector").get(path.replace("?", "/export?")).status_code == 403
    assert Client(headers={"Accept": "text/html"}).get("/desk/reports").status_code == 302
    assert "/desk/reports/sewage-summary" in client("owner").get("/desk/reports").content.decode()
    assert "选择污水处理厂" in client("owner").get("/desk/reports/sewage-plant").content.decode()


@pytest.mark.parametrize("query", ["period=week", "date=nonsense", "date=2026-13-01", "date=1066-01-01"])
def test_a_period_that_is_none_is_refused(query: str) -> None:
    assert client("owner").get(f"/desk/reports/sewage-plant?{query}").status_code == 400
    assert client("owner").get("/desk/reports/nonsense").status_code == 404


@pytest.mark.parametrize(
    ("kind", "day", "first", "end"),
    [("day", "2026-02-28", "2026-02-28", "2026-03-01"), ("week", "2027-01-01", "2026-12-28", "2027-01-04"),
     ("month", "2026-12-31", "2026-12-01", "2027-01-01"), ("year", "2026-07-01", "2026-01-01", "2027-01-01")],
)  # fmt: skip
def test_periods_follow_each_other_without_a_gap(kind: str, day: str, first: str, end: str) -> None:
    found = period(kind, date.fromisoformat(day))
    assert found == Period(kind, date.fromisoformat(first), date.fromisoformat(end))
    assert found.after.before == found and found.before.end == found.first


@pytest.mark.parametrize("key", ["dust-ranking", "sewage-summary", "dust-exceedances"])
def test_the_number_of_queries_does_not_grow(who: People, sites: dict[str, Any], key: str) -> None:
    numbers = []
    for names in ("a", "abcd"):
        for name in names:
            hours(sites[name], f"R-{name}", pm10(*[50.0] * 24), MONDAY)
        with CaptureQueriesContext(connection) as queries:
            REPORTS[key].sheet(who["owner"], period(REPORTS[key].kinds[0], MONDAY.date()), None)
        numbers.append(len(queries))
    assert numbers[0] == numbers[1] <= 8


def test_the_ledger_judges_days_and_nights_by_the_limit_of_their_time(who: People, sites: dict[str, Any]) -> None:
    switch = datetime(2026, 3, 1, tzinfo=ZONE)
    begin = switch - timedelta(days=1)
    hours(sites["a"], "R-a", pm10(*[130.0] * 48), begin)
    # 56 dB from 22:00 to 06:00 is too loud, 69 by day is not; the night of 28 February is one night.
    levels = [(56.0 if n % 24 < 6 or n % 24 >= 22 else 69.0, None) for n in range(6, 30)]
    hours(sites["b"], "R-b", {"LA": levels}, begin + timedelta(hours=6))
    hours(sites["c"], "R-c", pm10(*[120.0] * 24), switch)
    hours(sites["d"], "R-d", pm10(*[500.0] * 12), switch)
    report = REPORTS["dust-exceedances"]
    march = report.sheet(who["owner"], period("month", switch.date()), None).lines
    february = report.sheet(who["owner"], period("month", begin.date()), None).lines
    assert [line.cells[:6] for line in march] == [["2026-03-01", "监测点a", "PM10", "日", "130", "120"]], (
        "120 is just reached, and half a day is not valid"
    )
    assert march[0].cells[7] == pytest.approx(100 * 10 / 120) and "GB 3095" in march[0].cells[8]
    assert march[0].link == ("monitors", sites["a"].pk)
    assert [line.cells[:6] for line in february] == [["2026-02-28", "监测点b", "噪声", "夜间", "56.0", "55"]]
    assert "GB 12523" in february[0].cells[8]
    assert report.sheet(who["stranger"], period("month", switch.date()), None).lines == []
    page = client("owner").get("/desk/reports/dust-exceedances?period=month&date=2026-03-01").content.decode()
    assert "监测点a" in page


def test_the_ledger_of_plants_knows_their_class_and_cold_water(who: People) -> None:
    for number, standard, temperature in (("A", "1A", 20.0), ("B", "1B", 20.0), ("C", "1A", 10.0), ("D", "1A", None)):
        plant = SewagePlant.objects.create(code=f"WS-{number}", name=f"厂{number}", standard=standard, region_id=HOME)
        values: dict[str, Any] = {"w21003": [(6.0, None)] * 24}
        if temperature is not None:
            values["w01010"] = [(temperature, None)] * 24
        hours(plant, f"WS-{number}", values, DAY)
    lines = REPORTS["sewage-exceedances"].sheet(who["owner"], period("month", DAY.date()), None).lines
    over = {line.cells[1]: line.cells[5] for line in lines if line.cells[1] in ("厂A", "厂B", "厂C", "厂D")}
    assert over == {"厂A": "5", "厂D": "5"}, (
        "1B allows 8, and so does 1A in cold water; unknown water is judged strictly"
    )
