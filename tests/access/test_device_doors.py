"""Every door to a device, tried by a member of one unit who is given one of its devices and by name no other."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.gis.geos import Point
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from layers.environment.models import Monitor
from services.access import grants
from services.access import principal as principals_module
from services.access.principal import Principal
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.audit.models import Entry
from services.telemetry import features, partitions, rollups
from services.telemetry.models import Device
from services.telemetry.spans import ZONE
from services.telemetry.store import Row, Store
from tests.conftest import HOME, client

pytestmark = pytest.mark.django_db

SEEN = (
    "/desk/monitors/{feature}", "/desk/monitors/{feature}/edit", "/desk/monitors/{feature}/curves",
    "/desk/monitors/{feature}/alarms", "/desk/monitors/{feature}/files", "/desk/monitors/{feature}/history",
    "/desk/monitors/{feature}/nearby", "/desk/monitors/{feature}/tab/calibration",
    "/desk/readings?feature={feature}", "/desk/readings/export?feature={feature}&format=csv",
    "/desk/readings/export?feature={feature}&format=csv&what=raw", "/desk/rose?feature={feature}",
    "/desk/compare?feature={feature}", "/desk/compare/export?feature={feature}&format=csv",
    "/desk/devices/{device}", "/desk/devices/{device}/readings", "/desk/devices/{device}/readings/export?format=csv",
    "/desk/validity/{device}", "/desk/remediation/new?monitor={feature}",
    "/ogc/collections/monitors/items/{feature}", "/ogc/collections/monitors/locations/{feature}",
)  # fmt: skip
"""Doors to one device: found with the device that was given, not found with the other one."""
OPERATED: tuple[tuple[str, dict[str, str]], ...] = (
    ("/desk/monitors/{feature}/edit", {"maker": "甲"}),
    ("/desk/monitoring/{feature}/duty", {"off": "1", "reason": "检修"}),
    ("/desk/devices/{device}", {"name": "甲"}),
    ("/desk/devices/{device}/token", {}),
    ("/desk/devices/{device}/token/revoke", {}),
    ("/desk/devices/{device}/block", {}),
    ("/desk/devices/{device}/approve", {"feature": "{feature}"}),
    ("/desk/devices/{device}/approve-behind", {}),
    ("/desk/monitors/{feature}/tab/calibration/add", {"done_on": "2026-11-27"}),
    ("/desk/monitors/{feature}/delete", {}),
)
"""What is done to one device; the last is left to the other one."""
LISTED = (
    "/desk/monitors", "/desk/devices", "/desk/monitoring", "/desk/validity", "/desk/weather", "/desk/dust",
    "/desk/pollution/points.json", "/desk/points?q=GIVEN", "/desk/search?q=GIVEN",
    "/desk/reports/dust-statistics?date={day}",
    "/desk/monitors/export?format=csv", "/desk/dust/export?format=csv", "/desk/monitoring/export?format=csv",
    "/desk/validity?format=csv", "/ogc/collections/monitors/items?limit=1000", "/ogc/collections/monitors/locations",
    "/ogc/collections/monitors/radius?coords=POINT(107.5 31.2)&within=5&within-units=km&f=geojson",
)  # fmt: skip
"""Doors to many: the device that was given is there, the other one is not."""


def text(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode() if answer.streaming else answer.content.decode()


def stored(keys: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows of a monitor and of its device as they are."""
    device = Device.objects.filter(pk=keys["device"])
    return Monitor.objects.filter(pk=keys["feature"]).values().get(), device.values().get()


@pytest.fixture
def two() -> dict[str, dict[str, Any]]:
    """Two monitors of one county with a box each that sent an hour of dust and weather."""
    found = {}
    begin = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for name in ("GIVEN-MINE", "GIVEN-OTHER"):
        row = Monitor.objects.create(code=name, name=name, region_id=HOME, geom=Point(107.5, 31.2, srid=4490))
        device = Device.objects.create(protocol="http", number=name, feature=row.pk, state="active")
        values = {"a34002": 80.0, "a01007": 2.0, "a01008": 90.0}
        Store(partitions.raw()).write([
            Row(device.pk, code, begin + timedelta(minutes=n), "real", value, None, None, None, "N", "",
                begin + timedelta(minutes=n, seconds=1))
            for n in range(60) for code, value in values.items()
        ])  # fmt: skip
        found[name] = {"feature": row.pk, "device": device.pk, "day": begin.astimezone(ZONE).date()}
    features.write(partitions.raw())
    rollups.compute(partitions.raw())
    return found


