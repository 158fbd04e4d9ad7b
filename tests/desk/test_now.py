"""What holds now at all points: the page of weather and the map of what pollutes, live and within rights."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.gis.geos import Point
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from playwright.sync_api import expect

from layers.environment.models import Monitor, RemediationOrder
from services.limits.models import Limit
from services.telemetry import current, features, partitions
from services.telemetry.models import Device
from services.telemetry.store import Row, Store
from tests.conftest import HOME, SIBLING, Live, Server, client, connect
from tests.desk.conftest import PHONE, Desk

pytestmark = pytest.mark.django_db
PLACE = Point(107.5, 31.2, srid=4490)
WALL = {"viewport": {"width": 1920, "height": 1080}}
WEATHER = {"a01007": 4.0, "a01008": 270.0, "a01001": 0.0, "a01002": 55.0, "a01006": 96.31}


def sends(link: Any, device: int, values: dict[str, float], at: datetime) -> None:
    """A device's values of a moment, stored and shown as the gateway does it."""
    Store(link).write([
        Row(device, code, at, "real", value, None, None, None, "N", "", at + timedelta(seconds=1))
        for code, value in values.items()
    ])  # fmt: skip
    features.write(link)


@pytest.mark.covers("DZ-076")
def test_weather_of_all_points_stands_on_one_page_and_follows_what_is_measured(
    server: Server, live: Live, desk: Callable[..., Desk], monitor: str, registered: Callable[[str, str], int]
) -> None:
    device = registered(monitor, "WEATHER")
    mine = desk("owner", **WALL)
    page = mine.enter("/desk/weather")
    seen = server.sql("select id::text from environment_monitor where region_id like %s", f"{HOME}%")
    rows = page.locator(".weather tbody tr")
    expect(rows).to_have_count(len(seen))
    assert {row.get_attribute("data-point") for row in rows.all()} == {pk for (pk,) in seen}
    row = page.locator(f'tr[data-point="{monitor}"]')
    for speed in (4.0, 7.5):
        with connect(server.database) as link:
            sends(link, device, WEATHER | {"a01007": speed}, timezone.now())
        # The promise is seconds; the page is not loaded again.
        expect(row.locator('[data-code="a01007"] b')).to_have_text(f"{speed:.1f}", timeout=10_000)
    codes = "els => els.map(el => el.dataset.code)"
    headed = page.locator(".weather th[data-code]").evaluate_all(codes)
    assert headed == row.locator("td[data-code]").evaluate_all(codes)
    for code, text in (("a01008", "270"), ("a01001", "0.0"), ("a01002", "55.0"), ("a01006", "96.31")):
        expect(row.locator(f'[data-code="{code}"] b')).to_have_text(text)
    expect(row.locator('[data-code="a01008"] .from')).to_have_text("西")
    expect(row.locator(".stale-tag")).to_have_count(0)
    expect(page.locator('[data-card="a01001"]')).to_contain_text("0.0")
    assert mine.same()
    drawn = "window.zhutuMap.querySourceFeatures('points').map(f => f.properties)"
    blown = f"id => {drawn}.some(p => p.id === id && p.angle === 90)"
    page.wait_for_function(blown, arg=monitor)
    assert all(ord(letter) < 512 for spot in page.evaluate(drawn) for letter in spot["label"]), "the glyphs we have"
    mine.shot("weather-light")
    page.locator(".weather th a", has_text="风速").click()
    page.wait_for_load_state()
    assert page.locator(".weather tbody tr").first.get_attribute("data-point") == monitor
    row.locator(".lead a").click()
    expect(page.locator(".panel")).to_contain_text("7.5 m/s")
    dark = desk("commander", theme="dark", language="en", **WALL)
    dark.enter("/desk/weather?sort=-a01007")
    dark.shot("weather-dark-en")
    phone = desk("owner", **PHONE)
    phone.enter("/desk/weather")
    phone.shot("weather-phone")


@pytest.fixture
def points() -> dict[str, Monitor]:
    """Three monitors and no others: one that measures now, one long ago, one never."""
    now, found = timezone.now(), {}
    RemediationOrder.objects.all().delete()
    Monitor.objects.all().delete()
    for name, values, ago in (
        ("当前", WEATHER, 1),
        ("过时", WEATHER | {"a01001": 30.0, "a01007": 0.0}, 40),
        ("从未", {}, 0),
    ):
        row = Monitor.objects.create(code=f"NOW-{name}", name=name, region_id=HOME, geom=PLACE)
        device = Device.objects.create(protocol="hj212", number=f"NOW-{name}", feature=row.pk, state="active")
        sends(partitions.raw(), device.pk, values, now - timedelta(minutes=ago))
        found[name] = Monitor.objects.get(pk=row.pk)
    return found


