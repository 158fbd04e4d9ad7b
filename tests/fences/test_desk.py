"""Fences on the desk: who may see, make, change and delete them, and whose events are shown."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from services.access import gate
from services.access.principal import Principal
from services.accounts.models import User
from services.audit.models import Entry
from services.catalog.layer import registry
from services.fences import evaluate, fences
from services.fences.models import Fence
from services.positions.store import Row, Store
from services.telemetry import partitions
from services.telemetry.models import Device
from tests.conftest import HOME, SIBLING

pytestmark = pytest.mark.django_db
TRUCKS = registry.by_key["mixer_trucks"]
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[107.4, 31.2], [107.5, 31.2], [107.5, 31.3], [107.4, 31.3], [107.4, 31.2]]],
}
GIVEN = {
    "name": "工地一", "region": HOME, "layer": "mixer_trucks", "kinds": ["enter", "leave"], "fixes": "2",
    "seconds": "0", "dwell_minutes": "30", "active": "on", "geom": json.dumps(SQUARE), "vehicles": "",
}  # fmt: skip


def log_in(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


@pytest.fixture
def fence(who: dict[str, Principal]) -> Fence:
    """A fence of the owner's county."""
    answer = log_in("owner").post("/desk/fences/new?shape=polygon", GIVEN)
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    return Fence.objects.get(name="工地一")


def test_a_fence_is_made_changed_and_deleted_and_all_of_it_is_in_the_audit(fence: Fence) -> None:
    owner = log_in("owner")
    assert "工地一" in owner.get("/desk/fences").content.decode()
    page = owner.get(f"/desk/fences/{fence.pk}").content.decode()
    assert "107.4" in page and 'data-picker="polygon"' in page
    assert owner.post(f"/desk/fences/{fence.pk}", {**GIVEN, "name": "工地二", "fixes": "3"}).status_code == 302
    fence.refresh_from_db()
    assert (fence.name, fence.fixes) == ("工地二", 3)
    assert owner.post(f"/desk/fences/{fence.pk}/delete").status_code == 302
    assert not Fence.objects.filter(pk=fence.pk).exists()
    noted = Entry.objects.filter(layer="fence", object_id=str(fence.pk)).values_list("action", flat=True)
    assert set(noted) == {"create fence", "change fence", "delete fence"}


def test_a_circle_and_a_corridor_get_their_area_on_the_ground(who: dict[str, Principal]) -> None:
    point = {"type": "Point", "coordinates": [107.5, 31.2]}
    line = {"type": "LineString", "coordinates": [[107.5, 31.2], [107.6, 31.2]]}
    owner = log_in("owner")
    for shape, geometry in (("circle", point), ("corridor", line)):
        given = {**GIVEN, "name": shape, "geom": json.dumps(geometry), "metres": "200"}
        assert owner.post(f"/desk/fences/new?shape={shape}", given).status_code == 302
    rows = dict(partitions.raw().execute("select shape, ST_Area(area::geography) from fences_fence").fetchall())
    assert rows["circle"] == pytest.approx(3.14159 * 200**2, rel=0.01)
    assert rows["corridor"] == pytest.approx(9_530 * 400 + 3.14159 * 200**2, rel=0.01)


@pytest.mark.parametrize(("change", "named"), [
    ({"geom": ""}, "geom"), ({"kinds": []}, "kinds"), ({"region": SIBLING}, "region"), ({"fixes": "0"}, "fixes"),
    ({"vehicles": "川S·没有"}, "川S·没有"), ({"layer": "monitors"}, "layer"), ({"kinds": ["deviation"]}, "kinds"),
    ({"geom": json.dumps({"type": "Point", "coordinates": [107, 31]})}, "geom"),
    ({"geom": json.dumps({"type": "Polygon", "coordinates": [
        [[107, 31], [107.1, 31.1], [107.1, 31], [107, 31.1], [107, 31]]]})}, "geom"),
])  # fmt: skip
def test_what_cannot_be_a_fence_is_refused(who: dict[str, Principal], change: dict[str, Any], named: str) -> None:
    answer = log_in("owner").post("/desk/fences/new?shape=polygon", {**GIVEN, **change})
    assert answer.status_code == 422
    assert "field-error" in answer.content.decode()
    assert not Fence.objects.filter(name="工地一").exists()


def test_f43_a_fence_of_another_county_is_not_found(fence: Fence) -> None:
    for name in ("neighbour", "stranger"):
        client = log_in(name)
        assert client.get(f"/desk/fences/{fence.pk}").status_code == 404
        assert client.post(f"/desk/fences/{fence.pk}", GIVEN).status_code == 404
        assert client.post(f"/desk/fences/{fence.pk}/delete").status_code == 404
        assert "工地一" not in client.get("/desk/fences").content.decode()
    inspector = log_in("inspector")
    assert inspector.get(f"/desk/fences/{fence.pk}").status_code == 200
    assert inspector.post(f"/desk/fences/{fence.pk}", GIVEN).status_code == 403
    assert inspector.get("/desk/fences/new").status_code == 403
    assert Client().get("/desk/fences").status_code in (302, 401)
    assert Fence.objects.filter(pk=fence.pk).exists()


def test_events_are_shown_to_those_who_see_fence_and_vehicle(fence: Fence, who: dict[str, Principal]) -> None:
    mine = gate.restrict(who["owner"], TRUCKS).first()
    foreign = TRUCKS.rows().exclude(pk__in=gate.restrict(who["owner"], TRUCKS).values("pk")).first()
    assert mine is not None and foreign is not None
    rows, now = [], timezone.now().replace(microsecond=0)
    for number, feature in enumerate((mine, foreign)):
        device = Device.objects.create(protocol="jt808", number=f"F{number}", state="active", feature=feature.pk)
        for minute, lon in enumerate((107.3, 107.45, 107.46, 107.47)):
            at = now - timedelta(minutes=10 - minute)
            rows.append(Row(device.pk, at, lon, 31.25, 40.0, 90, 300, 3, 0, at))
    Store(partitions.raw(), [evaluate.watch]).write(rows)
    seen = list(fences.events(who["owner"], fence=fence.pk))
    assert [(event.kind, event.feature) for event in seen] == [("enter", mine.pk)]
    page = log_in("owner").get("/desk/fences").content.decode()
    assert mine.code in page and foreign.code not in page
    assert fences.events(who["neighbour"]).count() == 0
    track = log_in("owner").get(f"/desk/mixer_trucks/{mine.pk}/track?range=1h").content.decode()
    assert "event-enter" in track and f"/desk/fences/{fence.pk}" in track
