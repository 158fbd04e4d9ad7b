"""A year of one device and factor out of many readings; ``ROWS`` in the environment says of how many."""

import os
import time
from datetime import UTC, datetime, timedelta
from statistics import median
from uuid import uuid4

from services.access.principal import SYSTEM
from services.telemetry import partitions
from services.telemetry.history import history
from services.telemetry.spans import Span
from tests.bench import devices
from tests.bench.results import Result

ROWS = int(os.environ.get("ROWS", "10_000_000"))
YEAR = timedelta(days=365)


def run() -> list[Result]:
    """Hours and days of the year, as the curves of the desk ask for them."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    begin = end - YEAR
    with devices.link() as to:
        # A reading a minute of eight factors: so many devices make the rows of a year.
        number = max(1, round(ROWS / (8 * 60 * 24 * 365)))
        numbers = devices.devices(to, number)
        codes = [devices.factors(to)[code] for code in devices.CODES]
        month = partitions.month_of(begin)
        while month <= partitions.month_of(end):
            partitions.make(to, month)
            month = partitions.month_of(partitions.bounds(month)[1])
        to.execute("set synchronous_commit = off")
        began, day, rows = time.perf_counter(), begin, 0
        while day < end:
            rows += to.execute(
                "insert into telemetry_reading (at, received_at, value, device, factor, span, quality, flag, late)"
                " select m, m + interval '1 s', 50 + 10 * sin(extract(epoch from m) / 3600 + d + f), d, f, 0, 0, 'N',"
                " false from generate_series(%s::timestamptz, %s::timestamptz - interval '1 s', interval '1 minute') m,"
                " unnest(%s::int4[]) d, unnest(%s::int2[]) f",
                [day, day + timedelta(days=1), numbers, codes],
            ).rowcount
            day += timedelta(days=1)
        loaded = time.perf_counter() - began
        # What the roll-ups would have left, by one statement each: their speed is measured by itself.
        for span, length in ((2, "hour"), (3, "day")):
            to.execute(
                "insert into telemetry_rollup (at, device, factor, span, mean, low, high, n_valid, n_expected, valid)"
                f" select date_trunc('{length}', at, 'Asia/Shanghai'), device, factor, {span}, avg(value), min(value),"
                " max(value), count(*), count(*), true from telemetry_reading group by 1, 2, 3"
            )
        to.execute("vacuum analyze telemetry_reading")
        to.execute("vacuum analyze telemetry_rollup")
        feature = uuid4()
        to.execute("update telemetry_device set feature = %s where id = %s", [feature, numbers[0]])
    found = []
    for span, what in ((Span.HOUR, "hours"), (Span.DAY, "days")):
        times = []
        for _again in range(5):
            began = time.perf_counter()
            (curve,) = history(SYSTEM, feature, ["a34002"], begin, end, span=span)
            times.append(time.perf_counter() - began)
        assert len(curve.points) >= 365
        found.append(Result(f"a year of {what} of one factor", median(times) * 1000, "ms", bar=300))
    return [*found, Result(f"loading of {rows:,} readings", rows / loaded, "rows/s")]
