"""People on a site: the positions of what they carry move them on the map, their way is drawn; few may see it."""

import json
import random
from datetime import timedelta
from html import unescape
from re import findall
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ingest.simulators import fleet
from ingest.simulators.hj212 import Told
from layers.people.models import Locator, Person
from services.access import gate
from services.access.principal import Principal
from services.accounts.models import User
from services.catalog.layer import registry
from services.positions import features, legs
from services.positions.models import Leg
from services.positions.store import Store
from services.telemetry import partitions
from services.telemetry.models import Device
from tests.positions.conftest import fix

pytestmark = pytest.mark.django_db
LOCATORS = registry.by_key["locators"]


def log_in(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


@pytest.fixture
def worn(who: dict[str, Principal]) -> Locator:
    """A terminal within the owner's reach, heard a moment ago."""
    found: Any = gate.restrict(who["owner"], LOCATORS).first()
    device = Device.objects.create(protocol="jt808", number="WORN", state="active", feature=found.pk, interval=10)
    partitions.raw().execute(
        "insert into telemetry_presence (device_id, online, seen_at, address, refused) values (%s, true, now(), '', 0)",
        [device.pk],
    )
    found.terminal = device.pk
    return found


@pytest.mark.covers("LN-297")
def test_position_and_track_of_a_worker_are_shown_and_updated(worn: Any) -> None:
    client, worker = log_in("owner"), worn.person
    begin = timezone.now().replace(microsecond=0) - timedelta(minutes=6)
    store = Store(partitions.raw())
    walked = [fix(worn.terminal, begin + timedelta(seconds=30 * n), north=25 * n, speed=3.0) for n in range(1, 11)]
    store.write(walked)
    features.write(partitions.raw())
    legs.derive()
    worn.refresh_from_db()
    assert (worn.geom.x, worn.geom.y) == pytest.approx((walked[-1].lon, walked[-1].lat), abs=1e-6)
    assert worn.state == Locator.State.MOVING, "3 km/h is walking"
    track = f"/desk/locators/{worn.pk}/track?range=1h"
    assert len(_points(client, track)) == len(walked)
    # The worker's employer has its seat in another county, of which the owner sees nothing.
    tab = log_in("admin").get(f"/desk/people/{worker.pk}/tab/location").content.decode()
    assert str(worn.pk) in tab and worn.code in tab, "from the worker to the terminal"
    last = fix(worn.terminal, walked[-1].at + timedelta(seconds=30), lon=walked[-1].lon, lat=walked[-1].lat, speed=0.4)
    store.write([last])
    features.write(partitions.raw())
    worn.refresh_from_db()
    assert worn.state == Locator.State.STILL and worn.located_at == last.at
    assert len(_points(client, track)) == len(walked) + 1


def test_a_walk_on_a_site_is_a_trip_though_a_vehicle_there_would_be_standing(worn: Any) -> None:
    """Up and down 60 m for ten minutes, with some metres of noise, then a rest: the stop of people is 25 m wide."""
    begin, chance = timezone.now().replace(microsecond=0) - timedelta(minutes=25), random.Random(3)
    there = [abs((10 * n) % 120 - 60) for n in range(60)]
    walked = [
        fix(worn.terminal, begin + timedelta(seconds=10 * n), north=m + chance.uniform(-4, 4), speed=3.6)
        for n, m in enumerate(there)
    ]
    rested = [
        fix(worn.terminal, walked[-1].at + timedelta(seconds=10 * n), north=50 + chance.uniform(-4, 4), speed=0)
        for n in range(1, 60)
    ]
    Store(partitions.raw()).write([*walked, *rested])
    legs.derive()
    found = list(Leg.objects.filter(device=worn.terminal).order_by("began_at"))
    assert [leg.kind for leg in found] == [Leg.Kind.TRIP, Leg.Kind.STOP]
    assert 500 < legs.mileage([worn.terminal], begin, timezone.now()) < 700
    Device.objects.filter(pk=worn.terminal).update(feature=None)
    legs.rebuild(worn.terminal)
    assert [leg.kind for leg in Leg.objects.filter(device=worn.terminal)] == [Leg.Kind.STOP], "as of a vehicle"


def test_where_somebody_is_concerns_few(worn: Any) -> None:
    doors = (f"/desk/locators/{worn.pk}", f"/desk/locators/{worn.pk}/track", f"/desk/locators/{worn.pk}/track/export")
    for name in ("stranger", "neighbour", "inspector"):
        client = log_in(name)
        assert [client.get(door).status_code for door in doors] == [404] * 3, name
    assert all(Client().get(door).status_code in (302, 401, 403, 404) for door in doors)
    assert log_in("owner").get(doors[0]).status_code == 200


def test_a_terminal_that_changes_hands_shows_who_has_it_now(worn: Any) -> None:
    client, address = log_in("admin"), f"/desk/locators/{worn.pk}/tab/handover/add"
    other, third = Person.objects.exclude(pk=worn.person_id)[:2]
    day = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    client.post(address, {"person": other.pk, "taken_at": f"{day:%Y-%m-%dT%H:%M}"})
    worn.refresh_from_db()
    assert worn.person == other and worn.worn_since == day.date()
    client.post(address, {"person": third.pk, "taken_at": f"{day - timedelta(days=900):%Y-%m-%dT%H:%M}"})
    worn.refresh_from_db()
    assert worn.person == other, "what is entered afterwards of earlier days changes nothing now"
    assert worn.handovers.count() == 3
    late = client.post(address, {"person": third.pk, "taken_at": f"{day + timedelta(days=2):%Y-%m-%dT%H:%M}"})
    assert "不得晚于现在" in late.content.decode() and worn.handovers.count() == 3
    tab = client.get(f"/desk/locators/{worn.pk}/tab/handover").content.decode()
    assert other.name in tab and third.name in tab


def test_simulated_people_walk_and_vehicles_drive(worn: Any) -> None:
    people, trucks = fleet.walkers(3, 10, Told()), fleet.fleet(3, "projects", 10, Told())
    assert len(people) == len(trucks) == 3
    assert {each.phone for each in people}.isdisjoint(each.phone for each in trucks)
    assert max(each.route.kmh for each in people) < 5 < min(each.route.kmh for each in trucks)


def _points(client: Client, address: str) -> list[Any]:
    (held,) = findall(r'data-track="([^"]*)"', client.get(address).content.decode())
    found: list[Any] = json.loads(unescape(held))["points"]
    return found
