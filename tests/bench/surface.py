"""How long a surface of the whole city takes: with its weights made before, as every hour, and when they are made."""

import statistics
import time
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from gis.models import Region
from services.surfaces import runs
from services.surfaces.models import Network, Run, Surface
from services.telemetry import partitions
from services.telemetry.models import Factor
from services.telemetry.spans import Span
from tests.bench.results import Result

STATIONS = 1_000
HOURS = 5
MOST = 3.0


def run() -> list[Result]:
    """Seconds of a run over a thousand stations on the city's lattice; what it made is taken back."""
    began = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS)
    region = Region.objects.get(code=settings.PRODUCT_REGION)
    surface = Surface.objects.get(key="pm10")
    with transaction.atomic():
        for month in {partitions.month_of(began), partitions.month_of(began + timedelta(hours=HOURS))}:
            partitions.make(partitions.raw(), month)
        _measure(began)
        times = []
        for hour in range(HOURS):
            claimed = runs.claim(runs.request(surface, region, began + timedelta(hours=hour), again=True).pk)
            assert claimed is not None
            start = time.perf_counter()
            done = runs.compute(claimed)
            times.append(time.perf_counter() - start)
            if done.state != Run.State.DONE or done.n_used < STATIONS * 0.9:
                raise RuntimeError(f"the run is {done.state} with {done.n_used} stations")
        for run in Run.objects.filter(surface=surface):
            runs.request(surface, region, run.at, again=True)
        Run.objects.update(inputs_key="")
        past = runs.claim_some(timezone.now() + timedelta(days=1))
        start = time.perf_counter()
        runs.compute_all(past)
        together = (time.perf_counter() - start) / len(past)
        made = Network.objects.filter(layout=done.layout, stations=done.n_stations).count()
        if made != 1:
            raise RuntimeError(f"the weights were made {made} times")
        cells = done.layout.cells if done.layout else 0
        transaction.set_rollback(True)
    return [
        Result("surface: one run", statistics.median(times[1:]), "s", bar=MOST),
        Result("surface: the first run, with weights", times[0], "s"),
        Result("surface: one of several past hours", together, "s"),
        Result("surface: cells inside", float(cells), "cells"),
    ]


def _measure(began: object) -> None:
    """Hour values of a thousand monitors."""
    factor = Factor.objects.get(code="a34002").pk
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into telemetry_device (protocol, number, name, feature, state, secret, units, crc_mode,"
            " datatime_is, missing_flag, minute_span, interval, base, back_days, sm4_key, created_at)"
            " select 'http', 'B' || row_number() over (order by id), '', id, 'active', '', '{}', 'standard', 'start',"
            " 'N', 10, 60, 0, 30, '', now() from catalog_featureindex where layer = 'monitors' and geom is not null"
            " order by id limit %s",
            [STATIONS],
        )
        cursor.execute(
            "insert into telemetry_rollup (device, factor, span, at, mean, n_valid, n_expected, valid)"
            " select d.id, %s, %s, %s + h * interval '1 hour', 40 + (d.id * (h + 3)) %% 97, 60, 60, true"
            " from telemetry_device d, generate_series(0, %s) h where d.number like 'B%%' and d.protocol = 'http'",
            [factor, Span.HOUR, began, HOURS - 1],
        )
