"""Statistics of a period in a real browser: from the panel of a project to its figures, its trends and their rows."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Server
from tests.desk.conftest import PHONE, Desk, forget

pytestmark = pytest.mark.django_db
WALL = {"viewport": {"width": 1920, "height": 1080}}


@pytest.fixture
def watched(server: Server) -> Iterator[tuple[str, str]]:
    """Key and name of a project at home whose monitor measured two months, with alarms and an outage."""
    project, name, monitor = server.sql(
        "select p.id::text, p.name, m.id::text from projects_project p join environment_monitor m"
        " on m.project_id = p.id where p.region_id like '511702%%' order by p.name limit 1"
    )[0]
    rows = server.sql(
        """
        with d as (
            insert into telemetry_device (protocol, number, name, feature, state, secret, units, crc_mode, datatime_is,
                missing_flag, minute_span, "interval", base, back_days, sm4_key, created_at, approved_at)
            values ('hj212', 'PERIODS', '', %s, 'active', '', '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '',
                '2025-01-01', '2025-01-01')
            returning id
        ), p as (
            insert into telemetry_presence (device_id, seen_at, online, address, refused)
            select id, now(), true, '', 0 from d
        ), o as (
            insert into telemetry_outage (device_id, began_at, ended_at)
            select id, '2026-11-04 08:00+08', '2026-11-06 20:00+08' from d
        ), e as (
            insert into alarms_episode (rule_id, device_id, feature_id, factor_id, subject, level, state, began_at,
                raised_at, last_at, ended_at, closed_at, count, late, withdrawn, disposition)
            select (select min(id) from alarms_rule where layer = 'monitors'), d.id, %s, f.id, 'n' || n,
                (array['yellow', 'blue', 'orange', 'yellow', 'red'])[1 + n %% 5],
                (array['closed', 'open', 'false', 'handled'])[1 + n %% 4], t.at, t.at, t.at, t.at,
                case when n %% 4 in (0, 2) then t.at + interval '5 hours' end, 3, false, false, ''
            from d, generate_series(0, 17) n, telemetry_factor f,
                lateral (select timestamptz '2026-10-20 09:00+08' + make_interval(hours => 53 * n) as at) t
            where f.code = 'a34002'
        )
        insert into telemetry_rollup (device, factor, span, at, mean, low, high, n_valid, n_expected, valid)
        select d.id, f.id, 3, timestamptz '2026-10-01 00:00+08' + make_interval(days => n),
            case f.code when 'LA' then 58 else 70 end + 35 * sin(n * 0.7), 20, 190, 24 - n %% 3, 24, true
        from d, telemetry_factor f, generate_series(0, 57) n where f.code in ('a34002', 'a34004', 'LA')
        returning device
        """,
        monitor, monitor,
    )  # fmt: skip
    yield project, name
    device = rows[0][0]
    server.sql("delete from alarms_episode where device_id = %s", device)
    forget(server, [device])


def drawn(page: Page) -> list[str]:
    """The kinds whose trend the address says is drawn."""
    return parse_qs(urlparse(page.url).query).get("kind", [])


@pytest.mark.covers("DZ-043")
def test_from_a_project_to_its_figures_trends_and_rows(desk: Callable[..., Desk], watched: tuple[str, str]) -> None:
    key, name = watched
    one = desk("owner", **WALL)
    page = one.open(f"/desk/projects/{key}")
    page.locator(".panel-actions a", has_text="统计分析").click()
    page.wait_for_url(f"**/desk/statistics?feature={key}*")
    one.settle()
    expect(page.locator("h1")).to_contain_text(name)
    expect(page.locator(".trend-chart canvas").first).to_be_visible()
    # A period of another kind, and a step back from it: the page keeps the project.
    page.locator("[name=period][value=week] + span").click()
    page.wait_for_url("**period=week*")
    expect(page.locator(".statistics-when strong")).to_contain_text("周")
    week = page.locator(".statistics-when strong").inner_text()
    page.locator("[aria-label=上一期]").click()
    page.wait_for_url("**date=*")
    expect(page.locator(".statistics-when strong")).not_to_have_text(week)
    one.open(f"/desk/statistics?feature={key}&period=month&date=2026-11-01&kind=alarms&kind=measured.a34002")
    assert drawn(page) == ["alarms", "measured.a34002"]
    expect(page.locator(".trend-chart canvas")).to_have_count(2)
    one.shot("statistics-project")
    # A kind is ticked, another is dropped; the address carries both, and so does a page that is opened anew.
    page.locator("[data-trend='outages']").check()
    page.locator("[data-drop='alarms']").click()
    assert drawn(page) == ["measured.a34002", "outages"]
    page.reload()
    expect(page.locator("[data-drop]")).to_have_count(2)
    page.locator("[name=trend-kind][value=stack] + span").click()
    page.locator("[data-trend='alarms']").check()
    expect(page.locator(".trend-figure")).to_have_count(3)
    page.locator(".trend-figure", has_text="告警").scroll_into_view_if_needed()
    one.shot("statistics-stacked")
    # A number opens its rows, and a row its feature.
    alarms = page.locator("[data-kind=alarms] a[data-of=value]")
    number = alarms.inner_text()
    alarms.click()
    page.wait_for_url("**/desk/statistics/rows?*kind=alarms*")
    expect(page.locator(".statistics-when strong")).to_have_text(number)
    expect(page.locator("tbody tr")).to_have_count(int(number))
    one.shot("statistics-rows")
    page.locator("tbody td.lead a").first.click()
    page.wait_for_url("**/desk/monitors/*")


def test_a_region_takes_the_place_of_a_project_and_the_table_that_of_the_cards(
    desk: Callable[..., Desk], watched: tuple[str, str]
) -> None:
    key, _name = watched
    one = desk("commander", **WALL)
    page = one.open(f"/desk/statistics?feature={key}&date=2026-11-01")
    page.fill(".area-picker input[role=combobox]", "通川区")
    page.locator(".area-picker [role=option][data-value='511702']").click()
    page.wait_for_url("**region=511702*")
    assert "feature=" not in page.url
    expect(page.locator("h1")).to_contain_text("通川区")
    one.settle()
    one.shot("statistics-region")
    page.locator("[name=view][value=table] + span").click()
    page.wait_for_url("**view=table*")
    expect(page.locator(".statistics-table")).to_be_visible()
    one.shot("statistics-table")
    with page.expect_download() as download:
        page.locator(".side-actions summary").click()
        page.locator(".side-actions a", has_text="CSV").click()
    assert re.search(r"统计分析_通川区_2026-11-01_2026-11-30\.csv", download.value.suggested_filename)


def test_in_english_in_the_dark_and_on_a_phone(desk: Callable[..., Desk], watched: tuple[str, str]) -> None:
    key, _name = watched
    wide = desk("commander", theme="dark", language="en", **WALL)
    page = wide.open("/desk/statistics?period=year&date=2026-01-01&kind=alarms&kind=monitors.fault&kind=cameras.fault")
    expect(page.locator(".trend-chart canvas").first).to_be_visible()
    wide.shot("statistics-dark")
    phone = desk("owner", **PHONE)
    page = phone.open(f"/desk/statistics?feature={key}&period=month&date=2026-11-01")
    expect(page.locator(".trend-chart canvas").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the phone"
    phone.shot("statistics-phone")
    page.locator(".kind-card").nth(1).scroll_into_view_if_needed()
    phone.shot("statistics-phone-cards")
    page = phone.open(f"/desk/statistics?feature={key}&period=month&date=2026-11-01&view=table")
    page.locator(".statistics-table").scroll_into_view_if_needed()
    phone.shot("statistics-phone-table")
    dark = desk("owner", theme="dark", language="en", **PHONE)
    dark.open(f"/desk/statistics?feature={key}&period=week&date=2026-11-04")
    dark.shot("statistics-phone-dark")


def test_on_paper(desk: Callable[..., Desk], watched: tuple[str, str]) -> None:
    one = desk("commander", **WALL)
    page = one.open(f"/desk/statistics?feature={watched[0]}&period=month&date=2026-11-01&kind=alarms")
    expect(page.locator(".trend-chart canvas").first).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator(".side-nav")).to_be_hidden()
    expect(page.locator(".bar-form")).to_be_hidden()
    expect(page.locator(".kind-card").first).to_be_visible()
    expect(page.locator(".trend-chart canvas").first).to_be_visible()
    one.shot("statistics-paper")
    assert len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(prefer_css_page_size=True))) <= 6
