"""The last days of simulated monitors, written as hours: their city was there before it was switched on.

Readings of days would be millions; the hours that they would have given are a few thousand rows. Days and months are
computed from them like any other.
"""

import math
import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any

import psycopg

from ingest.simulators.air import BEIJING, Air
from services.telemetry.spans import Span

SAMPLES = 12
"""Of an hour."""
LAPSE = 0.02
"""The share of hours in which a monitor was silent."""
ENERGY = {"LA"}
DIRECTION = {"a01008"}
_COLUMNS = "device, factor, span, at, mean, low, high, total, n_valid, n_expected, valid, revised, computed_at"


def write(link: psycopg.Connection, monitors: Mapping[int, str], until: datetime, hours: int, interval: float) -> int:
    """Write the hours before ``until`` of monitors (device → number) and have their days computed; returns the rows."""
    factors: dict[str, int] = dict(link.execute("select code, id from telemetry_factor").fetchall())
    end = until.replace(minute=0, second=0, microsecond=0)
    begin, count = end - timedelta(hours=hours), 0
    with link.transaction(), link.cursor() as cursor:
        with cursor.copy(f"copy telemetry_rollup ({_COLUMNS}) from stdin") as copy:
            for device, number in monitors.items():
                for row in _hours(device, number, factors, begin, hours, round(3600 / interval), until):
                    copy.write_row(row)
                    count += 1
        cursor.execute(
            "insert into telemetry_mark (device, span, at) select d, %s, day from unnest(%s::int4[]) d,"
            " generate_series(%s::timestamptz, %s, interval '1 day') day",
            [Span.DAY, list(monitors), begin.astimezone(BEIJING).replace(hour=0), end],
        )
    return count


def _hours(
    device: int, number: str, factors: dict[str, int], begin: datetime, hours: int, expected: int, now: datetime
) -> Iterator[tuple[Any, ...]]:
    air, chance = Air(number), random.Random(f"past {number}")
    for at in (begin + timedelta(hours=n) for n in range(hours)):
        found = [air.values(at + timedelta(minutes=60 / SAMPLES * n)) for n in range(SAMPLES)]
        if chance.random() < LAPSE:
            continue
        for code in found[0].keys() & factors.keys():
            values = [each[code] for each in found]
            yield (
                device, factors[code], int(Span.HOUR), at, _mean(code, values), min(values), max(values), None,
                expected, expected, True, False, now,
            )  # fmt: skip


def _mean(code: str, values: list[float]) -> float:
    if code in ENERGY:
        return 10 * math.log10(fmean(10 ** (value / 10) for value in values))
    if code in DIRECTION:
        east, north = (fmean(f(math.radians(value)) for value in values) for f in (math.sin, math.cos))
        return math.degrees(math.atan2(east, north)) % 360
    return fmean(values)
