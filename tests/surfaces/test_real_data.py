"""Beijing's twelve stations on a smoggy day: the hours of the file itself give the surfaces of the day."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.contrib.gis.geos import Point
from django.core.management import call_command

from gis.crs import transformer
from gis.fields import STORAGE_SRID
from gis.models import Region
from layers.environment.models import Monitor
from services.surfaces import layouts, runs
from services.surfaces.models import Run, Surface
from services.telemetry import partitions, rollups
from services.telemetry.models import Device
from services.telemetry.spans import Span
from services.telemetry.store import Row, Store
from tests.surfaces.conftest import CHINA

pytestmark = pytest.mark.django_db
DAY = datetime(2016, 12, 20, tzinfo=CHINA)
HOURS = 24


@pytest.fixture
def day(shared_data: Path) -> pd.DataFrame:
    """PM2.5 of every station and hour of the day, with the stations' places; missing values are missing."""
    folder = shared_data / "air"
    table = pd.read_parquet(folder / "uci_prsa_beijing_12stations_2013_2017.parquet")
    some = table[(table.year == DAY.year) & (table.month == DAY.month) & (table.day == DAY.day)]
    places = pd.read_csv(folder / "uci_prsa_station_coords.csv")
    return some.merge(places, left_on="station", right_on="prsa_station")


@pytest.fixture
def beijing(db: None) -> Region:
    call_command("loadregions", scope="11", verbosity=0)
    return Region.objects.get(code="110000")


def test_every_hour_of_a_day_in_beijing(day: pd.DataFrame, beijing: Region) -> None:
    assert day.station.nunique() == 12 and len(day) == 12 * HOURS
    partitions.make(partitions.raw(), date(2016, 12, 1))
    devices: dict[str, int] = {}
    for name, lon, lat in day[["station", "lon", "lat"]].drop_duplicates().itertuples(index=False):
        monitor = Monitor.objects.create(
            code=f"BJ-{name}", name=name, region=beijing, geom=Point(lon, lat, srid=STORAGE_SRID)
        )
        devices[name] = Device.objects.create(
            protocol="hj212", number=f"BJ-{name}", feature=monitor.pk, state="active", base=Span.HOUR, back_days=9999
        ).pk
    rows = [
        Row(devices[r.station], "a34004", at, "hour", None if pd.isna(r.value) else float(r.value), None, None, None,
            "N", "missing" if pd.isna(r.value) else "", at + timedelta(hours=1))
        for r in day.rename(columns={"PM2.5": "value"}).itertuples()
        if (at := DAY + timedelta(hours=int(r.hour)))
    ]  # fmt: skip
    stored = Store(partitions.raw()).write(rows)
    assert stored.new == 12 * HOURS and not stored.refused
    rollups.compute(now=DAY + timedelta(days=2))
    Surface.objects.filter(key="pm25").update(cell_m=2000)
    surface = Surface.objects.get(key="pm25")
    for hour in range(HOURS):
        at = DAY + timedelta(hours=hour)
        claimed = runs.claim(runs.request(surface, beijing, at).pk)
        assert claimed is not None
        run = runs.compute(claimed)
        known = day[(day.hour == hour) & day["PM2.5"].notna()]
        assert (run.state, run.n_used) == (Run.State.DONE, len(known)), hour
        check(run, known)


def check(run: Run, known: pd.DataFrame) -> None:
    """The whole field and the leave-one-out error again, from the file alone."""
    of = layouts.lattice(run.layout)
    x, y = transformer(STORAGE_SRID, of.srid).transform(known.lon.to_numpy(), known.lat.to_numpy())
    measured: Any = known["PM2.5"].to_numpy(dtype=float)
    centres = of.centres()[layouts.inside(run.layout).ravel()]
    away = np.sqrt((centres[:, :1] - x) ** 2 + (centres[:, 1:] - y) ** 2)
    weights = 1 / np.maximum(away, 1.0) ** 2
    expected = (weights * measured).sum(axis=1) / weights.sum(axis=1)
    found = layouts.spread_out(run.layout, run.values)[layouts.inside(run.layout)]
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    guesses = []
    for n in range(len(known)):
        others = [m for m in range(len(known)) if m != n]
        w = [1 / ((x[n] - x[m]) ** 2 + (y[n] - y[m]) ** 2) for m in others]
        guesses.append(sum(a * measured[m] for a, m in zip(w, others, strict=True)) / sum(w))
    assert run.rmse == pytest.approx(float(np.sqrt(((np.array(guesses) - measured) ** 2).mean())))
    # Nothing is invented: an average of positive weights stays between the least and the greatest value.
    assert measured.min() - 1e-3 <= run.low <= run.high <= measured.max() + 1e-3
