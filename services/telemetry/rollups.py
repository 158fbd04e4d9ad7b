"""Hours, days and months out of readings: computed from marks, so that late data touch only their own spans.

Any number of workers may run; one at a time computes.
"""

from copy import copy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from django.utils import timezone

from services.telemetry import formulas, machines, partitions
from services.telemetry.formulas import EVERYWHERE, READINGS, counters, plain, put, rollups, sums, wanted, weighted
from services.telemetry.models import Bar, Factor
from services.telemetry.spans import ZONE, Span

LOCK = 7_302_000
"""Advisory lock of whoever computes."""
WIDE = 500
"""Devices from which on an hour is read as a whole, and by two processes of the server."""
SETTLED = timedelta(seconds=30)
"""How long after its end a span waits for readings under way."""
AT_ONCE = 24
"""Hours (days, months) of one transaction: a long back-fill is taken in pieces."""
LATE = 2
"""Lengths of a span after its end, beyond which its value counts as late."""
DAY_FROM, NIGHT_FROM = 6, 22
"""Hours of the day at which day and night begin for noise (GB 12523, clause on terms); a night belongs to the day on
which it begins."""

_NEXT = {Span.HOUR: Span.DAY, Span.DAY: Span.MONTH}


def mark(connection: psycopg.Connection, devices: list[int], begin: datetime, end: datetime) -> None:
    """Have the hours from ``begin`` to ``end`` computed again: after a profile was changed, or readings were judged."""
    connection.execute(
        "insert into telemetry_mark (device, span, at) select d, %s, h from unnest(%s::int4[]) d,"
        " generate_series(date_trunc('hour', %s::timestamptz), %s::timestamptz, interval '1 hour') h"
        " where h < %s",
        [Span.HOUR, devices, begin, end, end],
    )


def compute(
    link: psycopg.Connection | None = None, *, running: bool = False, now: datetime | None = None
) -> dict[Span, int]:
    """Compute what is marked and over, with ``running`` also what is not over yet; returns rows written by span.

    Over Django's connection where none is given. Blocks nobody who stores readings; what another worker is at is left
    to it.
    """
    link, moment, rules = link or partitions.raw(), now or timezone.now(), _Rules()
    written = dict.fromkeys((Span.HOUR, Span.DAY, Span.MONTH), 0)
    for span in written:
        while True:
            done, rows = _take(link, rules, span, None if running else moment - SETTLED, moment)
            written[span] += rows
            if not done:
                break
    return written


def end_of(span: Span, at: datetime) -> datetime:
    """When a span that begins at ``at`` is over."""
    if span == Span.HOUR:
        return at + timedelta(hours=1)
    if span == Span.MONTH:
        return partitions.bounds(at.astimezone(ZONE).date())[1]
    return _local(at.astimezone(ZONE).date() + timedelta(days=1))


def begin_of(span: Span, at: datetime) -> datetime:
    """When the span begins in which a moment lies."""
    if span == Span.HOUR:
        return at.replace(minute=0, second=0, microsecond=0)
    day = at.astimezone(ZONE).date()
    return _local(day.replace(day=1) if span == Span.MONTH else day)


class _Rules:
    """Which factors are averaged how, and the bars of validity by date."""

    def __init__(self) -> None:
        factors = list(Factor.objects.values_list("pk", "averaging", "weight_id"))
        kinds = Factor.Averaging
        self.arrays: dict[str, list[int]] = {
            "energy": [pk for pk, kind, _weight in factors if kind == kinds.ENERGY],
            "directions": [pk for pk, kind, _weight in factors if kind == kinds.DIRECTION],
            "counters": [pk for pk, kind, _weight in factors if kind == kinds.TOTAL],
            "states": [pk for pk, kind, _weight in factors if kind == kinds.STATE],
            "weighted": [
                pk for pk, kind, weight in factors if kind == kinds.DIRECTION or (weight and kind == kinds.MEAN)
            ],
        }
        self.weights = {pk: weight for pk, _kind, weight in factors if weight}
        self.bars = list(Bar.objects.order_by("-valid_from"))

    def among(self, present: set[int]) -> "_Rules":
        """The same for devices that send only some factors: what nobody sends costs no query."""
        fewer = copy(self)
        fewer.arrays = {name: [pk for pk in pks if pk in present] for name, pks in self.arrays.items()}
        weighted = fewer.arrays["weighted"]
        fewer.arrays["weights"] = sorted({self.weights[pk] for pk in weighted if pk in self.weights})
        return fewer

    def parameters(self, span: Span, at: datetime, begin: datetime, end: datetime) -> dict[str, Any]:
        """Of one computation; ``n_valid * per >= least * expected`` is the bar: minutes of an hour, else a number."""
        day = at.astimezone(ZONE).date()
        least = self.least(span, day)
        per = 60 if span == Span.HOUR else _whole(span, day)
        times = {"at": at, "begin": begin, "end": end, "over": end + SETTLED}
        return {**self.arrays, **times, "per": per, "least": least}

    def least(self, span: Span, day: date) -> int:
        """The bar in force on the day that was measured; both parts for Ldn; 1 where no row says."""
        if span == Span.LDN:
            return 2
        bar = next((bar for bar in self.bars if bar.span == span and bar.valid_from <= day), None)
        if bar is None:
            return 1
        return bar.february if bar.february is not None and day.month == 2 else bar.least