@pytest.fixture
def member(two: dict[str, dict[str, Any]], who: dict[str, Principal]) -> Client:
    """A supervisor of the county whose membership is limited to the one device."""
    user = User.objects.create_user("member", password="x")
    grant = Membership.objects.create(user=user, role=Role.SUPERVISOR, region_id=HOME, named_only=True)
    grants.give(who["admin"], grant.pk, two["GIVEN-MINE"]["feature"])
    principals_module.forget()
    return client("member")


@pytest.mark.covers("DZ-099")
@pytest.mark.parametrize("door", SEEN)
def test_a_door_opens_for_the_device_that_was_given_alone(
    door: str, member: Client, two: dict[str, dict[str, Any]]
) -> None:
    assert member.get(door.format(**two["GIVEN-MINE"])).status_code == 200
    assert member.get(door.format(**two["GIVEN-OTHER"])).status_code == 404
    assert client("owner").get(door.format(**two["GIVEN-OTHER"])).status_code == 200, "the unit itself sees both"


@pytest.mark.covers("DZ-099")
@pytest.mark.parametrize("door", LISTED)
def test_a_list_holds_the_device_that_was_given_alone(
    door: str, member: Client, two: dict[str, dict[str, Any]]
) -> None:
    door = door.format(**two["GIVEN-MINE"])
    mine, owners = text(member.get(door)), text(client("owner").get(door))
    assert any(str(each) in mine for each in ("GIVEN-MINE", two["GIVEN-MINE"]["feature"]))
    for foreign in ("GIVEN-OTHER", str(two["GIVEN-OTHER"]["feature"])):
        assert foreign not in mine
    assert any(str(each) in owners for each in ("GIVEN-OTHER", two["GIVEN-OTHER"]["feature"]))


@pytest.mark.covers("DZ-099")
def test_the_other_device_is_not_operated_and_nothing_is_written(
    member: Client, two: dict[str, dict[str, Any]]
) -> None:
    other = two["GIVEN-OTHER"]
    before = (
        Monitor.objects.filter(pk=other["feature"]).values().get(),
        Device.objects.filter(pk=other["device"]).values().get(),
    )
    noted = Entry.objects.count()
    for door, given in OPERATED:
        answer = member.post(door.format(**other), {name: value.format(**other) for name, value in given.items()})
        assert answer.status_code == 404, door
    after = (
        Monitor.objects.filter(pk=other["feature"]).values().get(),
        Device.objects.filter(pk=other["device"]).values().get(),
    )
    assert before == after and Entry.objects.count() == noted
    mine = two["GIVEN-MINE"]
    for door, given in OPERATED[:-1]:
        answer = member.post(door.format(**mine), {name: value.format(**mine) for name, value in given.items()})
        assert answer.status_code in (200, 302, 422), door
    assert Monitor.objects.get(pk=mine["feature"]).off_duty is True
    deeds = set(Entry.objects.filter(layer="device", object_id=str(mine["device"])).values_list("action", flat=True))
    assert {"new token", "revoke token", "block device"} <= deeds


def test_every_door_to_a_device_stands_here() -> None:
    """A new door to devices is tried by the member as well."""
    tried = [door.split("?")[0] for door in (*SEEN, *(door for door, _given in OPERATED))]
    tried = {door.replace("{device}", "<int:pk>").replace("{feature}", "<uuid:pk>").lstrip("/") for door in tried}
    for pattern in get_resolver().url_patterns:
        for route in [str(each.pattern) for each in getattr(pattern, "url_patterns", [])]:
            if route.startswith(("desk/devices/<int:pk>", "desk/validity/<int:pk>", "desk/monitoring/<uuid:pk>")):
                assert route in tried, route
