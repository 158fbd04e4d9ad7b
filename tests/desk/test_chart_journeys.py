"""Charts in a real browser: each of the five kinds is made of own data, edited, saved and taken along."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openpyxl import load_workbook
from PIL import Image
from playwright.sync_api import Page, expect

from tests.conftest import Server
from tests.desk.conftest import PHONE, SETTLED, Desk

pytestmark = pytest.mark.django_db
LARGE = {"viewport": {"width": 1920, "height": 1080}}


@pytest.fixture(autouse=True)
def _none_left(server: Server) -> Iterator[None]:
    yield
    server.sql("delete from charts_product; delete from charts_row; delete from charts_table")


def drawn(page: Page, what: str) -> None:
    """Wait until a chart of this sort stands there."""
    expect(page.locator("[data-stage]")).to_have_attribute("data-drawn", what)
    if what == "map":
        page.wait_for_function(SETTLED)


def changed(page: Page, change: Callable[[], object]) -> None:
    """Do something to the form, and wait until form and chart follow."""
    with page.expect_response(lambda response: "/desk/charts/" in response.url and response.request.method == "POST"):
        change()
    page.wait_for_load_state("networkidle")


def pick(page: Page, selector: str, value: str) -> None:
    """Choose a value of the form."""
    changed(page, lambda: page.select_option(selector, value))


def kept(page: Page, name: str) -> str:
    """Save under a name; the path of the chart."""
    page.fill("#id-name", name)
    page.locator("button[value=save]").click()
    page.wait_for_url(re.compile(r"/desk/charts/[0-9a-f-]{36}$"))
    return page.url[page.url.index("/desk/") :]


def taken(page: Page, click: str) -> bytes:
    """The file that a button or link of the page gives."""
    page.locator("summary", has_text="下载").click()
    with page.expect_download() as download:
        page.locator(click).click()
    return Path(download.value.path()).read_bytes()


def colours(picture: bytes, least: int = 400) -> set[tuple[int, ...]]:
    """The colours of a PNG that fill some of it, in pixels."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    found = image.getcolors(maxcolors=1 << 24) or []
    return {colour for n, colour in found if n > least}  # type: ignore[misc]


@pytest.mark.covers("FJ-426")
def test_a_statistical_chart_is_made_edited_and_taken_along(desk: Callable[..., Desk], server: Server) -> None:
    one = desk("commander", **LARGE)
    page = one.open("/desk/charts")
    page.locator(".chart-starts a", has_text="统计图").click()
    one.settle()
    drawn(page, "diagram")
    pick(page, "#id-series", "region:county")
    pick(page, "#id-form", "stack")
    changed(page, lambda: page.locator("#id-labels").check())
    page.fill("#id-title", "各县工程状态")
    page.fill("#id-subtitle", "按县级行政区分列")
    page.fill("#id-note", "数据来源：工程图层")
    one.shot("chart-editor")
    there = kept(page, "工程状态统计")
    drawn(page, "diagram")
    one.shot("chart-statistical")
    expected = dict(server.sql("select state, count(*) from projects_project where region_id like '5117%%' group by 1"))
    rows = page.locator("[data-chart-table] tbody tr").all_inner_texts()
    sums = [sum(float(cell) for cell in row.split("\t")[1:]) for row in rows]
    assert sorted(sums) == sorted(float(n) for n in expected.values())

    page.locator("a.btn", has_text="修改").click()
    drawn(page, "diagram")
    expect(page.locator("#id-title")).to_have_value("各县工程状态")
    changed(page, lambda: page.locator("#palette-calm").check(force=True))
    pick(page, "#id-legend", "bottom")
    assert kept(page, "工程状态统计（改）") == there
    drawn(page, "diagram")
    picture = taken(page, "[data-chart-save=png]")
    assert (0x4E, 0x79, 0xA7) in colours(picture), "the first colour of the palette that was chosen"
    vectors = taken(page, "[data-chart-save=svg]").decode()
    assert vectors.startswith("<svg") and "各县工程状态" in vectors and "#4e79a7" in vectors
    book = load_workbook(io.BytesIO(taken(page, "a[href$='format=xlsx']")))
    cells = [row[1:] for row in book.active.iter_rows(min_row=2, values_only=True)]
    assert sum(sum(row) for row in cells) == sum(expected.values())


