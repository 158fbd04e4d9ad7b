"""The track in the panel of a truck, and as a file."""

import csv
import io
import json
from datetime import timedelta
from html import unescape
from re import findall
from typing import Any

import openpyxl
import pyogrio
import pytest
from django.test import Client
from django.utils import timezone

from services.access import gate
from services.access.principal import Principal
from services.accounts.models import User
from services.audit.models import Entry
from services.catalog.layer import registry
from services.positions import legs
from services.positions.store import Store
from services.telemetry import partitions
from services.telemetry.models import Device
from tests.positions.conftest import drive, fix, stand

pytestmark = pytest.mark.django_db
TRUCKS = registry.by_key["mixer_trucks"]


def log_in(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


@pytest.fixture
def truck(who: dict[str, Principal]) -> Any:
    """A truck within the owner's reach that stood, drove 3 km and stood again, and once had no fix."""
    feature = gate.restrict(who["owner"], TRUCKS).first()
    assert feature is not None
    one = Device.objects.create(protocol="jt808", number="TRACK", state="active", feature=feature.pk, interval=30).pk
    begin = timezone.now().replace(microsecond=0) - timedelta(minutes=40)
    rows = stand(one, begin, 10)
    rows += drive(one, rows[-1].at, 3000)
    rows += stand(one, rows[-1].at + timedelta(seconds=10), 10, 3100)
    rows.append(fix(one, begin + timedelta(minutes=39), problem="zero-island", lon=0.0, lat=0.0))
    Store(partitions.raw()).write(rows)
    legs.derive()
    return feature


@pytest.mark.covers("DZ-264")
def test_a_trip_is_drawn_from_its_positions_with_departure_and_arrival(truck: Any) -> None:
    body = log_in("owner").get(f"/desk/mixer_trucks/{truck.pk}/track?range=1h").content.decode()
    (held,) = findall(r'data-track="([^"]*)"', body)
    track = json.loads(unescape(held))
    assert len(track["points"]) == 21 + 30 + 21
    assert len(track["stops"]) == 2
    assert findall(r'class="leg (trip|stop)"', body) == ["stop", "trip", "stop"]
    departed, arrived = findall(r'data-leg="(\d+),(\d+)"', body)[1]
    times = [point[0] for point in track["points"]]
    assert int(departed) == times[20] and int(arrived) == times[51]
    assert "3.1" in body, "kilometres"


def test_a_chosen_time_shows_what_lies_in_it(truck: Any) -> None:
    client = log_in("owner")
    day = timezone.localtime() - timedelta(days=3)
    asked = f"from={day:%Y-%m-%dT%H:%M}&to={day + timedelta(hours=1):%Y-%m-%dT%H:%M}"
    assert "data-track" not in client.get(f"/desk/mixer_trucks/{truck.pk}/track?{asked}").content.decode()
    drawn = client.get(f"/desk/mixer_trucks/{truck.pk}/track?day={timezone.localdate():%Y-%m-%d}").content.decode()
    assert "data-track" in drawn or timezone.localtime().hour == 0
    for wrong in (
        "range=2y",
        "day=2026-13-40",
        "day=x",
        "from=x&to=y",
        "from=2026-11-20T10:00&to=2026-11-20T09:00",
        "from=2026-13-40T10:00&to=",
    ):
        assert client.get(f"/desk/mixer_trucks/{truck.pk}/track?{wrong}").status_code == 400


def test_a_long_track_is_thinned_evenly(truck: Any, who: dict[str, Principal]) -> None:
    from services.positions import history

    end = timezone.now()
    thin = history.track(who["owner"], truck.pk, end - timedelta(hours=1), end, points=20)
    assert 7 <= len(thin) <= 20
    assert [fix.at for fix in thin] == sorted(fix.at for fix in thin)


def test_the_track_is_exported_and_the_export_is_in_the_audit(truck: Any, tmp_path: Any) -> None:
    client = log_in("owner")
    address = f"/desk/mixer_trucks/{truck.pk}/track/export?range=1h"
    text = b"".join(client.get(f"{address}&format=csv")).decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(text)))
    assert len(lines) == 1 + 21 + 30 + 21 + 1
    book = openpyxl.load_workbook(io.BytesIO(b"".join(client.get(f"{address}&format=xlsx"))))
    assert book.active.max_row == len(lines)
    path = tmp_path / "track.gpkg"
    path.write_bytes(b"".join(client.get(f"{address}&format=gpkg")))
    assert {name for name, _kind in pyogrio.list_layers(path)} == {"positions", "trips"}
    assert pyogrio.read_info(path, "positions")["features"] == len(lines) - 1
    trips = pyogrio.read_dataframe(path, layer="trips")
    assert len(trips) == 1 and trips.crs.to_epsg() == 4490
    assert trips.geometry[0].geom_type == "LineString" and trips.distance_m[0] == pytest.approx(3100, rel=0.02)
    assert Entry.objects.filter(action="export", object_id=str(truck.pk)).count() == 3


def test_f43_the_track_is_for_those_who_see_the_truck(truck: Any) -> None:
    for door in ("track", "track/export?format=csv"):
        assert log_in("stranger").get(f"/desk/mixer_trucks/{truck.pk}/{door}").status_code == 404
        assert log_in("neighbour").get(f"/desk/mixer_trucks/{truck.pk}/{door}").status_code == 404
    inspector = log_in("inspector")
    assert inspector.get(f"/desk/mixer_trucks/{truck.pk}/track").status_code == 200
    assert inspector.get(f"/desk/mixer_trucks/{truck.pk}/track/export?format=csv").status_code == 403
    assert "tab-track" in inspector.get(f"/desk/mixer_trucks/{truck.pk}").content.decode()
