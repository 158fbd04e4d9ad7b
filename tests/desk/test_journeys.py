"""Journeys across the desk in a real browser, on the real server."""

import re
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.conftest import PASSWORD, Server
from tests.desk.conftest import Desk

pytestmark = pytest.mark.django_db
"""Asks for the test database, which the server's is a copy of."""

PAYLOAD = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'>"


def click_on_map(desk: Desk, lon: float, lat: float) -> None:
    """Click where a place is drawn."""
    spot = desk.page.evaluate("([x, y]) => window.zhutuMap.project([x, y])", [lon, lat])
    desk.page.locator("#map canvas").click(position={"x": spot["x"], "y": spot["y"]})


@pytest.mark.covers("DZ-007", "DZ-010")
def test_from_log_in_to_a_record_and_back(desk: Any, at_home: tuple[str, str, float, float]) -> None:
    pk, name, lon, lat = at_home
    mine = desk("owner")
    page = mine.page
    expect(page.locator(".figure").first).to_be_visible()
    page.locator(".side-nav a[href='/desk/projects']").click()
    mine.settle()
    mine.open(f"/desk/projects#map=16/{lat}/{lon}")
    click_on_map(mine, lon, lat)
    panel = page.locator("#panel")
    expect(panel.locator("h2")).to_have_text(name)
    expect(page).to_have_url(re.compile(rf"/desk/projects/{pk}"))
    expect(page.locator("tr.selected")).to_have_count(page.locator(f"tr[data-id='{pk}']").count())
    page.locator("#tab-participation").click()
    expect(panel.locator("[data-tab=participation]")).to_be_visible()
    mine.shot("journey-panel")

    page.locator(".filter summary", has_text="状态").click()
    page.locator(".filter[open] input[value=active]").click()
    expect(page).to_have_url(re.compile("state=active"))
    expect(page.locator(".results .state", has_not_text="在建")).to_have_count(0)
    expect(page.locator(".results .state").first).to_have_text("在建")
    assert "state=active" in page.evaluate("window.zhutuMap.getSource('projects').tiles[0]")
    page.go_back()
    expect(page).not_to_have_url(re.compile("state=active"))
    page.go_back()
    expect(panel).not_to_have_class(re.compile("open"))


@pytest.mark.covers("LN-029")
def test_projects_and_devices_stand_on_the_map_and_open_on_click(
    desk: Any, server: Server, at_home: tuple[str, str, float, float], monitor: str
) -> None:
    pk, name, lon, lat = at_home
    where = "select name, st_x(geom), st_y(geom) from environment_monitor where id = %s"
    ((device, x, y),) = server.sql(where, monitor)
    mine = desk("owner")
    for layer, key, title, place in (("projects", pk, name, (lon, lat)), ("monitors", monitor, device, (x, y))):
        page = mine.open(f"/desk/{layer}#map=18/{place[1]}/{place[0]}")
        click_on_map(mine, *place)
        expect(page.locator("#panel h2")).to_have_text(title)
        expect(page).to_have_url(re.compile(rf"/desk/{layer}/{key}"))


def test_a_row_opens_its_feature_on_the_map_and_the_address_can_be_shared(desk: Any) -> None:
    mine = desk("owner")
    page = mine.open("/desk/projects?sort=name")
    row = page.locator(".results tbody tr").nth(1)
    name = row.locator("a[data-open]").inner_text()
    row.click()
    expect(page.locator("#panel h2")).to_have_text(name)
    expect(row).to_have_class(re.compile("selected"))
    mine.settle()
    assert page.evaluate("window.zhutuMap.getZoom()") >= 13
    other = desk("owner")
    other.page.goto(page.url)
    expect(other.page.locator("#panel h2")).to_have_text(name)
    expect(other.page.locator("tr.selected a[data-open]")).to_have_text(name)


def test_a_page_of_a_layer_shows_its_points_from_the_whole_city_on(desk: Any) -> None:
    mine = desk("commander")

    def drawn(key: str) -> None:
        mine.open(f"/desk/{key}#map=7/31.2/107.5")
        mine.settle()
        mine.page.wait_for_function(f"window.zhutuMap.querySourceFeatures('{key}', {{sourceLayer: '{key}'}}).length")

    drawn("monitors")
    expect(mine.page.locator("[data-from-zoom=monitors]")).to_be_hidden()
    drawn("projects")
    assert mine.page.evaluate("window.zhutuMap.getSource('monitors').minzoom") > 7, "they would cover what is asked for"


def test_create_with_the_map_picker_then_delete(desk: Any) -> None:
    mine = desk("owner")
    page = mine.open("/desk/projects/new#map")
    page.fill("input[name=name]", "新建测试工程")
    page.evaluate("window.zhutuMap.jumpTo({center: [107.51, 31.22], zoom: 14})")
    mine.settle()
    page.locator("#map canvas").click()
    expect(page.locator("#id_region_text")).not_to_have_value("")
    page.locator(".form-foot .btn-primary").click()
    expect(page.locator("#panel h2")).to_have_text("新建测试工程")
    place = page.locator("[data-feature]").get_attribute("data-place") or ""
    lon, lat = (float(part) for part in place.split(","))
    assert abs(lon - 107.51) < 0.001 and abs(lat - 31.22) < 0.001
    page.locator("#tab-history").click()
    expect(page.locator(".timeline")).to_contain_text("新建")
    page.locator(".panel-actions .menu summary").click()
    page.locator("[data-dialog=confirm-delete]").click()
    page.locator("#confirm-delete .btn-danger").click()
    expect(page.locator(".toast-line")).to_contain_text("已删除")


