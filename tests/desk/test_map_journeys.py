"""Surfaces and tracks in a real browser: hours played and asked, files that are read back, a day driven again."""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import rasterio
from django.conf import settings
from playwright.sync_api import expect

from services.positions import legs
from services.positions.store import Store as Positions
from services.telemetry import rollups
from services.telemetry.store import Row, Store
from tests.conftest import HOME, Server, connect
from tests.desk.conftest import Desk
from tests.positions.conftest import drive, stand
from tests.telemetry.conftest import insert_device

pytestmark = pytest.mark.django_db
CHINA = ZoneInfo("Asia/Shanghai")
HOURS = 3
PAINTED = (
    "() => window.zhutuMap.getStyle().layers.some(l => l.id.startsWith('surface-') && l.paint['raster-opacity'] > 0)"
)
Enter = Callable[..., Desk]


@pytest.fixture
def hours(server: Server) -> Iterator[list[datetime]]:
    """Hours of PM10 and PM2.5 at eight monitors of the owner's county, computed by the product's own process."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    made = [now - timedelta(hours=n) for n in range(HOURS + 1, 1, -1)]
    active = server.sql("select key, active, cell_m from surfaces_surface")
    server.sql("update surfaces_surface set active = key in ('pm10', 'pm25'), cell_m = 2000")
    server.sql("truncate surfaces_mark")
    places = server.sql(
        "select id from catalog_featureindex where layer = 'monitors' and region_code like %s and geom is not null"
        " order by id limit 8",
        f"{HOME}%",
    )
    with connect(server.database) as link:
        for number, (place,) in enumerate(places):
            device = insert_device(link, number=f"SURFACE{number}", feature=place)
            for code, value in (("a34002", 60), ("a34004", 30)):
                for at in made:
                    link.execute(
                        "insert into telemetry_rollup (device, factor, span, at, mean, n_valid, n_expected, valid)"
                        " select %s, id, 2, %s, %s, 60, 60, true from telemetry_factor where code = %s",
                        [device, at, value + 10 * number, code],
                    )
                link.execute(
                    "insert into telemetry_latest (device, factor, span, at, received_at, value, quality, flag)"
                    " select %s, id, 2, %s, %s, %s, 0, 'N' from telemetry_factor where code = %s",
                    [device, made[-1], made[-1], value + 10 * number, code],
                )
    environment = os.environ | {"ZHUTU_PGDATABASE": server.database}
    command = [sys.executable, "manage.py", "surfaces", "--once"]
    subprocess.run(command, cwd=settings.ROOT, env=environment, check=True, timeout=120)
    yield made
    server.sql("delete from surfaces_input; delete from surfaces_run; truncate surfaces_mark")
    for key, was, cell in active:
        server.sql("update surfaces_surface set active = %s, cell_m = %s where key = %s", was, cell, key)
    server.sql("delete from telemetry_rollup; delete from telemetry_latest")
    server.sql("delete from telemetry_device where number like 'SURFACE%%'")


def test_hours_of_a_surface_are_played_and_taken_home(desk: Enter, hours: list[datetime], tmp_path: Path) -> None:
    mine = desk("owner")
    page = mine.open("/desk")
    page.locator(".surfaces > summary").click()
    page.locator(".surfaces .pick", has_text=re.compile("^PM10$")).click()
    player = page.locator("[data-player]")
    expect(player).to_be_visible()
    expect(player.locator("[data-player-hours] i")).to_have_count(48)
    expect(player.locator("[data-player-hours] i.full")).to_have_count(HOURS)
    expect(page.locator("[data-surface-title]")).to_have_text("PM10")
    assert page.locator("[data-surface-legend] div span").count() >= 3
    clock = player.locator("[data-player-time]")
    expect(clock).to_have_text(f"{hours[-1].astimezone(CHINA):%Y-%m-%d %H:%M}")
    page.wait_for_function(PAINTED)
    mine.settle()
    mine.shot("surface-pm10")

    player.locator("[data-player-step='-1']").click()
    player.locator("[data-player-step='-1']").click()
    expect(clock).to_have_text(f"{hours[0].astimezone(CHINA):%Y-%m-%d %H:%M}")
    player.locator("[data-player-go]").click()
    expect(player.locator("[data-player-go]")).to_have_attribute("aria-pressed", "true")
    # It plays through the hours with a picture to those without one, says why, and rests at the end.
    expect(clock).to_have_text(f"{hours[-1].astimezone(CHINA) + timedelta(hours=1):%Y-%m-%d %H:%M}")
    expect(player.locator("[data-player-why]")).not_to_be_empty()
    expect(player.locator("[data-player-go]")).to_have_attribute("aria-pressed", "false")

    page.locator(".surfaces .pick", has_text=re.compile(r"^PM2\.5$")).click()
    expect(page.locator("[data-surface-title]")).to_have_text("PM2.5")
    slider = player.locator("[data-player-at]")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(clock).to_have_text(f"{hours[-1].astimezone(CHINA):%Y-%m-%d %H:%M}")
    with page.expect_download() as download:
        page.locator("[data-surface-file]").click()
    path = tmp_path / "surface.tif"
    download.value.save_as(path)
    with rasterio.open(path) as raster:
        values = raster.read(1, masked=True)
        assert raster.crs is not None
        assert 30 <= values.min() < values.max() <= 100

    page.goto(mine.server.url + f"/desk/air?at={hours[-1].astimezone(CHINA):%Y-%m-%dT%H:00}")
    mine.settle()
    row = page.locator(".air-table tbody tr").first
    expect(row.locator(".air-band b")).to_have_text(re.compile(r"^\d+$"))
    expect(page.locator(".air-key")).to_contain_text("AQI")
    mine.shot("air")
    page.get_by_role("link", name="超标站点比例").click()
    expect(page.locator(".air-key")).to_contain_text("%")
    page.get_by_role("link", name="上一时段").click()
    expect(page.locator(".air-head")).to_contain_text(f"{hours[-2].astimezone(CHINA):%Y-%m-%d %H:%M}")
    row.locator("a").first.click()
    expect(page.locator(".results-bar strong")).to_be_visible()


@pytest.fixture
def driven(server: Server) -> Iterator[tuple[str, datetime, datetime]]:
    """A truck of the owner's county that stood, drove 3 km and stood again yesterday morning; begin and end of it."""
    begin = datetime.now(CHINA).replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=1)
    query = "select id::text from catalog_featureindex where layer = 'mixer_trucks' and region_code like %s limit 1"
    ((truck,),) = server.sql(query, f"{HOME}%")
    with connect(server.database) as link:
        device = insert_device(link, protocol="jt808", number="REPLAY", feature=truck, interval=30)
        rows = stand(device, begin, 10)
        rows += drive(device, rows[-1].at, 3000)  # type: ignore[arg-type]
        rows += stand(device, rows[-1].at + timedelta(seconds=10), 10, 3100)  # type: ignore[operator]
        Positions(link).write(rows)
        legs.derive(link)
    yield truck, begin, rows[-1].at  # type: ignore[misc]
    server.sql("delete from positions_leg; delete from positions_position; delete from positions_latest")
    server.sql("delete from positions_mark; delete from telemetry_device where number = 'REPLAY'")