def test_a_thematic_map_is_classed_coloured_and_taken_along(desk: Callable[..., Desk], server: Server) -> None:
    one = desk("commander", **LARGE)
    page = one.open("/desk/charts/new?kind=thematic")
    drawn(page, "map")
    pick(page, "#id-measure", "sum:contract_price")
    pick(page, "#id-method", "own")
    page.fill("#id-breaks", "60000, 120000")
    changed(page, lambda: page.locator("#id-breaks").blur())
    expect(page.locator("[data-stage-key] span")).to_have_count(3)
    changed(page, lambda: page.locator("#ramp-amber").check(force=True))
    changed(page, lambda: page.locator("#id-labels").check())
    page.fill("#id-title", "各县合同价格")
    drawn(page, "map")
    kept(page, "合同价格专题图")
    drawn(page, "map")
    one.shot("chart-thematic")
    expected = {
        key: float(value)
        for key, value in server.sql(
            "select left(region_id, 6), sum(contract_price) from projects_project"
            " where region_id like '5117%%' group by 1"
        )
    }
    filled = page.evaluate(
        "() => Object.fromEntries(window.zhutuMap.queryRenderedFeatures({ layers: ['thematic-fill'] })"
        ".map((f) => [f.properties.label, f.properties.color]))"
    )
    tones = page.evaluate("JSON.parse(document.getElementById('chart-drawing').dataset.drawing).ramp")
    names = dict(server.sql("select name, code from spatial_region where level = 'county' and code like '5117%%'"))
    for name, colour in filled.items():
        value = expected[names[name]]
        assert colour == tones[0 if value <= 60_000 else 1 if value <= 120_000 else 2], name
    vectors = taken(page, "[data-chart-save=svg]").decode()
    assert vectors.count("<path") == len(expected) and "各县合同价格" in vectors
    assert len(colours(taken(page, "[data-chart-save=png]"))) > 4

    page.locator("a.btn", has_text="修改").click()
    drawn(page, "map")
    pick(page, "#id-form", "points")
    pick(page, "#id-by", "@feature")
    pick(page, "#id-method", "quantile")
    page.wait_for_function(
        "() => new Set(window.zhutuMap.queryRenderedFeatures({ layers: ['thematic-points'] })"
        ".map((f) => f.properties.size)).size > 1"
    )
    one.shot("chart-points")


def test_a_calendar_shows_the_days_on_which_something_was_reported(desk: Callable[..., Desk], server: Server) -> None:
    one = desk("owner", theme="dark", language="en", **LARGE)
    page = one.open("/desk/charts/new?kind=calendar&source=records:projects:progressreport")
    drawn(page, "diagram")
    page.fill("#id-title", "Progress reports")
    pick(page, "#id-classes", "3")
    pick(page, "#id-time", "365")
    one.shot("chart-calendar-dark-en")
    kept(page, "Reports by day")
    drawn(page, "diagram")
    ((n,),) = server.sql(
        "select count(*) from projects_progressreport r join projects_project p on p.id = r.project_id"
        " where p.region_id like '511702%%' and r.reported_on > (now() at time zone 'Asia/Shanghai')::date - 365"
        " and r.reported_on <= (now() at time zone 'Asia/Shanghai')::date"
    )
    cells = page.locator("[data-chart-table] tbody td.number").all_inner_texts()
    assert sum(float(cell) for cell in cells) == n > 0
    page.locator("summary", has_text="Download").click()
    with page.expect_download() as download:
        page.locator("[data-chart-save=png]").click()
    assert (255, 255, 255) in colours(Path(download.value.path()).read_bytes()), "a picture is for paper"


