"""Finding what a broken sensor sends among values that look like any other: flat lines, spikes, wrong units.

Each finished hour is looked at once it is computed. What is found is marked in the readings, so that it counts in no
mean, limit or alarm; its hour is computed again, and the rules on quality make a task of it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import psycopg

from services.alarms.models import Detector
from services.limits.rows import day_of
from services.telemetry import rollups
from services.telemetry.spans import Quality, Span

Hour = tuple[int, datetime]
"""A device and where its hour begins."""


def detect(link: psycopg.Connection, hours: Iterable[Hour]) -> int:
    """Look at finished hours and mark what is odd; returns how many readings were marked."""
    found = sorted(set(hours))
    if not found:
        return 0
    marked = 0
    for detector, some in _in_force(found):
        devices, begins = (list(column) for column in zip(*some, strict=True))
        given = {
            "devices": devices, "begins": begins, "factor": detector.factor_id, "hour": int(Span.HOUR),
            "flat": int(Quality.FLAT), "dead": int(Quality.DEAD), "spike": int(Quality.SPIKE),
            "unit": int(Quality.UNIT), "least": detector.least, "hours": detector.flat_hours,
            "times": detector.spike, "floor": detector.floor, "step": detector.step,
            "before": timedelta(hours=detector.before_hours),
        }  # fmt: skip
        for query in (_FLAT, _SPIKE, *((_STEP,) if detector.step else ())):
            rows = link.execute(query, given).fetchall()
            marked += len(rows)
            for device, begin, end in _spans(rows):
                rollups.mark(link, [device], begin, end + timedelta(microseconds=1))
                link.execute(_ARRIVED, [device, begin, end, device])
    return marked


def _in_force(hours: list[Hour]) -> list[tuple[Detector, list[Hour]]]:
    """Each detector with the hours that it looks at: those from its day on, until the next one's of the same factor."""
    table = list(Detector.objects.order_by("factor", "-valid_from"))
    found = []
    for n, detector in enumerate(table):
        newer = table[n - 1] if n and table[n - 1].factor_id == detector.factor_id else None
        some = [
            (device, at)
            for device, at in hours
            if detector.valid_from <= day_of(at) and (newer is None or day_of(at) < newer.valid_from)
        ]
        if some:
            found.append((detector, some))
    return found


def _spans(rows: list[tuple[int, datetime]]) -> list[tuple[int, datetime, datetime]]:
    """Of each device the first and the last moment."""
    times: dict[int, list[datetime]] = {}
    for device, at in rows:
        times.setdefault(device, []).append(at)
    return [(device, min(some), max(some)) for device, some in times.items()]


_WANTED = "unnest(%(devices)s::int4[], %(begins)s::timestamptz[]) w (device, at)"
_OF_HOUR = """r.device = {0}.device and r.factor = %(factor)s and r.span = d.base and r.quality = 0
    and r.at >= {0}.at and r.at < {0}.at + interval '1 hour'"""
_FLAT = f"""
with still as (
    select w.device, w.at, min(r.value) as value from {_WANTED}
    join telemetry_rollup h on h.device = w.device and h.factor = %(factor)s and h.span = %(hour)s and h.at = w.at
        and h.low = h.high and h.n_valid >= %(least)s
    join telemetry_device d on d.id = w.device
    join telemetry_reading r on r.device = w.device and r.factor = %(factor)s and r.span = d.base
        and r.quality = any(array[0, %(flat)s, %(dead)s]) and r.at < w.at + interval '1 hour'
        and r.at >= w.at - (%(hours)s - 1) * interval '1 hour'
    group by w.device, w.at
    having min(r.value) = max(r.value) and count(distinct date_trunc('hour', r.at)) = %(hours)s
        and count(*) >= %(hours)s * %(least)s
)
update telemetry_reading r set quality = case when s.value = 0 then %(dead)s else %(flat)s end
from still s join telemetry_device d on d.id = s.device
where r.device = s.device and r.factor = %(factor)s and r.span = d.base and r.quality = 0
    and r.at >= s.at - (%(hours)s - 1) * interval '1 hour' and r.at < s.at + interval '1 hour'
returning r.device, r.at"""  # noqa: S608
_SPIKE = f"""
with near as (
    select r.device, r.factor, r.span, r.at, r.value, w.at as begin,
        lag(r.value) over hour as earlier, lead(r.value) over hour as later
    from {_WANTED} join telemetry_device d on d.id = w.device
    join telemetry_reading r on {_OF_HOUR.format("w")}
    window hour as (partition by r.device, w.at order by r.at)
), usual as (
    select device, begin, percentile_cont(0.5) within group (order by value) as median from near
    group by device, begin having count(*) >= %(least)s
)
update telemetry_reading r set quality = %(spike)s
from near n join usual u using (device, begin)
where (r.device, r.factor, r.span, r.at) = (n.device, n.factor, n.span, n.at) and n.value > %(floor)s
    and n.value > %(times)s * u.median and n.value > %(times)s * coalesce(n.earlier, u.median)
    and n.value > %(times)s * coalesce(n.later, u.median)
returning r.device, r.at"""  # noqa: S608
_STEP = f"""
with low as (
    select w.device, w.at from {_WANTED}
    join telemetry_rollup h on h.device = w.device and h.factor = %(factor)s and h.span = %(hour)s and h.at = w.at
    cross join lateral (
        select percentile_cont(0.5) within group (order by b.mean) as median, count(*) as n from telemetry_rollup b
        where b.device = w.device and b.factor = %(factor)s and b.span = %(hour)s and b.valid and b.at < w.at
            and b.at >= w.at - %(before)s
    ) u
    where u.n >= 6 and h.n_valid >= %(least)s and h.high > 0 and h.high * %(step)s < u.median
)
update telemetry_reading r set quality = %(unit)s
from low l join telemetry_device d on d.id = l.device
where {_OF_HOUR.format("l")}
returning r.device, r.at"""  # noqa: S608
_ARRIVED = """
insert into telemetry_arrival (device, span, low, high, late)
select %s, base, %s, %s, false from telemetry_device where id = %s"""
