"""Measured values in a real browser: points are found by typing, charts are drawn, nothing goes outside."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.conftest import Server
from tests.desk.conftest import Desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def points(server: Server) -> Iterator[list[tuple[str, str]]]:
    """Key and name of two monitors at home, each with a device that sent an hour of PM10 and wind."""
    rows = server.sql(
        "select min(id::text), name from environment_monitor where region_id like '511702%%'"
        " group by name order by name limit 2"
    )
    for n, (key, _name) in enumerate(rows):
        server.sql(
            """
            with d as (
                insert into telemetry_device (protocol, number, name, feature, state, secret, units, crc_mode,
                    datatime_is, missing_flag, minute_span, "interval", base, back_days, sm4_key, created_at)
                values ('hj212', %s, '', %s, 'active', '', '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '', now())
                returning id
            ), r as (
                insert into telemetry_reading (at, received_at, value, device, factor, span, quality, flag, late)
                select date_trunc('minute', now()) - make_interval(mins => m), now(),
                    case f.code when 'a34002' then 50 + m when 'a01007' then 2 else 90 end, d.id, f.id, 0, 0, 'N', false
                from d, generate_series(1, 60) m, telemetry_factor f where f.code in ('a34002', 'a01007', 'a01008')
                returning device, factor, at, received_at, value
            )
            insert into telemetry_latest (device, factor, span, at, received_at, value, flag, quality)
            select distinct on (device, factor) device, factor, 0, at, received_at, value, 'N', 0 from r
            order by device, factor, at desc
            """,
            f"JOURNEY{n}", key,
        )  # fmt: skip
    yield rows
    server.sql("delete from telemetry_device where number like 'JOURNEY%%'")


def test_points_are_found_and_compared_and_the_wind_is_drawn(
    desk: Callable[..., Desk], points: list[tuple[str, str]]
) -> None:
    one = desk("owner")
    page = one.open(f"/desk/compare?feature={points[0][0]}&factor=a34002&range=1h")
    expect(page.locator("#comparison canvas")).to_be_visible()
    page.fill(".picker input[role=combobox]", points[1][1][:6])
    page.locator(f".picker [role=option][data-value='{points[1][0]}']").click()
    page.wait_for_url("**feature=*feature=*")
    expect(page.locator(".chip.chosen")).to_have_count(2)
    expect(page.locator("#comparison tbody tr")).to_have_count(2)
    page.locator(".segments label", has_text="柱状").click()
    page.wait_for_url("**kind=bar*")
    expect(page.locator("#comparison canvas")).to_be_visible()
    one.shot("comparison")
    page = one.open(f"/desk/rose?feature={points[0][0]}&range=24h&factor=a34002")
    expect(page.locator(".rose canvas")).to_have_count(2)
    one.shot("rose")


def test_a_device_opens_from_the_list_and_its_profile_is_saved(
    desk: Callable[..., Desk], points: list[tuple[str, Any]]
) -> None:
    one = desk("owner", theme="dark", language="en")
    page = one.open("/desk/devices?q=JOURNEY0")
    page.locator("tbody a").first.click()
    page.fill("#id_name", "East gate")
    page.locator(".device-form .btn-primary").click()
    expect(page.locator("h1")).to_contain_text("East gate")
    expect(page.locator(".timeline li")).to_have_count(1)
    one.shot("device")