def _whole(span: Span, day: date) -> int:
    begin, end = partitions.bounds(day)
    return {Span.DAY: 24, Span.DAYTIME: 16, Span.NIGHT: 8, Span.LDN: 2, Span.MONTH: (end - begin).days}[span]


def _take(
    link: psycopg.Connection, rules: _Rules, span: Span, before: datetime | None, now: datetime | None = None
) -> tuple[int, int]:
    """Compute the oldest marked spans in one transaction; how many of them, and rows written."""
    latest = None if before is None else begin_of(span, before) - timedelta(microseconds=1)
    with link.transaction():
        # The lock comes in a statement before the marks are read: so what its last holder committed is seen.
        found = link.execute("select pg_try_advisory_xact_lock(%s)", [LOCK]).fetchone()
        if not (found and found[0]):
            return 0, 0
        link.execute("create temp table if not exists taken (device int4, at timestamptz)")
        link.execute("create temp table if not exists bucket (device int4, base int2, expected int4)")
        link.execute("truncate taken, bucket")
        link.execute(
            "with gone as (delete from telemetry_mark where span = %(span)s"
            " and at = any(array(select distinct at from telemetry_mark where span = %(span)s"
            " and (%(latest)s::timestamptz is null or at <= %(latest)s) order by at limit %(most)s))"
            " returning device, at) insert into taken select distinct device, at from gone",
            {"span": span, "latest": latest, "most": AT_ONCE},
        )
        moments = [at for (at,) in link.execute("select distinct at from taken order by at").fetchall()]
        written = 0
        for at in moments:
            link.execute("truncate bucket")
            link.execute(_BUCKET, {"at": at, "real": Span.REAL, "minute": Span.MINUTE})
            link.execute("analyze bucket")
            if partitions.month_of(at) not in partitions.existing(link, "telemetry_rollup"):
                partitions.make(link, partitions.month_of(at))
            sent = link.execute("select distinct factor from telemetry_latest join bucket using (device)").fetchall()
            written += _COMPUTE[span](link, rules.among({factor for (factor,) in sent}), at)
            end = end_of(span, at)
            moment = now or timezone.now()
            if end + SETTLED <= moment:
                link.execute(_ARRIVED, {"span": span, "at": at, "late": moment > end + LATE * (end - at)})
            if span in _NEXT:
                link.execute(
                    "insert into telemetry_mark (device, span, at) select device, %s, %s from bucket",
                    [_NEXT[span], begin_of(_NEXT[span], at)],
                )
    return len(moments), written


def _hours(link: psycopg.Connection, rules: _Rules, at: datetime) -> int:
    parameters = rules.parameters(Span.HOUR, at, at, end_of(Span.HOUR, at))
    devices = link.execute("select count(*) from bucket").fetchone()
    if devices is not None and devices[0] >= WIDE:
        rows = _whole_hour(link, parameters, rules)
    else:
        rows = _all(link, Span.HOUR, READINGS, parameters, rules)
    if rules.arrays["counters"]:
        rows += link.execute(put(Span.HOUR, counters(READINGS)), parameters).rowcount
        # The first step of a counter's next hour begins at its last reading of this one.
        link.execute(_FOLLOWING, {**rules.arrays, "span": Span.HOUR, "at": at})
    if rules.arrays["states"]:
        rows += link.execute(machines.TALLY, parameters).rowcount
        link.execute(machines.FOLLOWING, {"span": Span.HOUR, "at": at})
    return rows