def test_heat_maps_lie_on_the_map_and_in_a_matrix(desk: Callable[..., Desk], server: Server) -> None:
    one = desk("commander", **LARGE)
    page = one.open("/desk/charts/new?kind=heat&source=layer:rural_houses")
    drawn(page, "map")
    page.fill("#id-title", "农村房屋分布")
    page.wait_for_function(SETTLED)
    one.shot("chart-ground")
    kept(page, "农房热力图")
    drawn(page, "map")
    ((n,),) = server.sql("select count(*) from rural_houses_ruralhouse where region_id like '5117%%'")
    expect(page.locator(".chart-sheet .card-head")).to_contain_text(f"{n} 条数据")
    found = colours(taken(page, "[data-chart-save=png]"), 20)
    assert any(red > 200 and 60 < green < 200 and blue < 120 for red, green, blue in found), "the middle of the ramp"
    assert "data:image/png" in taken(page, "[data-chart-save=svg]").decode()

    page.locator("a.btn", has_text="修改").click()
    drawn(page, "map")
    pick(page, "#id-source", "records:projects:progressreport")
    pick(page, "#id-form", "matrix")
    drawn(page, "diagram")
    assert page.input_value("#id-by").endswith(":weekdays")
    changed(page, lambda: page.locator("#id-labels").check())
    one.shot("chart-matrix")
    kept(page, "上报时间热力图")
    ((n,),) = server.sql(
        "select count(*) from projects_progressreport r join projects_project p on p.id = r.project_id"
        " where p.region_id like '5117%%'"
    )
    rows = page.locator("[data-chart-table] tbody tr").all_inner_texts()
    assert sum(float(cell) for row in rows for cell in row.split("\t")[1:]) == n > 0


def test_groups_and_periods_are_compared(desk: Callable[..., Desk], server: Server) -> None:
    one = desk("commander", **LARGE)
    page = one.open("/desk/charts/new?kind=comparative&source=layer:rural_houses")
    drawn(page, "diagram")
    for value in page.locator("[name=chosen]:checked").evaluate_all("all => all.map((each) => each.value)")[2:]:
        changed(page, lambda value=value: page.locator(f"[name=chosen][value='{value}']").uncheck())
    expect(page.locator("[name=chosen]:checked")).to_have_count(2)
    pick(page, "#id-form", "mirror")
    changed(page, lambda: page.locator("#id-labels").check())
    one.shot("chart-mirror")
    pick(page, "#id-source", "layer:projects")
    pick(page, "#id-form", "side")
    pick(page, "#id-compared", "periods")
    pick(page, "#id-clock", "start_date")
    for name, day in (("period-first", "2024-01-01"), ("period-last", "2024-12-31")):
        changed(page, lambda name=name, day=day: page.locator(f"[name={name}]").nth(0).fill(day))
    expect(page.locator("[data-stage-words] p")).to_contain_text("两个时段")
    for name, day in (("period-first", "2025-01-01"), ("period-last", "2025-12-31")):
        changed(page, lambda name=name, day=day: page.locator(f"[name={name}]").nth(1).fill(day))
    drawn(page, "diagram")
    one.shot("chart-periods")
    kept(page, "两年对比")
    drawn(page, "diagram")
    years = server.sql(
        "select extract(year from start_date)::int, count(*) from projects_project where region_id like '5117%%'"
        " and start_date between '2024-01-01' and '2025-12-31' group by 1 order by 1"
    )
    rows = [row.split("\t") for row in page.locator("[data-chart-table] tbody tr").all_inner_texts()]
    assert [sum(float(row[place]) for row in rows) for place in (1, 2)] == [float(n) for _year, n in years]
    assert all(float(row[3]) == float(row[2]) - float(row[1]) for row in rows)
    book = load_workbook(io.BytesIO(taken(page, "a[href$='format=xlsx']")))
    assert book.active.max_column == 5