def test_the_track_of_a_day_is_driven_again(desk: Enter, driven: tuple[str, datetime, datetime]) -> None:
    truck, begin, end = driven
    mine = desk("owner")
    page = mine.open(f"/desk/mixer_trucks/{truck}")
    page.locator("#tab-track").click()
    panel = page.locator("[data-tab=track]")
    expect(panel).to_be_visible()
    panel.locator("input[name=day]").fill(f"{begin:%Y-%m-%d}")
    expect(panel.locator(".legs tbody tr")).to_have_count(3)
    expect(panel.locator(".leg.stop")).to_have_count(2)
    drawn = "() => ['track-line', 'track-stops', 'track-vehicle'].every(id => window.zhutuMap.getLayer(id))"
    page.wait_for_function(drawn)
    clock = panel.locator("[data-now]")
    expect(clock).to_have_text(re.compile(f"^{begin:%m-%d} 09:00:00"))
    mine.settle()
    mine.shot("track")
    panel.locator("[data-pace]").select_option("1800")
    panel.locator("[data-play]").click()
    # It drives through the whole morning and stops where the truck did.
    expect(clock).to_have_text(re.compile(f"^{end:%m-%d %H:%M:%S}"))
    expect(panel.locator("[data-play]")).to_have_attribute("aria-pressed", "false")
    panel.locator("[data-leg]", has=page.locator(".trip")).press("Enter")
    expect(clock).to_have_text(re.compile(f"^{begin:%m-%d} 09:10:00"))
    panel.locator(".menu summary").click()
    with page.expect_download() as download:
        panel.locator("a[href*='format=csv']").click()
    lines = list(csv.reader(Path(download.value.path()).read_text("utf-8-sig").splitlines()))
    assert len(lines) == 1 + 21 + 30 + 21


@pytest.fixture
def measured(server: Server, monitor: str) -> Iterator[str]:
    """A monitor that sent PM10 each minute of two whole hours, rolled up as ever."""
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    with connect(server.database) as link:
        device = insert_device(link, number="TABLE", feature=monitor)
        rows: list[Any] = [
            Row(device, "a34002", at, "real", 40.0 + minute // 60 * 20, None, None, None, "N", "", at)
            for minute in range(120)
            for at in [begin + timedelta(minutes=minute)]
        ]
        Store(link).write(rows)
        rollups.compute(link)
    yield monitor
    server.sql("delete from telemetry_reading; delete from telemetry_rollup; delete from telemetry_latest")
    server.sql("delete from telemetry_mark; delete from telemetry_device where number = 'TABLE'")


def test_the_history_of_a_point_is_read_as_a_table(desk: Enter, measured: str) -> None:
    mine = desk("owner")
    page = mine.open(f"/desk/readings?feature={measured}&factor=a34002&span=hour&range=24h")
    for mean in ("40", "60"):
        cell = page.locator(".values-table tbody td", has_text=re.compile(rf"^{mean}(\.0)?60/60$"))
        expect(cell).to_have_count(1)
    mine.shot("readings")
    page.locator(".segments label", has_text="日均值").click()
    page.wait_for_url("**span=day*")
    page.go_back()
    page.locator(".side-actions .menu summary").click()
    with page.expect_download() as download:
        page.locator("a[href*='what=raw'][href*='format=csv']").click()
    text = Path(download.value.path()).read_text("utf-8-sig")
    assert len(list(csv.reader(text.splitlines()))) == 1 + 120
