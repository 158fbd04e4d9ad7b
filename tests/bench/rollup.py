"""The hour of 10,000 devices with eight factors, a value a minute."""

import time
from datetime import timedelta

from services.telemetry import partitions, rollups
from services.telemetry.spans import Span
from tests.bench import devices
from tests.bench.results import Result

DEVICES = 10_000


def run() -> list[Result]:
    """From the marks to the committed hours."""
    with devices.link() as to:
        numbers = devices.devices(to, DEVICES)
        known = devices.factors(to)
        begin = devices.hour() - timedelta(hours=2)
        partitions.make(to, partitions.month_of(begin))
        codes = [known[code] for code in devices.CODES]
        began = time.perf_counter()
        to.execute("set synchronous_commit = off")
        for minute in range(60):
            to.execute(
                "insert into telemetry_reading (at, received_at, value, device, factor, span, quality, flag, late)"
                " select %s::timestamptz + make_interval(secs => d %% 60), %s::timestamptz + interval '61 s',"
                " 50 + 10 * sin(d + f + %s), d, f, 0, 0, 'N', false from unnest(%s::int4[]) d, unnest(%s::int2[]) f",
                [*[begin + timedelta(minutes=minute)] * 2, minute, numbers, codes],
            )
        loaded = time.perf_counter() - began
        to.execute(
            "insert into telemetry_latest (at, received_at, value, device, factor, span, quality, flag)"
            " select %s, %s, 1, d, f, 0, 0, 'N' from unnest(%s::int4[]) d, unnest(%s::int2[]) f",
            [begin, begin, numbers, codes],
        )
        to.execute("vacuum analyze telemetry_reading")
        rollups.mark(to, numbers, begin, begin + timedelta(hours=1))
        began = time.perf_counter()
        written = rollups.compute(to, now=begin + timedelta(hours=1, minutes=5))
        took = time.perf_counter() - began
    assert written[Span.HOUR] == DEVICES * len(codes)
    return [
        Result("hour of 10,000 devices", took, "s", bar=5),
        Result("loading of its readings", DEVICES * len(codes) * 60 / loaded, "rows/s"),
    ]