def _whole_hour(link: psycopg.Connection, parameters: dict[str, Any], rules: _Rules) -> int:
    """Means of an hour of many devices; only a query that makes a table is worked on by several processes."""
    link.execute(_BROAD)
    query = wanted(plain(EVERYWHERE, "span"))
    if rules.arrays["weighted"]:
        query += f" union all {wanted(weighted(EVERYWHERE, 'span'))}"
    psycopg.ClientCursor(link).execute(f"create temp table computed on commit drop as {query}", parameters)
    link.execute(_NARROW)
    rows = link.execute(put(Span.HOUR, "table computed"), parameters).rowcount
    link.execute("drop table computed")
    return rows


def _days(link: psycopg.Connection, rules: _Rules, at: datetime) -> int:
    rows = _all(
        link, Span.DAY, rollups(Span.HOUR, "24"), rules.parameters(Span.DAY, at, at, end_of(Span.DAY, at)), rules
    )
    day = at.astimezone(ZONE).date()
    if rules.arrays["energy"]:
        # The first hours of a day belong to the night before.
        for when in (day - timedelta(days=1), day):
            rows += _noise(link, rules, when)
    return rows


def _noise(link: psycopg.Connection, rules: _Rules, day: date) -> int:
    dawn, dusk = (_local(day) + timedelta(hours=hour) for hour in (DAY_FROM, NIGHT_FROM))
    rows = 0
    for span, begin, end in (
        (Span.DAYTIME, dawn, dusk),
        (Span.NIGHT, dusk, dawn + timedelta(days=1)),
    ):
        query = put(span, plain(rollups(Span.HOUR, str(_whole(span, day)))), "factor = any(%(energy)s)")
        rows += link.execute(query, rules.parameters(span, _local(day), begin, end)).rowcount
    parameters = rules.parameters(Span.LDN, _local(day), dawn, dawn + timedelta(days=1))
    return rows + link.execute(put(Span.LDN, formulas.LDN), parameters).rowcount


def _months(link: psycopg.Connection, rules: _Rules, at: datetime) -> int:
    begin, end = partitions.bounds(at.astimezone(ZONE).date())
    source = rollups(Span.DAY, str((end - begin).days))
    return _all(link, Span.MONTH, source, rules.parameters(Span.MONTH, at, begin, end), rules)


_COMPUTE = {Span.HOUR: _hours, Span.DAY: _days, Span.MONTH: _months}


def _all(link: psycopg.Connection, span: Span, source: str, parameters: dict[str, Any], rules: _Rules) -> int:
    rows = link.execute(put(span, plain(source)), parameters).rowcount
    if rules.arrays["weighted"]:
        rows += link.execute(put(span, weighted(source)), parameters).rowcount
    if rules.arrays["counters"] and span != Span.HOUR:
        # What a counter rose by in a day is the sum of what it rose by in its hours.
        rows += link.execute(put(span, sums(source)), parameters).rowcount
    return rows


def _local(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


# For the wind speed of each wind direction: not a million readings sorted on disk, not a million looked up.
_BROAD = """
set local work_mem = '128MB'; set local enable_mergejoin = off; set local enable_nestloop = off;
set local max_parallel_workers_per_gather = 1;
set local parallel_tuple_cost = 0.001"""
_NARROW = """
set local max_parallel_workers_per_gather = 0; set local enable_mergejoin = on; set local enable_nestloop = on"""
_BUCKET = """
insert into bucket
select d.id, d.base, case d.base when %(real)s then 3600 / d.interval when %(minute)s then 60 / d.minute_span else 1 end
from telemetry_device d join taken t on t.device = d.id where t.at = %(at)s"""
_ARRIVED = """
insert into telemetry_arrival (device, span, low, high, late)
select device, %(span)s, %(at)s, %(at)s, %(late)s from bucket"""
_FOLLOWING = """
insert into telemetry_mark (device, span, at)
select distinct k.device, %(span)s, n.at
from (
    select r.device, r.factor from telemetry_rollup r join bucket b on b.device = r.device
    where r.span = %(span)s and r.at = %(at)s and r.factor = any(%(counters)s) and r.computed_at >= now()
) k cross join lateral (
    select n.at from telemetry_rollup n
    where n.device = k.device and n.factor = k.factor and n.span = %(span)s and n.at > %(at)s
    order by n.at limit 1
) n"""