def test_a_stale_value_is_shown_with_its_age_and_is_in_no_mean(points: dict[str, Monitor]) -> None:
    page = client("owner").get("/desk/weather").content.decode()
    rows = dict(re.findall(r'<tr data-point="([^"]+)"(.*?)</tr>', page, re.S))
    assert "已过时" in rows[str(points["过时"].pk)] and "40分钟前" in rows[str(points["过时"].pk)]
    assert "已过时" not in rows[str(points["当前"].pk)] and "<b>0.0</b>" in rows[str(points["当前"].pk)]
    assert "没有上报" in rows[str(points["从未"].pk)] and "<b>—</b>" in rows[str(points["从未"].pk)]
    card = page.split('data-card="a01001"')[1].split("</div>")[0]
    assert "<strong>0.0" in card and "1 个点" in card, "zero is a value, and the stale 30 ℃ is left out"
    assert "3 个监测点，1 个有当前数据" in page


def test_the_mean_of_winds_is_that_of_their_vectors() -> None:
    assert current.resultant([]) is None
    speed, direction = current.resultant([(4.0, 350.0), (4.0, 10.0)]) or (0, None)
    assert speed == pytest.approx(3.939, abs=1e-3)
    assert direction == pytest.approx(0.0, abs=1e-6) or direction == pytest.approx(360.0, abs=1e-6)
    assert current.resultant([(3.0, 90.0), (3.0, 270.0)]) == (pytest.approx(0.0, abs=1e-9), None)
    assert current.resultant([(2.0, 180.0), (0.0, 20.0)]) == (pytest.approx(1.0), pytest.approx(180.0))


def test_f43_weather_of_foreign_points_is_not_shown_and_a_region_narrows(points: dict[str, Monitor]) -> None:
    other = Monitor.objects.create(code="NOW-OTHER", name="邻县监测点", region_id=SIBLING)
    mine = client("owner").get("/desk/weather").content.decode()
    assert "当前" in mine and other.name not in mine
    theirs = client("neighbour").get("/desk/weather").content.decode()
    assert other.name in theirs and str(points["当前"].pk) not in theirs
    whole = client("commander")
    assert other.name in whole.get("/desk/weather").content.decode()
    assert other.name not in whole.get(f"/desk/weather?region={HOME}").content.decode()
    assert client("owner").get("/desk/weather?sort=x").status_code == 400


@pytest.mark.parametrize("path", ["/desk/weather", "/desk/pollution/points.json"])
def test_more_points_need_no_more_queries(points: dict[str, Monitor], path: str) -> None:
    owner = client("owner")
    owner.get(path)
    with CaptureQueriesContext(connection) as few:
        owner.get(path)
    now = timezone.now()
    Monitor.objects.bulk_create(
        Monitor(
            code=f"MORE-{n}", name=f"More {n}", region_id=HOME, temperature=1.0, pm10=n, measured_at=now, geom=PLACE
        )
        for n in range(30)
    )
    with CaptureQueriesContext(connection) as many:
        assert "More 29" in owner.get(path).content.decode()
    assert len(many) <= len(few)


DUST = {"a34001": 260.0, "a34002": 0.0, "a34004": 0.0, "LA": 66.0}


