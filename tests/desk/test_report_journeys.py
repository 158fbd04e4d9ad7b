"""Reports in a real browser: one is put together without programming, and comes out on paper."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from tests.conftest import Server
from tests.desk.conftest import Desk

pytestmark = pytest.mark.django_db
BOXES = re.compile(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]")


@pytest.fixture
def hours(server: Server) -> Iterator[str]:
    """The name of a plant at home whose device sent two days of COD and flow by the hour."""
    key, name = server.sql(
        "select id::text, name from sewage_sewageplant where region_id like '511702%%' order by name limit 1"
    )[0]
    server.sql(
        """
        with d as (
            insert into telemetry_device (protocol, number, name, feature, state, secret, units, crc_mode, datatime_is,
                missing_flag, minute_span, "interval", base, back_days, sm4_key, created_at, approved_at)
            values ('hj212', 'PAPER', '', %s, 'active', '', '{}', 'standard', 'start', 'N', 10, 1, 2, 30, '',
                now() - interval '9 days', now() - interval '9 days')
            returning id
        ), f as (select id, code from telemetry_factor where code in ('w01018', 'w00000')), l as (
            insert into telemetry_latest (device, factor, span, at, received_at, value, flag, quality)
            select d.id, f.id, 2, date_trunc('hour', now()), now(), 30, 'N', 0 from d, f
        )
        insert into telemetry_rollup (device, factor, span, at, mean, low, high, n_valid, n_expected, valid)
        select d.id, f.id, 2, date_trunc('day', now(), 'Asia/Shanghai') - make_interval(hours => h), 30, 20, 40,
            1, 1, true
        from d, f, generate_series(1, 48) h
        """,
        key,
    )
    yield name
    server.sql("delete from telemetry_rollup where device in (select id from telemetry_device where number = 'PAPER')")
    server.sql("delete from telemetry_latest where device in (select id from telemetry_device where number = 'PAPER')")
    server.sql("delete from telemetry_device where number = 'PAPER'")
    server.sql("delete from reports_custom; delete from reports_mark")


def test_a_report_is_composed_previewed_saved_and_printed(desk: Callable[..., Desk], hours: str) -> None:
    one = desk("owner", theme="dark")
    page = one.open("/desk/reports")
    page.locator(".side-actions a", has_text="新建报表").click()
    one.settle()
    page.select_option("#id-layer", "sewage_plants")
    expect(page.locator(".pick-table")).to_contain_text("化学需氧量")
    page.fill("#id-name", "例会用表")
    page.select_option("#id-choice", "chosen")
    page.fill(".picker input[role=combobox]", hours[:4])
    page.locator(".picker [role=option]", has_text=hours).first.click()
    expect(page.locator(".chip.chosen")).to_have_count(1)
    page.select_option("#id-by", "both")
    expect(page.locator(".order-list li").first).to_contain_text("时间")
    page.locator("[name=pick][value='w01018:high']").check()
    expect(page.locator(".order-list")).to_contain_text("化学需氧量 最大")
    last = page.locator(".order-list li").last
    expect(last).to_contain_text("化学需氧量 最大")
    last.locator("button[value^='up|']").click()
    expect(page.locator(".order-list li").last).not_to_contain_text("化学需氧量 最大")
    page.locator("button[value=preview]").click()
    expect(page.locator("#preview tbody tr").first).to_be_visible()
    expect(page.locator("#id-name")).to_have_value("例会用表")
    one.shot("report-composer")
    page.locator("button[value=save]").click()
    page.wait_for_url(re.compile(r"/desk/reports/custom/[0-9a-f-]{36}$"))
    expect(page.locator(".report-table")).to_contain_text(hours)
    one.shot("report-custom")

    page.emulate_media(media="print")
    expect(page.locator(".print-head h1")).to_have_text("例会用表")
    for hidden in (".top", ".side-nav", ".plain-head", ".bar-form"):
        expect(page.locator(hidden).first).to_be_hidden()
    ink, ground = page.evaluate(
        "() => [getComputedStyle(document.querySelector('.report-table td')).color,"
        " getComputedStyle(document.body).backgroundColor]"
    )
    assert (ink, ground) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)"), "the dark theme stays on the screen"
    assert paper(page) == {(595, 842)}


@pytest.mark.parametrize(("language", "theme"), [("zh-hans", "light"), ("en", "dark")])
def test_a_report_that_makes_itself_is_settled_read_and_deleted(
    desk: Callable[..., Desk], hours: str, server: Server, language: str, theme: str
) -> None:
    one = desk("owner", theme=theme, language=language)
    page = one.open("/desk/reports/custom/new?layer=sewage_plants")
    page.fill("#id-name", "例会日报")
    page.select_option("#id-repeat", "day")
    page.select_option("#id-hour", "0")
    page.locator(".people-picks input").first.check()
    one.settle()
    one.shot(f"report-schedule-{language}")
    page.locator("button[value=save]").click()
    page.wait_for_url(re.compile(r"/desk/reports/custom/[0-9a-f-]{36}$"))
    one.shot(f"report-scheduled-{language}")
    server.sql("update reports_custom set upto = (now() at time zone 'Asia/Shanghai')::date - 2")
    made(server)
    page.reload()
    one.shot(f"report-with-editions-{language}")
    rows = page.locator(f"a[href^='{EDITIONS}']")
    expect(rows).to_have_count(2)
    rows.first.click()
    expect(page.locator(".report-table")).to_contain_text(hours)
    one.shot(f"report-edition-{language}")
    page.locator("[data-dialog=confirm-delete]").click()
    one.shot(f"report-edition-delete-{language}")
    page.locator("#confirm-delete .btn-danger").click()
    page.wait_for_url(re.compile(r"/desk/reports/custom/"))
    expect(rows).to_have_count(1)
    page.locator("details.menu summary").last.click()
    page.locator("[data-dialog=confirm-delete]").click()
    page.locator("#confirm-delete [name=editions]").check()
    one.shot(f"report-delete-{language}")
    page.locator("#confirm-delete .btn-danger").click()
    page.wait_for_url(re.compile(r"/desk/reports$"))
    assert server.sql("select count(*) from reports_edition where custom_id is not null")[0][0] == 0
    server.sql("delete from reports_edition; delete from notify_message")


EDITIONS = "/desk/reports/editions/0"


def made(server: Server) -> None:
    """Have everything made that is due, as the worker does."""
    environment = os.environ | {"ZHUTU_PGDATABASE": server.database}
    command = [sys.executable, "manage.py", "reports", "--seconds", "10"]
    subprocess.run(command, cwd=settings.ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def test_a_wide_report_lies_on_its_side(desk: Callable[..., Desk], hours: str, server: Server) -> None:
    (key,) = server.sql("select feature::text from telemetry_device where number = 'PAPER'")[0]
    (day,) = server.sql("select ((now() at time zone 'Asia/Shanghai')::date - 1)::text")[0]
    page = desk("owner").open(f"/desk/reports/sewage-plant?period=day&feature={key}&date={day}")
    assert paper(page) == {(842, 595)}


def paper(page: Page) -> set[tuple[int, int]]:
    """Width and height of the pages that are printed, in points: A4 is 595 by 842."""
    found = BOXES.findall(page.pdf(prefer_css_page_size=True))
    return {(round(float(width)), round(float(height))) for width, height in found}