def test_field_errors_stand_beside_the_field(desk: Any) -> None:
    mine = desk("owner")
    page = mine.open("/desk/projects/new")
    page.fill("input[name=start_date]", "2026-05-01")
    page.fill("input[name=finish_date]", "2026-04-01")
    page.locator(".form-foot .btn-primary").click()
    expect(page.locator(".field", has=page.locator("input[name=name]")).locator(".field-error")).to_be_visible()
    page.fill("input[name=name]", "日期颠倒")
    page.locator(".form-foot .btn-primary").click()
    expect(page.locator(".notice.bad")).to_contain_text("计划竣工日期不得早于开工日期")


def test_two_people_edit_the_same_feature(desk: Any, at_home: tuple[str, str, float, float]) -> None:
    pk = at_home[0]
    one, two = desk("owner"), desk("admin")
    for each in (one, two):
        each.open(f"/desk/projects/{pk}/edit")
    for each, address in ((one, "先保存的地址"), (two, "后保存的地址")):
        each.page.fill("input[name=address]", address)
        each.page.locator(".form-foot .btn-primary").click()
    expect(one.page.locator("#panel .values")).to_contain_text("先保存的地址")
    expect(two.page.locator(".notice.warn")).to_contain_text("先保存的地址")
    expect(two.page.locator(".notice.warn")).to_contain_text("后保存的地址")


def test_add_a_record_in_its_tab(desk: Any, at_home: tuple[str, str, float, float]) -> None:
    mine = desk("owner")
    page = mine.open(f"/desk/projects/{at_home[0]}")
    page.locator("#tab-permit").click()
    page.locator(".tab-tools button").click()
    page.fill(".record-form input[name=number]", str(uuid4().int)[:18])
    page.fill(".record-form input[name=issued_on]", "2026-03-02")
    page.fill(".record-form input[name=issued_by]", "通川区住房和城乡建设局")
    page.locator(".record-form .btn-primary").click()
    expect(page.locator("[data-tab=permit]")).to_contain_text("通川区住房和城乡建设局")


def test_export_follows_the_filter(desk: Any) -> None:
    mine = desk("owner")
    page = mine.open("/desk/projects?state=active")
    page.locator(".side-actions .menu summary").click()
    with page.expect_download() as download:
        page.locator("a[href*='format=csv']").click()
    lines = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    shown = int(page.locator(".results-bar strong").inner_text().replace(",", ""))
    assert len(lines) == shown + 1
    with page.expect_download() as download:
        page.locator(".side-actions .menu summary").click()
        page.locator("a[href*='format=xlsx']").click()
    assert "xl/workbook.xml" in zipfile.ZipFile(BytesIO(Path(download.value.path()).read_bytes())).namelist()


def test_a_map_to_hand_on_opens_without_a_network(desk: Any, browser: Any, tmp_path: Path) -> None:
    mine = desk("owner")
    page = mine.open("/desk/projects?state=active")
    page.locator(".side-actions .menu summary").click()
    with page.expect_download() as download:
        page.locator("a[href*='map.html']").click()
    file = tmp_path / "map.html"
    download.value.save_as(file)
    context = browser.new_context(offline=True)
    alone = context.new_page()
    asked: list[str] = []
    alone.on("request", lambda request: asked.append(request.url))
    alone.goto(file.as_uri())
    expect(alone.locator(".leaflet-interactive").first).to_be_visible()
    context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_a_number_of_the_statistics_opens_its_list(desk: Any) -> None:
    mine = desk("owner")
    page = mine.open("/desk/projects/stats")
    expect(page.locator("[data-chart] canvas").first).to_be_visible()
    link = page.locator(".chart-table .number a").first
    count = link.inner_text()
    mine.shot("journey-stats")
    link.click()
    expect(page.locator(".results-bar strong")).to_have_text(count)


def test_import_shows_problems_before_anything_is_written(desk: Any, tmp_path: Path) -> None:
    file = tmp_path / "sites.csv"
    file.write_text("编号,名称,状态,经度,纬度\nA-1,导入工程一,在建,107.50,31.22\nA-2,,坏的,107.5,31.2\n", "utf-8")
    mine = desk("owner")
    page = mine.open("/desk/projects/import")
    page.set_input_files("input[type=file]", file)
    page.locator(".upload .btn-primary").click()
    expect(page.locator(".field.bad")).to_contain_text("坐标系")
    page.select_option("#crs", "4490")
    page.locator(".import-foot .btn", has_text="更新样例").click()
    expect(page.locator(".problem").first).to_be_visible()
    mine.shot("journey-import")
    page.locator(".import-foot .danger").click()
    expect(page.locator(".toast-line")).to_contain_text("已放弃这次导入")


