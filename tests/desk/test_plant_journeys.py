"""A sewage plant at work in a real browser: a new value is in the picture and in the tables, and nobody reloads."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from services.telemetry import features
from services.telemetry.store import Row, Store
from tests.conftest import Server, connect
from tests.desk.conftest import Desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def plant(server: Server) -> Iterator[tuple[str, int]]:
    """Key of a plant at home, and the device of its effluent and machines."""
    ((key,),) = server.sql(
        "select id::text from sewage_sewageplant where region_id like '511702%%' and standard = '1A'"
        " order by id limit 1"
    )
    ((device,),) = server.sql(
        """
        insert into telemetry_device (protocol, number, name, feature, state, secret, units, crc_mode, datatime_is,
            missing_flag, minute_span, "interval", base, back_days, sm4_key, created_at)
        values ('hj212', 'PLANT-J', '', %s, 'active', '', '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '', now())
        returning id
        """,
        key,
    )
    yield key, device
    server.sql("update telemetry_factor set first_sent_by_id = null where first_sent_by_id = %s", device)
    server.sql("delete from telemetry_device where id = %s", device)


def says(server: Server, device: int, values: dict[str, float]) -> None:
    """A packet's values are stored and shown as the gateway and the telemetry process do."""
    at = datetime.now(UTC)
    with connect(server.database) as link:
        Store(link).write(Row(device, code, at, "real", v, None, None, None, "N", "", at) for code, v in values.items())
        features.write(link)


def reloaded(page: Page) -> bool:
    return page.evaluate("window.stillHere !== true")


@pytest.mark.covers("DZ-339")
def test_a_new_value_is_in_picture_and_tables_without_reloading(
    desk: Callable[..., Desk], server: Server, plant: tuple[str, int]
) -> None:
    key, device = plant
    says(server, device, {"w01018": 23.4, "level": 3.21, "SB1-RS": 1})
    one = desk("owner")
    one.page.clock.install()
    page = one.open(f"/desk/sewage_plants/{key}/process")
    expect(page.locator(".unit.outlet .held")).to_contain_text("23.4")
    expect(page.locator("[data-value=level]")).to_have_text("3.21")
    pump = page.locator("#process-now .machines li", has_text="1号提升泵")
    row = page.locator(".machine-table tbody tr", has_text="1号提升泵").first
    expect(pump.first).to_have_class("m-running")
    expect(row).to_contain_text("运行")
    page.evaluate("window.stillHere = true")
    says(server, device, {"w01018": 61.7, "level": 4.05, "SB1-RS": 4})
    page.clock.fast_forward(31_000)
    expect(page.locator(".unit.outlet .held")).to_contain_text("61.7")
    expect(page.locator(".unit.outlet .held-bad")).to_contain_text("超出限值")
    expect(page.locator("[data-value=level]")).to_have_text("4.05")
    expect(pump.first).to_have_class("m-fault")
    expect(row).to_contain_text("故障")
    assert not reloaded(page)
    one.shot("plant-process")
