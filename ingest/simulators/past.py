"""The last days of simulated devices, written as hours: their city was there before it was switched on.

Readings of days would be millions; the hours that they would have given are a few thousand rows. Days and months are
computed from them like any other.
"""

import math
import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import fmean
from typing import Any

import psycopg

from ingest.simulators.air import BEIJING, Air
from ingest.simulators.hj212 import Source
from ingest.simulators.water import Works
from services.telemetry.spans import Span
from services.telemetry.states import AT_WORK, FAILED, FAULTS, IN_SERVICE, STOPPED, SUFFIX

SAMPLES = 12
"""Of an hour."""
LAPSE = 0.02
"""The share of hours in which a device was silent."""
ENERGY = {"LA"}
DIRECTION = {"a01008"}
COUNTERS = {"energy"}
LAST_DAY, SAID = timedelta(hours=24), timedelta(minutes=10)
_COLUMNS = "device, factor, span, at, mean, low, high, total, n_valid, n_expected, valid, revised, computed_at"
_TALLY = "device, factor, at, running, idle, service, fault, starts, faults"
_READING = "at, received_at, value, device, factor, span, quality, flag, late"
_STATES = """
insert into telemetry_factor (code, name, unit, averaging, digits)
select c, c, '', 'state', 2 from unnest(%s::text[]) c on conflict (code) do nothing"""


def write(
    link: psycopg.Connection, devices: Mapping[int, str | Source], until: datetime, hours: int, interval: float
) -> int:
    """Write the hours before ``until`` of devices and have their days computed; returns the rows.

    ``devices``: the number of a monitor, or what there is to measure.
    """
    sources = {device: Air(said) if isinstance(said, str) else said for device, said in devices.items()}
    end = until.replace(minute=0, second=0, microsecond=0)
    begin, count = end - timedelta(hours=hours), 0
    with link.transaction(), link.cursor() as cursor:
        cursor.execute(_STATES, [[f"{name}{SUFFIX}" for name in _signals(sources, begin)]])
        factors: dict[str, int] = dict(cursor.execute("select code, id from telemetry_factor").fetchall())
        tallies = []
        with cursor.copy(f"copy telemetry_rollup ({_COLUMNS}) from stdin") as copy:
            for device, source in sources.items():
                chance = random.Random(f"past {device if not isinstance(devices[device], str) else devices[device]}")
                for at in (begin + timedelta(hours=n) for n in range(hours)):
                    silent = chance.random() < LAPSE
                    for row in () if silent else _hour(device, source, factors, at, round(3600 / interval), until):
                        copy.write_row(row)
                        count += 1
                if isinstance(source, Works):
                    tallies += list(_tallies(device, source, factors, begin, hours))
        with cursor.copy(f"copy telemetry_tally ({_TALLY}) from stdin") as copy:
            for tally in tallies:
                copy.write_row(tally)
        with cursor.copy(f"copy telemetry_reading ({_READING}) from stdin") as copy:
            for device, source in sources.items():
                for reading in _said(device, source, factors, max(begin, end - LAST_DAY), end):
                    copy.write_row(reading)
        cursor.execute(
            "insert into telemetry_mark (device, span, at) select d, %s, day from unnest(%s::int4[]) d,"
            " generate_series(%s::timestamptz, %s, interval '1 day') day",
            [Span.DAY, list(sources), begin.astimezone(BEIJING).replace(hour=0), end],
        )
    return count


def _hour(
    device: int, source: Source, factors: dict[str, int], at: datetime, expected: int, now: datetime
) -> Iterator[tuple[Any, ...]]:
    found = [source.values(at + timedelta(minutes=60 / SAMPLES * n)) for n in range(SAMPLES)]
    after = source.values(at + timedelta(hours=1)) if found[0].keys() & COUNTERS else {}
    for code in found[0].keys() & factors.keys():
        values = [each[code] for each in found]
        counts = code in COUNTERS
        yield (
            device, factors[code], int(Span.HOUR), at, None if counts else _mean(code, values), min(values),
            after[code] if counts else max(values), after[code] - values[0] if counts else None, expected, expected,
            True, False, now,
        )  # fmt: skip
    if isinstance(source, Works) and FAULTS in factors:
        failed = [
            sum(state == FAILED for state in source.states(at + timedelta(minutes=m)).values()) for m in range(60)
        ]
        yield (
            device, factors[FAULTS], int(Span.HOUR), at, fmean(failed), min(failed), max(failed), None, expected,
            expected, True, False, now,
        )  # fmt: skip


def _tallies(
    device: int, works: Works, factors: dict[str, int], begin: datetime, hours: int
) -> Iterator[tuple[Any, ...]]:
    """What its machines did, as the roll-up would have told it from states said every minute."""
    before = works.states(begin - timedelta(minutes=1))
    for at in (begin + timedelta(hours=n) for n in range(hours)):
        lines = [works.states(at + timedelta(minutes=m)) for m in range(60)]
        for signal in before:
            line = [before[signal], *(states[signal] for states in lines)]
            seconds = [60 * sum(state in kind for state in line[1:]) for kind in (
                AT_WORK, (STOPPED,), IN_SERVICE, (FAILED,))]  # fmt: skip
            starts = sum(now in AT_WORK and last not in AT_WORK for last, now in pairwise(line))
            faults = sum(now == FAILED != last for last, now in pairwise(line))
            yield device, factors[f"{signal}{SUFFIX}"], at, *seconds, starts, faults
        before = lines[-1]


def _said(
    device: int, source: Source, factors: dict[str, int], begin: datetime, end: datetime
) -> Iterator[tuple[Any, ...]]:
    """The states that its machines told every ten minutes: what is drawn of a day are the states themselves."""
    if isinstance(source, Works):
        for n in range(int((end - begin) / SAID)):
            at = begin + n * SAID
            for signal, state in source.states(at).items():
                yield at, at, state, device, factors[f"{signal}{SUFFIX}"], int(Span.REAL), 0, " ", False


def _signals(sources: Mapping[int, Source], at: datetime) -> set[str]:
    return {signal for source in sources.values() if isinstance(source, Works) for signal in source.states(at)}


def _mean(code: str, values: list[float]) -> float:
    if code in ENERGY:
        return 10 * math.log10(fmean(10 ** (value / 10) for value in values))
    if code in DIRECTION:
        east, north = (fmean(f(math.radians(value)) for value in values) for f in (math.sin, math.cos))
        return math.degrees(math.atan2(east, north)) % 360
    return fmean(values)