def test_language_and_theme(desk: Any) -> None:
    mine = desk("owner")
    page = mine.open("/desk/projects")
    page.locator(".preferences button[name=language]").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator(".side-head h1")).to_have_text("Projects")
    mine.settle()
    page.locator(".preferences button[name=theme]").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    mine.settle()
    assert page.evaluate("window.zhutuMap.getStyle().name") == "zhutu-desk-dark"
    mine.shot("journey-dark-en")


def test_a_neighbour_sees_none_of_it(desk: Any, at_home: tuple[str, str, float, float]) -> None:
    pk, name, lon, lat = at_home
    theirs = desk("neighbour")
    page = theirs.page
    answer = page.goto(f"{theirs.server.url}/desk/projects/{pk}")
    assert answer is not None and answer.status == 404
    expect(page.locator(".error-status")).to_have_text("404")
    theirs.open(f"/desk/projects?q={name}#map=16/{lat}/{lon}")
    expect(page.locator(".nothing")).to_be_visible()
    assert page.evaluate("window.zhutuMap.queryRenderedFeatures().filter(f => f.source === 'projects').length") == 0
    page.fill("[data-find] input", name)
    expect(page.locator("#found .hint")).to_be_visible()


def test_search_by_keyboard(desk: Any, at_home: tuple[str, str, float, float]) -> None:
    mine = desk("owner")
    page = mine.open("/desk")
    page.keyboard.press("/")
    page.keyboard.type(at_home[1])
    expect(page.locator("#found [role=option]").first).to_contain_text(at_home[1])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#panel h2")).to_have_text(at_home[1])


def test_markup_in_a_name_is_text_everywhere(desk: Any, at_home: tuple[str, str, float, float]) -> None:
    """F54: list, panel, map tooltip, search, statistics, history and the exported map show it as it is."""
    pk, name, lon, lat = at_home
    mine = desk("owner")
    page = mine.open(f"/desk/projects/{pk}/edit")
    page.fill("input[name=name]", PAYLOAD)
    page.locator(".form-foot .btn-primary").click()
    expect(page.locator("#panel h2")).to_have_text(PAYLOAD)
    mine.settle()
    expect(page.locator(f"[data-open='projects/{pk}']")).to_have_text(PAYLOAD)
    page.locator("#tab-history").click()
    expect(page.locator(".timeline")).to_contain_text("<img src=x")
    mine.open(f"/desk/projects#map=16/{lat}/{lon}")
    spot = page.evaluate("([x, y]) => window.zhutuMap.project([x, y])", [lon, lat])
    page.wait_for_function("(spot) => window.zhutuMap.queryRenderedFeatures(spot).length", arg=[spot["x"], spot["y"]])
    page.locator("#map canvas").hover(position={"x": spot["x"], "y": spot["y"]})
    expect(page.locator(".hover-tip")).to_have_text(PAYLOAD)
    page.fill("[data-find] input", "onerror=alert")
    expect(page.locator(f"#found [role=option][href='/desk/projects/{pk}']")).to_contain_text(PAYLOAD)
    page.goto(f"{mine.server.url}/desk/projects/stats")
    page.goto(f"{mine.server.url}/desk/projects/{pk}/edit")
    page.fill("input[name=name]", name)
    page.locator(".form-foot .btn-primary").click()
    expect(page.locator("#panel h2")).to_have_text(name)


def test_strangers_go_to_the_log_in(desk: Any) -> None:
    nobody = desk()
    page = nobody.page
    page.goto(f"{nobody.server.url}/desk/projects?state=active&kind=building")
    expect(page.locator(".login-form")).to_be_visible()
    page.fill("#id_username", "owner")
    page.fill("#id_password", "wrong")
    page.click(".login-form button")
    expect(page.locator(".notice.bad")).to_be_visible()
    nobody.shot("journey-login")
    page.fill("#id_password", PASSWORD)
    page.click(".login-form button")
    expect(page).to_have_url(re.compile(r"/desk/projects\?state=active&kind=building"))


def test_an_address_leads_back_to_the_tab_of_a_panel(desk: Any, at_home: tuple[str, str, float, float]) -> None:
    mine = desk("owner")
    page = mine.open(f"/desk/projects/{at_home[0]}#tab-history")
    chosen = page.locator("#panel [role=tab][aria-selected=true]")
    expect(chosen).to_have_id("tab-history")
    expect(page.locator("#tab-body")).not_to_contain_text("选择上面的标签")
    assert page.evaluate("document.scrollingElement.scrollTop") == 0, "the panel scrolls, the desk does not"
    page.locator("#tab-participation").click()
    expect(page.locator("#panel [data-tab=participation]")).to_be_visible()
    expect(page).to_have_url(re.compile("#.*tab-participation"))
    assert "tab-history" not in page.url
    page.reload()
    expect(page.locator("#panel [data-tab=participation]")).to_be_visible()
    expect(chosen).to_have_id("tab-participation")
