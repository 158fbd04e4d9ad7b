"""Who is admitted, who may see and change a device, and how outages are noted."""

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from django.utils import timezone

from layers.environment.models import Monitor
from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Principal
from services.audit.models import Entry
from services.telemetry import devices, partitions
from services.telemetry.models import Device, Outage
from tests.conftest import HOME

pytestmark = pytest.mark.django_db
People = dict[str, Principal]


@pytest.fixture
def mine() -> Monitor:
    return Monitor.objects.create(code="MN1", name="监测点", region_id=HOME)


def test_f25_unknown_devices_wait_for_approval_in_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    link = partitions.raw()
    monkeypatch.setattr(devices, "MOST_PENDING", 5)
    monkeypatch.setattr(devices, "MOST_FROM_ADDRESS", 3)
    for n in range(10):
        assert devices.admit(link, "hj212", f"MN{n}", "10.0.0.1") is None
    for n in range(10, 20):
        assert devices.admit(link, "hj212", f"MN{n}", "10.0.0.2") is None
    assert devices.admit(link, "hj212", "MN0", "10.0.0.3") is None
    assert devices.admit(link, "hj212", "x" * 33, "10.0.0.4") is None
    assert devices.admit(link, "hj212", "a\0b", "10.0.0.4") is None
    waiting = Device.objects.filter(state=Device.State.PENDING).order_by("number")
    assert [device.number for device in waiting] == ["MN0", "MN1", "MN10", "MN11", "MN2"]
    assert waiting[0].presence.refused == 2
    assert waiting[0].presence.address == "10.0.0.3"


def test_an_approved_device_is_admitted_with_its_profile(who: People, mine: Monitor) -> None:
    link = partitions.raw()
    devices.admit(link, "hj212", "MN1", "10.0.0.1")
    waiting = devices.pending(who["owner"]).get(number="MN1")
    device = devices.approve(who["owner"], waiting.pk, mine.pk)
    assert (device.state, device.feature, device.approved_by_id) == ("active", mine.pk, who["owner"].id)
    devices.edit(who["owner"], device.pk, {"units": {"a34002": "mg/m³"}, "interval": 30})
    found = devices.admit(link, "hj212", "MN1", "10.0.0.1")
    assert found is not None
    assert (found.id, found.units, found.interval) == (device.pk, {"a34002": "mg/m³"}, 30)
    devices.block(who["owner"], device.pk)
    assert devices.admit(link, "hj212", "MN1", "10.0.0.1") is None
    actions = Entry.objects.filter(object_id=str(device.pk), layer="device").order_by("pk")
    assert [entry.action for entry in actions] == ["approve device", "change device", "block device"]


def test_a_device_is_seen_and_changed_as_its_feature_is(who: People, mine: Monitor) -> None:
    device = Device.objects.create(protocol="hj212", number="MN1", feature=mine.pk, state="active")
    loose = Device.objects.create(protocol="hj212", number="MN2")
    for name, sees in [
        ("owner", True), ("inspector", True), ("neighbour", False), ("stranger", False), ("public", False),
    ]:  # fmt: skip
        assert list(devices.visible(who[name])) == ([device] if sees else []), name
    assert set(devices.visible(who["admin"])) == {device, loose}
    with pytest.raises(NotFound):
        devices.edit(who["neighbour"], device.pk, {"name": "x"})
    with pytest.raises(Refused):
        devices.edit(who["inspector"], device.pk, {"name": "x"})
    with pytest.raises(NotFound):
        devices.approve(who["neighbour"], loose.pk, mine.pk)
    with pytest.raises(NotFound):
        devices.approve(who["stranger"], device.pk, mine.pk)
    assert not devices.pending(who["public"]).exists()


@pytest.mark.parametrize(
    "values",
    [
        {"interval": 0},
        {"interval": 3601},
        {"missing_flag": "X"},
        {"sm4_key": "12"},
        {"state": "active"},
        {"units": {"a34002": "stones"}},
        {"units": {"a34002": "mg/L"}},
        {"units": {"w01018-Cou": "m³"}},
        {"units": ["x"]},
    ],
)
def test_a_setting_that_cannot_be_is_refused(who: People, mine: Monitor, values: dict[str, object]) -> None:
    device = Device.objects.create(protocol="hj212", number="MN1", feature=mine.pk, state="active")
    with pytest.raises(Invalid):
        devices.edit(who["owner"], device.pk, values)


def test_a_key_and_a_password_are_never_written_to_the_trail(who: People, mine: Monitor) -> None:
    device = Device.objects.create(protocol="hj212", number="MN1", feature=mine.pk, state="active")
    devices.edit(who["owner"], device.pk, {"sm4_key": "0" * 32, "password": "Pw-4711"})
    devices.edit(who["owner"], device.pk, {"sm4_key": "", "password": "Pw-4712"})
    noted = [entry.changes for entry in Entry.objects.filter(object_id=str(device.pk)).order_by("pk")]
    assert noted == [
        {"sm4_key": ["", "***"], "password": ["", "***"]},
        {"sm4_key": ["***", ""], "password": ["***", "***"]},
    ]


def test_outages_are_noted_once_and_give_the_online_rate(who: People, mine: Monitor) -> None:
    device = Device.objects.create(protocol="hj212", number="MN1", feature=mine.pk, state="active", interval=60)
    link, now = partitions.raw(), timezone.now()
    devices.heard(link, {device.pk: (now - timedelta(hours=6), "10.0.0.1")})
    assert devices.mark_silent(link, now - timedelta(hours=6) + timedelta(seconds=179)) == []
    assert devices.mark_silent(link, now - timedelta(hours=5)) == [device.pk]
    assert devices.mark_silent(link, now - timedelta(hours=4)) == []
    devices.heard(link, {device.pk: (now - timedelta(hours=3), "10.0.0.1")})
    outage = Outage.objects.get(device=device)
    assert (outage.began_at, outage.ended_at) == (now - timedelta(hours=6), now - timedelta(hours=3))
    assert devices.mark_silent(link, now) == [device.pk]
    rate = devices.online_rate(who["owner"], now - timedelta(hours=9), now)
    assert rate == {device.pk: pytest.approx(3 / 9)}
    assert devices.online_rate(who["stranger"], now - timedelta(hours=9), now) == {}
    steady = Device.objects.create(protocol="hj212", number="MN2", feature=mine.pk, state="active")
    devices.heard(link, {steady.pk: (now, "10.0.0.2")})
    assert devices.online_rate(who["owner"], now - timedelta(hours=9), now)[steady.pk] == 1, "it was never away"


def test_presence_goes_by_the_newest_arrival(link: psycopg.Connection, device: Callable[..., int]) -> None:
    one, now = device(), timezone.now()
    devices.heard(link, {one: (now, "a")})
    devices.heard(link, {one: (now - timedelta(minutes=1), "b")})
    assert link.execute("select seen_at, address, online from telemetry_presence").fetchall() == [(now, "b", True)]
