"""Valid shares by device and day: what raises and lowers them, what a detail counts, for whom, in how many queries."""

import csv
import io
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from layers.environment.models import Monitor
from services.telemetry import partitions, validity
from services.telemetry.models import Device
from services.telemetry.rollups import compute
from services.telemetry.spans import ZONE, Quality
from services.telemetry.store import Row, Store
from tests.conftest import HOME, client

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 10)
BEGIN = datetime(2026, 11, 10, tzinfo=ZONE)


@pytest.fixture
def device() -> Device:
    monitor = Monitor.objects.create(code="V1", name="有效率监测点", region_id=HOME)
    return Device.objects.create(
        protocol="hj212", number="V1", feature=monitor.pk, state="active", interval=600, back_days=400
    )


def send(device: Device, hours: range, factor: str = "a34002", **more: Any) -> None:
    given: dict[str, Any] = {"flag": "N", "quality": "", "late": False} | more
    rows = [
        Row(device.pk, factor, at, "real", 50.0, None, None, None, given["flag"], given["quality"],
            at + timedelta(minutes=1), given["late"])
        for hour in hours for n in range(6)
        for at in [BEGIN + timedelta(hours=hour, minutes=10 * n)]
    ]  # fmt: skip
    Store(partitions.raw()).write(rows)
    compute(partitions.raw())


@pytest.mark.covers("DZ-097")
def test_a_share_rises_when_back_filled_data_arrive(who: Any, device: Device) -> None:
    send(device, range(12))
    (before,) = validity.matrix(who["owner"], DAY, DAY, "V1").lines
    assert (before.whole.valid, before.whole.expected, before.whole.share) == (12, 24, 0.5)
    send(device, range(12, 18), late=True)
    (after,) = validity.matrix(who["owner"], DAY, DAY, "V1").lines
    assert after.whole.share == 0.75
    page = client("owner").get("/desk/validity?from=2026-11-10&to=2026-11-10&q=V1").content.decode()
    assert "75.0%" in page and "有效率监测点" in page
    _device, _feature, (day,) = validity.days_of(who["owner"], device.pk, DAY, DAY)
    assert (day.expected, day.good, day.missing, day.late) == (144, 108, 36, 36)


def test_what_is_marked_arrived_and_does_not_count(who: Any, device: Device) -> None:
    send(device, range(10))
    send(device, range(10, 14), flag="D", quality="flag")
    send(device, range(24), factor="LA")
    _device, feature, (day,) = validity.days_of(who["owner"], device.pk, DAY, DAY)
    assert feature is not None and feature.title == "有效率监测点"
    assert (day.expected, day.good, day.marked) == (288, 60 + 144, {Quality.FLAG: 24})
    assert day.missing == 288 - 204 - 24
    (line,) = validity.matrix(who["owner"], DAY, DAY, "有效率监测点").lines
    assert (line.whole.valid, line.whole.expected) == (34, 48), "hours of two factors"


def test_days_before_approval_and_days_without_data(who: Any, device: Device) -> None:
    Device.objects.filter(pk=device.pk).update(approved_at=BEGIN + timedelta(hours=12))
    send(device, range(12, 24))
    (line,) = validity.matrix(who["owner"], DAY - timedelta(days=1), DAY + timedelta(days=1), "V1").lines
    assert line.days[0] is None
    assert line.days[1] == validity.Share(12, 12, False)
    assert line.days[2] is not None and line.days[2].share == 0, "silence is not a gap in the table"
    _device, _feature, days = validity.days_of(who["owner"], device.pk, DAY - timedelta(days=1), DAY)
    assert [(day.expected, day.good) for day in days] == [(72, 72), (0, 0)]


def test_a_second_value_of_a_moment_is_counted_as_revised(who: Any, device: Device) -> None:
    send(device, range(1))
    Store(partitions.raw()).write(
        [Row(device.pk, "a34002", BEGIN, "real", 99.0, None, None, None, "N", "", BEGIN + timedelta(hours=2))]
    )
    _device, _feature, (day,) = validity.days_of(who["owner"], device.pk, DAY, DAY)
    assert day.revisions == 1


def test_f43_foreign_devices_are_not_there(device: Device) -> None:
    send(device, range(3))
    span = "from=2026-11-10&to=2026-11-10"
    for name in ("neighbour", "stranger"):
        assert "有效率监测点" not in client(name).get(f"/desk/validity?{span}").content.decode()
        assert client(name).get(f"/desk/validity/{device.pk}?{span}").status_code == 404
    assert Client(headers={"Accept": "text/html"}).get("/desk/validity").status_code == 302
    assert client("inspector").get(f"/desk/validity/{device.pk}?{span}").status_code == 200
    assert client("inspector").get(f"/desk/validity/{device.pk}?{span}&format=csv").status_code == 403
    assert client("inspector").get(f"/desk/validity?{span}&format=csv").status_code == 403


def test_both_pages_come_out_as_files(device: Device) -> None:
    send(device, range(12))
    span = "from=2026-11-10&to=2026-11-10&format=csv"
    for path, row, name in (
        ("/desk/validity?q=V1&", ["V1", "有效率监测点", "0.5", "0.5"], "数据有效率_2026-11-10.csv"),
        (
            f"/desk/validity/{device.pk}?", ["2026-11-10", "144", "72", "0.5", "72", "0", "0"],
            f"数据有效率_{device.number}_2026-11-10.csv",
        ),
    ):  # fmt: skip
        answer = client("owner").get(path + span)
        assert quote(name) in answer["Content-Disposition"]
        rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))  # type: ignore[attr-defined]
        assert rows[1] == row


@pytest.mark.parametrize("query", ["from=x", "from=2026-11-02&to=2026-11-01", "from=2026-01-01&to=2026-03-01"])
def test_days_that_cannot_be_are_refused(query: str) -> None:
    assert client("owner").get(f"/desk/validity?{query}").status_code == 400


def test_the_number_of_queries_does_not_grow(who: Any, device: Device) -> None:
    send(device, range(3))
    numbers = []
    for count in (0, 5):
        for n in range(count):
            other = Device.objects.create(protocol="hj212", number=f"V1{n}", feature=device.feature, state="active")
            send(other, range(2))
        with CaptureQueriesContext(connection) as queries:
            validity.matrix(who["owner"], DAY, DAY + timedelta(days=3 * count))
        numbers.append(len(queries))
    assert numbers == [5, 5]
