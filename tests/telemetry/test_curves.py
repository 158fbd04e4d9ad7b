"""The curves of a panel: what is drawn, what is left out, and for whom."""

import json
from datetime import timedelta
from html import unescape
from re import findall
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from command_center.desk.curves import charts
from services.access.principal import Principal
from services.accounts.models import User
from services.catalog.layer import registry
from services.telemetry import partitions
from services.telemetry.models import Device
from services.telemetry.store import Row, Store
from tests.conftest import HOME

MONITORS = registry.by_key["monitors"]


@pytest.fixture
def monitor(who: dict[str, Principal]) -> Any:
    """A monitor in the owner's county whose device has sent for half an hour, with a break of ten minutes."""
    feature = MONITORS.rows().filter(region__code__startswith=HOME).first()
    device = Device.objects.create(
        protocol="hj212", number="CURVES", state="active", feature=feature.pk, interval=60, units={"a34002": "µg/m³"}
    )
    now = timezone.now().replace(microsecond=0)
    rows = [
        Row(device.pk, "a34002", now - timedelta(minutes=n), "real", 80.0 + n, None, None, None, flag, quality, now)
        for n in range(30)
        if not 10 <= n < 20
        for flag, quality in [("D", "flag") if n == 5 else ("N", "")]
    ]
    Store(partitions.raw()).write(rows)
    return feature


def log_in(name: str) -> Client:
    client = Client(headers={"HX-Request": "true"})
    client.force_login(User.objects.get(username=name))
    return client


def drawn(body: str) -> list[dict[str, Any]]:
    return [json.loads(unescape(found)) for found in findall(r'data-curve="([^"]*)"', body)]


def test_a_curve_breaks_where_nothing_or_nothing_valid_was_measured(monitor: Any) -> None:
    answer = log_in("owner").get(f"/desk/monitors/{monitor.pk}/curves?range=1h&factor=a34002")
    assert answer.status_code == 200
    (chart,) = drawn(answer.content.decode())
    assert chart["unit"] == "µg/m³"
    (series,) = chart["series"]
    assert series["name"] == "PM10"
    values = [value for _at, value in series["points"]]
    assert values == [
        *(80.0 + n for n in range(29, 19, -1)),
        None,
        *(80.0 + n for n in range(9, 5, -1)),
        None,
        84,
        83,
        82,
        81,
        80,
    ]
    times = [at for at, _value in series["points"]]
    assert times == sorted(times)
    assert "95.0%" in answer.content.decode(), "19 of the 20 readings are valid"


def test_a_chart_holds_one_unit(monitor: Any) -> None:
    assert charts([], {}) == []
    answer = log_in("owner").get(f"/desk/monitors/{monitor.pk}/curves")
    assert len(drawn(answer.content.decode())) == 1


@pytest.mark.parametrize(
    ("name", "status"), [("owner", 200), ("commander", 200), ("neighbour", 404), ("stranger", 404)]
)
def test_f43_curves_are_for_those_who_see_the_feature(monitor: Any, name: str, status: int) -> None:
    assert log_in(name).get(f"/desk/monitors/{monitor.pk}/curves").status_code == status


@pytest.mark.parametrize("query", ["range=2h", "factor=w01018", "factor=a34002&factor=%27"])
def test_what_is_not_offered_is_refused(monitor: Any, query: str) -> None:
    assert log_in("owner").get(f"/desk/monitors/{monitor.pk}/curves?{query}").status_code == 400


def test_a_feature_without_a_device_says_so(who: dict[str, Principal]) -> None:
    other = MONITORS.rows().filter(region__code__startswith=HOME).last()
    answer = log_in("owner").get(f"/desk/monitors/{other.pk}/curves")
    assert answer.status_code == 200 and "该要素没有监测设备。" in answer.content.decode()
    projects = registry.by_key["projects"].rows().filter(region__code__startswith=HOME).first()
    assert "tab-curves" not in log_in("owner").get(f"/desk/projects/{projects.pk}").content.decode()
    assert "tab-curves" in log_in("owner").get(f"/desk/monitors/{other.pk}").content.decode()
