"""A patrol on a phone in a real browser: located, recorded, for a while without network, checked in, seen."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from services.positions import legs
from tests.conftest import HOME, Server, connect
from tests.desk.conftest import PHONE, Desk

pytestmark = pytest.mark.django_db
STEP = 0.0002
"""Degrees of latitude, 22 m."""


@pytest.fixture
def officer(server: Server) -> Iterator[tuple[str, str, float, float]]:
    """The inspector as an officer of the county; a project of it with its name and place."""
    ((key,),) = server.sql(
        "insert into patrols_officer (code, name, region_id, state, unit, duty, account)"
        " values ('T1', '巡查甲', %s, 'off', '通川区建设工程质量安全监督站', '监督员', 'inspector') returning id::text",
        HOME,
    )
    ((name, lon, lat),) = server.sql(
        "select p.name, st_x(st_pointonsurface(p.geom)), st_y(st_pointonsurface(p.geom)) from projects_project p"
        " where p.region_id like %s and p.geom is not null order by p.id limit 1",
        f"{HOME}%",
    )
    yield key, name, lon, lat
    server.sql("delete from patrols_visit where officer_id = %s", key)
    server.sql("delete from positions_leg; delete from positions_position; delete from positions_latest")
    server.sql("delete from positions_mark; delete from telemetry_presence; delete from telemetry_device")
    server.sql("delete from patrols_officer where id = %s", key)


def stored(server: Server, officer: str) -> int:
    ((count,),) = server.sql(
        "select count(*) from positions_position p join telemetry_device d on d.id = p.device where d.feature = %s",
        officer,
    )
    return int(count)


@pytest.mark.covers("FJ-446")
def test_a_patrol_is_recorded_through_a_dead_spot_and_seen_by_the_office(
    desk: Callable[..., Desk], server: Server, officer: tuple[str, str, float, float]
) -> None:
    key, project, lon, lat = officer
    phone = desk(
        "inspector",
        **PHONE,
        permissions=["geolocation"],
        geolocation={"longitude": lon, "latitude": lat - 30 * STEP, "accuracy": 9},
    )
    page = phone.open("/desk/patrol")
    context: BrowserContext = page.context
    expect(page.locator("[data-state]")).to_have_text("已定位")
    expect(page.locator("[data-place]")).to_have_text(f"{lon:.5f}, {lat - 30 * STEP:.5f}")
    expect(page.locator("#patrol-near")).to_contain_text("未到场")
    page.get_by_role("button", name="开始记录轨迹").click()
    expect(page.locator("[data-state]")).to_have_text("正在记录轨迹")

    def walk(first: int, last: int) -> None:
        for n in range(first, last):
            context.set_geolocation({"longitude": lon, "latitude": lat + (n - 30) * STEP, "accuracy": 9})
            expect(page.locator("[data-place]")).to_have_text(f"{lon:.5f}, {lat + (n - 30) * STEP:.5f}")

    walk(1, 11)
    expect(page.locator("[data-queued]")).to_have_text("0")
    assert stored(server, key) >= 10
    context.set_offline(True)
    walk(11, 21)
    expect(page.locator("[data-queued]")).to_have_text(re.compile("^1[0-9]$"))
    expect(page.locator("[data-state]")).to_have_text(re.compile("没有网络|正在记录"))
    assert stored(server, key) < 20
    context.set_offline(False)
    expect(page.locator("[data-queued]")).to_have_text("0")
    walk(21, 31)
    expect(page.locator("[data-queued]")).to_have_text("0")
    assert stored(server, key) >= 30, "nothing recorded was lost"

    row = page.locator("#patrol-near li", has_text=project)
    row.get_by_role("button", name="签到").click()
    page.locator("#visit-purpose").select_option("recheck")
    page.locator("#visit-note").fill("脚手架已整改")
    page.locator("[data-check-in-form]").get_by_role("button", name="签到").click()
    expect(page.locator("#patrol-visits")).to_contain_text("脚手架已整改")
    expect(page.locator("[data-visits-count]")).to_have_text("1")
    phone.settle()
    page.wait_for_function("() => window.zhutuMap.areTilesLoaded()")
    phone.shot("patrol-phone")
    page.get_by_role("button", name="结束记录").click()
    expect(page.locator("[data-state]")).to_have_text("已定位")
    with connect(server.database) as link:
        legs.derive(link)

    english = desk(
        "inspector",
        theme="dark",
        language="en",
        permissions=["geolocation"],
        geolocation={"longitude": lon, "latitude": lat, "accuracy": 9},
    )
    wide = english.open("/desk/patrol")
    expect(wide.locator("[data-state]")).to_have_text("Located")
    expect(wide.locator("#patrol-near")).to_contain_text("Check in")
    wide.wait_for_function("() => window.zhutuMap.areTilesLoaded()")
    english.shot("patrol-dark-en")

    # FJ-450: the route is drawn on the platform's map for the office.
    office = desk("owner")
    panel = office.open(f"/desk/officers/{key}")
    panel.locator("#tab-track").click()
    expect(panel.locator("[data-tab=track] .legs tbody tr").first).to_be_visible()
    panel.wait_for_function("() => ['track-line', 'track-vehicle'].every(id => window.zhutuMap.getLayer(id))")
    office.settle()
    office.shot("officer-track")


def test_without_permission_the_page_says_what_to_do_and_others_are_told_they_are_none(
    desk: Callable[..., Desk], officer: tuple[str, str, float, float]
) -> None:
    refused = desk("inspector", **PHONE)
    page = refused.open("/desk/patrol")
    expect(page.locator("[data-state]")).to_contain_text("允许本网站使用位置")
    other = desk("owner").open("/desk/patrol")
    expect(other.locator("main")).to_contain_text("没有登记为巡查人员")
