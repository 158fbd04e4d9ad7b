"""Gaps: the minutes and hours that a device should have sent and that are not stored."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg
from django.utils import timezone

from services.telemetry.spans import Span

REACH = timedelta(hours=24)
"""How far back gaps are looked for."""
SETTLED = timedelta(minutes=3)
"""How long after its end a device may still send a value by itself."""
LONGEST = 36
"""Values of one gap; a longer one is filled in pieces."""


class Gap(NamedTuple):
    """Consecutive values that are missing, by the start of the first and of the last."""

    device: int
    span: str
    begin: datetime
    end: datetime
    step: timedelta


def find(
    link: psycopg.Connection, devices: Sequence[int], reach: timedelta = REACH, now: datetime | None = None
) -> list[Gap]:
    """The gaps of devices whose hours are computed from minute or hour data, the oldest first.

    A value is missing once the device has sent a later one, of whatever span: our own clock alone proves nothing (F13).
    Any stored value of a minute or hour counts as that: single factors that a device leaves out are no gap.
    """
    moment = now or timezone.now()
    given = {
        "devices": list(devices), "minute": Span.MINUTE, "hour": Span.HOUR, "begin": moment - reach,
        "end": moment - SETTLED, "longest": LONGEST,
    }  # fmt: skip
    rows = link.execute(_GAPS, given).fetchall()
    return [Gap(device, Span(span).name.lower(), begin, end, step) for device, span, begin, end, step in rows]


# Spans begin where those of the day do in China, which for every length that divides the hour is where the hour does.
_GAPS = """
with d as materialized (
    select id, base, make_interval(secs => case base when %(minute)s then 60 * minute_span else 3600 end) as step,
        greatest(%(begin)s, coalesce(approved_at, created_at)) as begin,
        least(%(end)s, (select max(l.at) from telemetry_latest l where l.device = telemetry_device.id)) as "end"
    from telemetry_device
    where id = any(%(devices)s) and (base = %(hour)s or (base = %(minute)s and 60 %% minute_span = 0))
), missing as (
    select d.id, d.base, d.step, s.at, s.at - d.step * row_number() over (partition by d.id order by s.at) as island
    from d cross join lateral generate_series(
        date_bin(d.step, d.begin - interval '1 microsecond', '2000-01-01 00:00+08') + d.step, d."end" - d.step, d.step
    ) s (at)
    where not exists (
        select from telemetry_latest l join telemetry_reading r on (r.device, r.factor) = (l.device, l.factor)
        where l.device = d.id and r.device = d.id and r.span = d.base and r.at >= s.at and r.at < s.at + d.step
    )
), piece as (
    select *, (row_number() over (partition by id, island order by at) - 1) / %(longest)s as part from missing
)
select id, base, min(at), max(at), step from piece group by id, base, step, island, part order by 3, 1"""
