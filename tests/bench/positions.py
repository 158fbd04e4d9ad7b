"""How fast positions are stored with 3,000 fences evaluated on arrival, and how fast trips are derived from them."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import batched

import psycopg
from django.conf import settings

from services.fences import evaluate
from services.positions import legs
from services.positions.models import TABLES
from services.positions.store import Row, Store
from services.telemetry import partitions
from tests.bench.results import Result

FENCES, VEHICLES, FIXES, A_BATCH = 3_000, 1_000, 20, 1_000
EMPTY = """
truncate positions_position, positions_latest, positions_leg, positions_mark, positions_aside, fences_state,
    fences_event;
delete from fences_fence where name = 'bench';
delete from telemetry_device where name = 'bench';
"""


def run() -> list[Result]:
    """Vehicles that drive through a city of fences, one fix in ten seconds each."""
    given = settings.DATABASES["default"]
    with psycopg.connect(
        host=given["HOST"], user=given["USER"], password=given["PASSWORD"] or None, dbname="zhutu_bench",
        autocommit=True,
    ) as link:  # fmt: skip
        link.execute(EMPTY)
        try:
            return _measure(link)
        finally:
            link.execute(EMPTY)


def _measure(link: psycopg.Connection) -> list[Result]:
    devices = _prepare(link)
    now = datetime.now(UTC).replace(microsecond=0)
    for month in {partitions.month_of(now), partitions.month_of(now - timedelta(hours=1))}:
        partitions.make(link, month, TABLES)
    rows = list(_drives(devices, now - timedelta(seconds=10 * FIXES)))
    seconds = {}
    for name, watchers in (("without fences", []), ("with 3,000 fences", [evaluate.watch])):
        link.execute("truncate positions_position, positions_latest, positions_mark, fences_state, fences_event")
        store = Store(link, watchers)
        began = time.perf_counter()
        for batch in batched(rows, A_BATCH):
            store.write(batch)
        seconds[name] = time.perf_counter() - began
    events = link.execute("select count(*) from fences_event").fetchone()
    began = time.perf_counter()
    legs.derive(link)
    derived = time.perf_counter() - began
    thousands = len(rows) / 1000
    return [
        Result("1,000 positions stored with 3,000 fences", seconds["with 3,000 fences"] / thousands, "s", bar=1.0),
        Result("1,000 positions stored without fences", seconds["without fences"] / thousands, "s"),
        Result("events of fences in all", float(events[0] if events else 0), "events"),
        Result("trips and stops derived from 1,000 positions", derived / thousands, "s", bar=1.0),
    ]


def _prepare(link: psycopg.Connection) -> list[int]:
    """Fences all over the city, and a terminal for every truck."""
    link.execute(
        """
        insert into fences_fence (name, region_id, shape, geom, metres, kinds, layer, features, fixes, seconds,
            dwell_minutes, weekdays, active, changed_at)
        select 'bench', '511702', 'circle',
            ST_SetSRID(ST_MakePoint(107.2 + random() * 0.6, 30.9 + random() * 0.6), 4490),
            150 + random() * 850, '{enter,leave,dwell}', 'mixer_trucks', '{}', 2, 0, 10, '{}', true, now()
        from generate_series(1, %s)
        """,
        [FENCES],
    )
    link.execute(
        """
        insert into telemetry_device (protocol, number, name, state, feature, secret, units, crc_mode, datatime_is,
            missing_flag, minute_span, "interval", base, back_days, sm4_key, created_at)
        select 'jt808', 'B' || row_number() over (order by id), 'bench', 'active', id, '', '{}', 'standard', 'start',
            'N', 10, 10, 0, 30, '', now()
        from catalog_featureindex where layer = 'mixer_trucks' order by id limit %s
        """,
        [VEHICLES],
    )
    link.execute("analyze fences_fence; analyze telemetry_device; analyze catalog_featureindex")
    return [number for (number,) in link.execute("select id from telemetry_device where name = 'bench'").fetchall()]


def _drives(devices: list[int], begin: datetime) -> Iterator[Row]:
    chance = random.Random(808)
    places = {device: (chance.uniform(107.2, 107.8), chance.uniform(30.9, 31.5)) for device in devices}
    ways = {device: (chance.gauss(0, 1e-3), chance.gauss(0, 1e-3)) for device in devices}
    for n in range(FIXES):
        at = begin + timedelta(seconds=10 * n)
        for device in devices:
            (lon, lat), (east, north) = places[device], ways[device]
            yield Row(device, at, lon + n * east, lat + n * north, 40.0, 90, 300, 3, 0, at)