@pytest.mark.covers("DZ-093")
def test_all_points_are_on_one_large_map_coloured_by_their_limit_and_renewed_in_place(
    server: Server, live: Live, desk: Callable[..., Desk], monitor: str, registered: Callable[[str, str], int]
) -> None:
    device = registered(monitor, "DUST")
    mine = desk("owner", **WALL)
    page = mine.enter("/desk/pollution")
    seen = server.sql(
        "select id::text from environment_monitor where region_id like %s and geom is not null", f"{HOME}%"
    )
    drawn = "window.zhutuMap.querySourceFeatures('points').map(f => f.properties)"
    page.wait_for_function(f"ids => ids.every(id => {drawn}.some(p => p.id === id))", arg=[pk for (pk,) in seen])
    assert {spot["id"] for spot in page.evaluate(drawn)} == {pk for (pk,) in seen}
    expect(page.locator("[data-all]")).to_have_text(str(len(seen)))
    # GB 3095-2026 holds 120 µg/m³ of PM10 until 2030: the value, its colour and its mark change where they stand.
    mark = f"([id, label]) => {drawn}.some(p => p.id === id && p.label === label)"
    for value, label in ((0.0, "0"), (96.0, "96"), (130.0, "130 !"), (900.0, "900 !")):
        with connect(server.database) as link:
            sends(link, device, DUST | {"a34001": 600.0, "a34002": value}, timezone.now())
        page.wait_for_function(mark, arg=[monitor, label], timeout=10_000)
    expect(page.locator('[data-class="far"] b')).not_to_have_text("0")
    expect(page.locator("[data-top] li").first).to_contain_text("900")
    mine.shot("pollution-light")
    page.locator('[data-class="far"]').click()
    page.wait_for_function(f"id => !{drawn}.some(p => p.id === id)", arg=monitor)
    page.locator('[data-class="far"]').click()
    assert mine.same()
    page.wait_for_function(mark, arg=[monitor, "900 !"])
    place = server.sql("select st_x(geom), st_y(geom) from environment_monitor where id = %s", monitor)[0]
    page.evaluate("at => window.zhutuMap.jumpTo({center: at, zoom: 14})", list(place))
    page.wait_for_function("() => window.zhutuMap.loaded() && !window.zhutuMap.isMoving()")
    box = page.locator("#map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator(".surface-tip")
    expect(tip).to_contain_text("120")
    expect(tip).to_contain_text("GB 3095-2026")
    mine.shot("pollution-tip")
    tip.locator("a", has_text="打开监测点").click()
    expect(page.locator(".panel")).to_contain_text("900")
    noise = desk("commander", theme="dark", language="en", **WALL)
    noise.enter("/desk/pollution?factor=LA&wall=1")
    noise.shot("pollution-wall-dark-en")
    phone = desk("owner", theme="dark", **PHONE)
    phone.enter("/desk/pollution?factor=a34001")
    phone.shot("pollution-phone-dark")


def test_no_number_covers_the_dot_of_a_neighbour(desk: Callable[..., Desk]) -> None:
    page = desk("commander", **WALL).open("/desk/pollution")
    # A crowd: a dot every 24 pixels, each with a number that has no room.
    crowd = """() => {
      const map = window.zhutuMap;
      const { clientWidth: width, clientHeight: height } = map.getCanvas();
      const features = [];
      for (let x = -48; x <= 48; x += 24) for (let y = -48; y <= 48; y += 24) {
        const { lng, lat } = map.unproject([width / 2 + x, height / 2 + y]);
        features.push({ type: "Feature", geometry: { type: "Point", coordinates: [lng, lat] },
          properties: { id: `${x} ${y}`, label: "123 !", color: "#c92a2a", hollow: false, rank: x } });
      }
      map.getSource("points").setData({ type: "FeatureCollection", features });
      return new Promise((done) => map.once("idle", () => done(features.map((f) => f.geometry.coordinates))));
    }"""
    dots = page.evaluate(crowd)
    labels = "at => window.zhutuMap.queryRenderedFeatures(at, {layers: ['points-label']}).map(f => f.properties.id)"
    assert page.evaluate(labels.replace("(at, ", "(")), "around the crowd there is room for some"
    for dot in dots:
        assert page.evaluate(labels.replace("(at, ", "(window.zhutuMap.project(at), "), dot) == []


def told(name: str, query: str = "") -> dict[str, Any]:
    answer = client(name).get(f"/desk/pollution/points.json{query}")
    assert answer.status_code == 200
    return {"steps": answer.json()["steps"]} | {point["id"]: point for point in answer.json()["points"]}


def test_each_point_has_the_limit_that_holds_there_now(points: dict[str, Monitor]) -> None:
    here = told("commander")[str(points["当前"].pk)]
    assert (here["limit"], here["citation"][:12], here["since"]) == (120, "GB 3095-2026", "2026-03-01")
    noise = told("commander", "?factor=LA")
    hour = timezone.localtime().hour
    assert noise[str(points["当前"].pk)]["limit"] == (70 if 6 <= hour < 22 else 55)
    assert noise["steps"] == [-10.0, -3.0, 0.0, 5.0]
    dust = told("commander", "?factor=a34001")[str(points["当前"].pk)]
    assert (dust["limit"], dust["citation"][:9]) == (250, "DB51/2682"), "of Sichuan, stage not known: the stricter"
    today = timezone.localdate()
    for value, since in ((90, today), (10, today + timedelta(days=1))):
        Limit.objects.create(
            standard="DB5117", version=str(value), factor="a34002", minutes=60, value=value, region=HOME,
            valid_from=since, citation=f"DB5117-{value}", verified=True,
        )  # fmt: skip
    here = told("commander")[str(points["当前"].pk)]
    assert (here["limit"], here["citation"]) == (90, "DB5117-90"), "the county before the nation, tomorrow not yet"
    assert client("commander").get("/desk/pollution/points.json?factor=a01001").status_code == 400


def test_f43_foreign_points_are_not_on_the_map(points: dict[str, Monitor]) -> None:
    other = Monitor.objects.create(code="NOW-OTHER", name="Other", region_id=SIBLING, geom=PLACE)
    assert str(other.pk) not in told("owner") and str(points["当前"].pk) in told("owner")
    assert str(other.pk) in told("neighbour") and str(points["当前"].pk) not in told("neighbour")
    assert str(other.pk) not in told("commander", f"?region={HOME}")