def test_a_table_of_ones_own_becomes_a_map(desk: Callable[..., Desk], tmp_path: Path) -> None:
    file = tmp_path / "抽查.csv"
    lines = ("区县,得分,日期", "通川区,82.5,2026-03-01", "达川区,76,2026-03-02", "宣汉县,91,2026-03-05")
    file.write_text("\n".join(lines), encoding="utf-8")
    wrong = tmp_path / "抽查.docx"
    wrong.write_bytes(b"PK")
    one = desk("owner", **PHONE)
    page = one.open("/desk/charts/tables")
    page.set_input_files("[name=file]", wrong)
    page.locator(".table-upload button").click()
    expect(page.locator(".notice.bad")).to_contain_text("CSV")
    page.set_input_files("[name=file]", file)
    page.locator(".table-upload button").click()
    expect(page.locator("h1")).to_contain_text("抽查")
    one.shot("chart-table-phone")
    page.locator(".side-actions a", has_text="制作图表").click()
    drawn(page, "diagram")
    changed(page, lambda: page.locator("#kind-thematic").check(force=True))
    pick(page, "#id-measure", "mean:c1")
    drawn(page, "map")
    page.fill("#id-title", "抽查得分")
    one.shot("chart-editor-phone")
    kept(page, "抽查得分")
    drawn(page, "map")
    expect(page.locator("[data-chart-table]")).to_contain_text("82.5")
    one.shot("chart-map-phone")
    page.goto(one.server.url + "/desk/charts")
    expect(page.locator(".chart-thumb")).to_have_attribute("data-state", "drawn")
    one.shot("chart-gallery-phone")


@pytest.mark.parametrize(("language", "theme"), [("zh-hans", "light"), ("en", "dark")])
def test_the_gallery_shows_renames_copies_and_deletes(
    desk: Callable[..., Desk], server: Server, language: str, theme: str
) -> None:
    one = desk("commander", theme=theme, language=language, **LARGE)
    page = one.open("/desk/charts/new")
    for kind, more in (
        ("statistical", ""), ("statistical", "&source=layer:people"), ("thematic", ""),
        ("heat", "&source=layer:cameras"), ("calendar", "&source=records:projects:progressreport"),
        ("comparative", "&source=layer:rural_houses"),
    ):  # fmt: skip
        page.goto(one.server.url + f"/desk/charts/new?kind={kind}{more}")
        page.wait_for_load_state("networkidle")
        kept(page, f"{kind} {more[8:]}")
    page.goto(one.server.url + "/desk/charts")
    expect(page.locator(".chart-thumb[data-state=drawn]")).to_have_count(6)
    one.shot(f"chart-gallery-{theme}-{language}")
    page.locator(".chart-card-small summary").first.click()
    page.locator(".chart-card-small [data-dialog^=rename]").first.click()
    page.locator("dialog[open] [name=name]").fill("Neuer Name")
    page.locator("dialog[open] .btn-primary").click()
    expect(page.locator(".chart-card-text").first).to_contain_text("Neuer Name")
    page.locator(".chart-card-small summary").first.click()
    page.locator(".chart-card-small form[action$=copy] button").first.click()
    drawn(page, "diagram")
    one.shot(f"chart-editor-{theme}-{language}")
    page.goto(one.server.url + "/desk/charts")
    expect(page.locator(".chart-card-small")).to_have_count(7)
    page.locator(".chart-card-small summary").first.click()
    page.locator(".chart-card-small [data-dialog^=delete]").first.click()
    page.locator("dialog[open] .btn-danger").click()
    expect(page.locator(".chart-card-small")).to_have_count(6)
    page.locator(".chart-thumb").first.click()
    one.settle()
    page.emulate_media(media="print")
    for hidden in (".top", ".side-nav", ".plain-head"):
        expect(page.locator(hidden).first).to_be_hidden()
    expect(page.locator("[data-chart-table]")).to_be_visible()
