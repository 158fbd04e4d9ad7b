"""Monitors at known places with hour values, in the test's own transaction."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.gis.geos import Point
from django.db import connection

from gis.fields import STORAGE_SRID
from gis.models import Region
from layers.environment.models import Monitor
from services.surfaces import runs
from services.surfaces.models import Run, Surface
from services.telemetry.models import Device, Factor
from services.telemetry.spans import Span
from tests.conftest import HOME

CHINA = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 20, 12, tzinfo=CHINA)
PLACES = ((107.46, 31.24), (107.54, 31.24), (107.50, 31.28), (107.58, 31.28), (107.42, 31.32), (107.62, 31.24))
"""Within the owner's county."""

type Value = tuple[float | None, bool]


class City:
    """``city.station(lon, lat)`` → a monitor with a device; ``city.hour({monitor: 50.0})`` → its values of an hour."""

    def __init__(self) -> None:
        self.made: list[Monitor] = []

    def station(self, lon: float, lat: float, region: str = HOME) -> Monitor:
        number = f"S{len(self.made)}-{region}"
        monitor = Monitor.objects.create(
            code=number, name=f"站{number}", region_id=region, geom=Point(lon, lat, srid=STORAGE_SRID)
        )
        Device.objects.create(protocol="hj212", number=number, feature=monitor.pk, state="active")
        self.made.append(monitor)
        return monitor

    def stations(self, count: int = len(PLACES)) -> list[Monitor]:
        return [self.station(*place) for place in PLACES[:count]]

    def hour(
        self, values: dict[Monitor, float | Value], at: datetime = NOON, code: str = "a34002", n_valid: int = 60
    ) -> None:
        factor = Factor.objects.get(code=code).pk
        with connection.cursor() as cursor:
            for monitor, given in values.items():
                value, valid = given if isinstance(given, tuple) else (given, True)
                device = Device.objects.get(feature=monitor.pk).pk
                cursor.execute(
                    "insert into telemetry_rollup (device, factor, span, at, mean, n_valid, n_expected, valid)"
                    " values (%s, %s, %s, %s, %s, %s, 60, %s) on conflict (device, factor, span, at) do update"
                    " set mean = excluded.mean, valid = excluded.valid, n_valid = excluded.n_valid",
                    [device, factor, Span.HOUR, at, value, n_valid if valid else 10, valid],
                )
                cursor.execute(
                    "insert into telemetry_latest (device, factor, span, at, received_at, value, quality, flag)"
                    " values (%s, %s, 2, %s, %s, %s, 0, 'N') on conflict do nothing",
                    [device, factor, at, at, value],
                )


@pytest.fixture
def city(db: None) -> City:
    return City()


@pytest.fixture
def home(db: None) -> Region:
    return Region.objects.get(code=HOME)


@pytest.fixture
def surface(db: None) -> Surface:
    """PM10, coarse enough to be quick."""
    Surface.objects.filter(key="pm10").update(cell_m=1000)
    return Surface.objects.select_related("factor").get(key="pm10")


@pytest.fixture
def ran(surface: Surface, home: Region) -> Callable[..., Run]:
    """``ran()`` → the run of the county's PM10 at noon, computed now."""

    def run(at: datetime = NOON, region: Region = home, of: Surface = surface, **changed: Any) -> Run:
        asked = runs.request(of, region, at, changed, again=True)
        claimed = runs.claim(asked.pk)
        assert claimed is not None
        return runs.compute(claimed)

    return run
