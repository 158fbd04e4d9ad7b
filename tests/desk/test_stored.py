"""Readings as they are stored: sent over the wire today and yesterday, found on the desk by device, sensor and time."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from playwright.sync_api import expect

from ingest.protocols.hj212.packets import Packet
from ingest.protocols.hj212.replies import DEVICE_TIME, qn
from layers.environment.models import Monitor
from services.audit.models import Entry
from services.telemetry import partitions, stored
from services.telemetry.models import Device
from services.telemetry.spans import ZONE
from services.telemetry.store import Row, Store
from tests.conftest import HOME, Server, client
from tests.desk.conftest import PHONE, Desk, forget
from tests.ingest.gateways.boxes import free_port
from tests.ingest.gateways.conftest import PASSWORD, Gateway, Talker

pytestmark = pytest.mark.django_db
SENSORS = {
    "a34001": 210.0, "a34002": 80.0, "a34004": 35.0, "a34005": 12.0, "LA": 63.5, "a01001": -3.5, "a01002": 55.0,
    "a01006": 96.31, "a01007": 0.0, "a01008": 315.0,
}  # fmt: skip
"""What one device sends; of PM1.0 (a34005) the monitor has no column."""


@pytest.fixture(scope="module")
def gateway(server: Server) -> Iterator[Gateway]:
    found = Gateway(server, free_port())
    found.register("STORED")
    found.start()
    yield found
    found.kill()
    forget(server, [pk for (pk,) in server.sql("select id from telemetry_device where number = 'STORED'")])


@pytest.mark.covers("DZ-081")
def test_what_any_sensor_sent_is_found_with_device_sensor_and_time_also_yesterday(
    gateway: Gateway, server: Server, desk: Callable[..., Desk], monitor: str
) -> None:
    device = server.sql("update telemetry_device set feature = %s where number = 'STORED' returning id", monitor)[0][0]
    now = timezone.now().replace(microsecond=0)
    times = [now - timedelta(days=1), now]
    talker = Talker(gateway.port)
    for at in times:
        values = ";".join(f"{code}-Rtd={value},{code}-Flag=N" for code, value in SENSORS.items())
        cp = f"DataTime={at.astimezone(DEVICE_TIME):%Y%m%d%H%M%S};{values}"
        talker.send(Packet("STORED", "2011", "39", qn(at), PASSWORD, 9, 2025, cp=cp))
        assert [answer.cn for answer in talker.answers(1)] == ["9014"], "acknowledged, so it is stored"
    mine = desk("owner")
    for at in times:
        day = at.astimezone(ZONE).date()
        page = mine.open(f"/desk/devices/{device}/readings?from={day}&to={day}")
        rows = page.locator(".stored tbody tr")
        expect(rows).to_have_count(len(SENSORS))
        for code, value in SENSORS.items():
            row = rows.filter(has=page.locator("code", has_text=code))
            expect(row.locator("time")).to_have_text(f"{at.astimezone(ZONE):%Y-%m-%d %H:%M:%S}")
            assert float(row.locator("td strong").inner_text()) == pytest.approx(value, abs=0.5)
    mine.shot("stored-light")
    page.goto(f"{server.url}/desk/devices/{device}")
    page.locator(f'a[href="/desk/devices/{device}/readings"]').click()
    expect(page.locator(".stored tbody tr")).to_have_count(len(SENSORS))
    dark = desk("owner", theme="dark", language="en", **PHONE)
    both = dark.open(f"/desk/devices/{device}/readings?range=7d")
    expect(both.locator(".stored tbody tr")).to_have_count(2 * len(SENSORS))
    dark.shot("stored-phone-dark-en")


@pytest.fixture
def device() -> Device:
    """A device of a monitor at home that sent good and bad readings, some of them late."""
    monitor = Monitor.objects.create(code="MN-RAW", name="原始监测点", region_id=HOME)
    found: Device = Device.objects.create(protocol="hj212", number="MN-RAW", feature=monitor.pk, state="active")
    begin = timezone.now().replace(microsecond=0) - timedelta(hours=3)

    def row(minute: int, code: str, value: float | None, flag: str, quality: str) -> Row:
        at = begin + timedelta(minutes=minute)
        return Row(found.pk, code, at, "real", value, None, None, None, flag, quality, at + timedelta(seconds=1))

    rows = [row(n, "a34002", float(n), "N", "") for n in range(120)]
    rows += [row(n, "LA", 60.0, "D", "flag") for n in range(5)]
    Store(partitions.raw()).write(rows)
    return found


def test_readings_are_paged_narrowed_and_counted(device: Device) -> None:
    owner, path = client("owner"), f"/desk/devices/{device.pk}/readings"
    with CaptureQueriesContext(connection) as few:
        page = owner.get(path).content.decode()
    assert page.count('<td class="lead">') == stored.SIZE and "存储 125 条，有效 120 条" in page
    assert owner.get(f"{path}?page=2").content.decode().count('<td class="lead">') == 25
    bad = owner.get(f"{path}?judged=bad").content.decode()
    assert bad.count('<td class="lead">') == 5 and "设备标记为非正常" in bad
    assert owner.get(f"{path}?factor=LA").content.decode().count('<td class="lead">') == 5
    assert owner.get(f"{path}?span=hour").content.decode().count('<td class="lead">') == 0
    Store(partitions.raw()).write([
        Row(device.pk, "a01001", timezone.now() - timedelta(minutes=n), "real", 1.0, None, None, None, "N", "",
            timezone.now())
        for n in range(60)
    ])  # fmt: skip
    with CaptureQueriesContext(connection) as many:
        owner.get(path)
    assert len(many) == len(few)
    for wrong in ("factor=w01018", "span=x", "judged=x", "range=2h", "from=x"):
        assert owner.get(f"{path}?{wrong}").status_code == 400, wrong


def test_the_file_of_readings_holds_every_one_and_is_noted(device: Device) -> None:
    path = f"/desk/devices/{device.pk}/readings/export?format=csv"
    answer: Any = client("owner").get(path)
    lines = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert len(lines) == 1 + 125 and {line[2] for line in lines[1:]} == {"a34002", "LA"}
    assert Entry.objects.filter(action="export", layer="device", object_id=str(device.pk)).exists()
    assert client("inspector").get(path).status_code == 403, "who may see may not take along"


def test_f43_readings_of_a_foreign_device_are_not_found(device: Device) -> None:
    for path in (f"/desk/devices/{device.pk}/readings", f"/desk/devices/{device.pk}/readings/export"):
        for name in ("neighbour", "stranger"):
            assert client(name).get(path).status_code == 404, (name, path)
    assert "PM10" in client("inspector").get(f"/desk/devices/{device.pk}/readings").content.decode()
