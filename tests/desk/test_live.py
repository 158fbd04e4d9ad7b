"""Live at the desk: values, states, curves and the map follow what happens, without the page being loaded again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from services.live.outbox import Told, tell
from services.telemetry.store import Row, Store
from tests.conftest import Live, Server, connect
from tests.desk.conftest import Desk

pytestmark = pytest.mark.django_db
OPEN = "() => window.zhutuMap && window.zhutuMap.loaded() && !window.zhutuMap.isMoving()"
STATE = "[data-live]"


def enter(desk: Callable[..., Desk], path: str, user: str = "owner", **options: Any) -> Page:
    """Open a page and wait until it is live."""
    return desk(user, **options).enter(path)


@pytest.mark.covers("DZ-094")
def test_a_stored_value_shows_in_list_panel_and_map(
    server: Server, live: Live, desk: Callable[..., Desk], monitor: str
) -> None:
    page = enter(desk, f"/desk/monitors/{monitor}?sort=name#map=15/0/0")
    page.locator("[data-locate]").click()
    page.wait_for_function(OPEN)
    row = page.locator(f'tr[data-id="{monitor}"]')
    server.sql("update environment_monitor set pm10 = 456.5, measured_at = now() where id = %s", monitor)
    expect(row.locator('[data-cell="pm10"]')).to_have_text("456.5 µg/m³")
    expect(page.locator('.panel [data-cell="pm10"]')).to_have_text("456.5 µg/m³")
    drawn = "id => window.zhutuMap.queryRenderedFeatures({layers: ['monitors-icon~live']}).some(f => f.properties.id === id && f.properties.pm10 === 456.5)"  # noqa: E501
    page.wait_for_function(drawn, arg=monitor)
    server.sql(
        "update environment_monitor set state = 'fault', geom = st_translate(geom, 0.0005, 0) where id = %s", monitor
    )
    expect(row.locator('[data-cell="state"]')).to_have_text("故障")
    expect(page.locator(".panel .badge-state")).to_have_text("故障")
    place = server.sql("select st_x(geom) from environment_monitor where id = %s", monitor)[0][0]
    moved = "([id, x]) => window.zhutuMap.querySourceFeatures('monitors~live').some(f => f.properties.id === id && Math.abs(f.geometry.coordinates[0] - x) < 1e-4)"  # noqa: E501
    page.wait_for_function(moved, arg=[monitor, place])
    assert page.evaluate("window.sameDocument") is True


def test_a_foreign_feature_changes_nothing(server: Server, live: Live, desk: Callable[..., Desk], monitor: str) -> None:
    page = enter(desk, "/desk/monitors", user="neighbour")
    own = str(
        server.sql("select id from environment_monitor where region_id like '511703%%' order by name limit 1")[0][0]
    )
    server.sql("update environment_monitor set pm10 = 457.5 where id = %s", monitor)
    server.sql("update environment_monitor set pm10 = 12.5 where id = %s", own)
    page.wait_for_function(
        "id => window.zhutuMap.getSource('monitors~live') && window.zhutuMap.getSource('monitors~live').serialize().data.features.some(f => f.properties.id === id)",  # noqa: E501
        arg=own,
    )
    told = page.evaluate(
        "() => window.zhutuMap.getSource('monitors~live').serialize().data.features.map(f => f.properties.id)"
    )
    assert monitor not in told


def test_a_filtered_list_drops_what_no_longer_passes(
    server: Server, live: Live, desk: Callable[..., Desk], monitor: str
) -> None:
    server.sql("update environment_monitor set state = 'calibrating' where id = %s", monitor)
    page = enter(desk, "/desk/monitors?state=calibrating")
    expect(page.locator(f'tr[data-id="{monitor}"]')).to_be_visible()
    server.sql("update environment_monitor set state = 'online' where id = %s", monitor)
    expect(page.locator(f'tr[data-id="{monitor}"]')).to_have_count(0, timeout=15_000)


def test_a_new_feature_comes_into_the_list(server: Server, live: Live, desk: Callable[..., Desk], monitor: str) -> None:
    page = enter(desk, "/desk/monitors?q=LIVE-NEW")
    expect(page.locator(".nothing")).to_be_visible()
    server.sql(
        "insert into environment_monitor (code, name, state, spot, geom, region_id, maker)"
        " select 'LIVE-NEW', 'LIVE-NEW', state, spot, geom, region_id, maker from environment_monitor where id = %s",
        monitor,
    )
    expect(page.locator("tr[data-id]")).to_have_count(1, timeout=15_000)
    server.sql("delete from environment_monitor where code = 'LIVE-NEW'")


@pytest.mark.covers("DZ-074")
def test_an_open_curve_takes_in_the_new_point(
    server: Server, live: Live, desk: Callable[..., Desk], monitor: str
) -> None:
    now = datetime.now(UTC)
    device = server.sql(
        "insert into telemetry_device (protocol, number, name, state, secret, units, crc_mode, datatime_is,"
        " missing_flag, minute_span, interval, base, back_days, sm4_key, created_at, feature) values ('hj212', 'CURVE',"
        " '', 'active', '', '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '', now(), %s) returning id",
        monitor,
    )[0][0]

    def store(value: float, at: datetime) -> None:
        with connect(server.database) as link:
            received = at + timedelta(seconds=1)
            Store(link).write([Row(device, "LA", at, "real", value, None, None, None, "N", "", received)])
        server.sql("update environment_monitor set noise = %s, measured_at = %s where id = %s", value, at, monitor)

    for minute in range(5, 1, -1):
        store(60.0 + minute, now - timedelta(minutes=minute))
    page = enter(desk, f"/desk/monitors/{monitor}")
    page.locator("#tab-curves").click()
    greatest = page.locator(".curves tbody tr").first.locator("td").nth(3)
    expect(greatest).to_have_text("65.0")
    store(99.0, now)
    expect(page.locator('.panel [data-cell="noise"]')).to_have_text("99.0 dB(A)")
    expect(greatest).to_have_text("99.0", timeout=20_000)
    assert page.evaluate("window.sameDocument") is True


def test_an_alarm_is_told_to_whoever_sees_its_feature(
    server: Server, live: Live, desk: Callable[..., Desk], monitor: str
) -> None:
    page = enter(desk, "/desk")
    with connect(server.database) as link:
        tell(link, "alarms", [Told("monitors", monitor, {"title": "PM10 超标 <b>", "level": "red"})])  # type: ignore[arg-type]
    line = page.locator(".toast-line.alarm")
    expect(line).to_have_text("PM10 超标 <b>")
    expect(line.locator(".level-red")).to_be_visible()


def test_a_page_survives_the_death_of_the_live_process(
    server: Server, live: Live, desk: Callable[..., Desk], monitor: str
) -> None:
    """F04 for the stream, and F02: without it the page asks every few seconds; then the stream takes over again."""
    page = enter(desk, f"/desk/monitors/{monitor}")
    value = page.locator('.panel [data-cell="pm10"]')
    live.kill()
    expect(page.locator(STATE)).not_to_have_attribute("data-live-state", "live")
    server.sql("update environment_monitor set pm10 = 71.5 where id = %s", monitor)
    expect(page.locator(STATE)).to_have_attribute("data-live-state", "polling", timeout=30_000)
    expect(value).to_have_text("71.5 µg/m³")
    server.sql("update environment_monitor set pm10 = 72.5 where id = %s", monitor)
    live.start()
    expect(page.locator(STATE)).to_have_attribute("data-live-state", "live", timeout=40_000)
    expect(value).to_have_text("72.5 µg/m³")
    assert page.evaluate("window.sameDocument") is True


def test_a_page_whose_session_ended_goes_to_the_log_in(
    server: Server, live: Live, desk: Callable[..., Desk], monitor: str
) -> None:
    """F59 in the browser: the stream is closed, and the page does not show old values as if they were new."""
    page = enter(desk, "/desk/monitors", user="inspector")
    token = page.evaluate("JSON.parse(document.body.getAttribute('hx-headers'))['X-CSRFToken']")
    # As in another tab of the same browser.
    page.request.post(f"{server.url}/logout", form={"csrfmiddlewaretoken": token}, headers={"Referer": server.url})
    page.wait_for_url("**/login?**", timeout=40_000)


def test_the_door_for_asking_tells_what_the_stream_would(
    server: Server, desk: Callable[..., Desk], monitor: str
) -> None:
    made = desk("owner")
    answer = made.page.request.get(f"{server.url}/desk/live")
    assert answer.status == 200
    cursor = answer.json()["cursor"]
    foreign = str(server.sql("select id from environment_monitor where region_id like '511703%%' limit 1")[0][0])
    server.sql("update environment_monitor set pm10 = pm10 + 1 where id in (%s, %s)", monitor, foreign)
    said = made.page.request.get(f"{server.url}/desk/live", params={"after": cursor})
    rows = [row["id"] for event in said.json()["events"] for row in event["data"].get("rows", [])]
    assert monitor in rows
    assert foreign not in said.text()
    assert made.page.request.get(f"{server.url}/desk/live?after=x").status == 400
    assert made.page.request.get(f"{server.url}/desk/live", params={"after": "1.000~1:1:"}).json()["reset"] is True
    stranger = desk("stranger").page.request.get(f"{server.url}/desk/live", params={"after": cursor})
    assert stranger.json()["events"] == []
