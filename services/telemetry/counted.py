"""What statistics say of devices and of what they measured: outages, machines, time online, means of every factor."""

from collections import defaultdict
from typing import Any

from django.db import connection
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from services.access import gate
from services.catalog.happenings import Amount, Happening, Hours
from services.catalog.happenings import register as happens
from services.stats.figures import Figure, Number, Total
from services.stats.measures import Measure, register
from services.stats.scopes import Asked
from services.telemetry.devices import measured_layers
from services.telemetry.features import columns
from services.telemetry.models import Device, Factor, Outage, Tally
from services.telemetry.spans import Span

GROUP, MEASURED = gettext_lazy("设备运行"), gettext_lazy("监测数据")
HOURS = 3600.0
KIND = Factor.Averaging

happens(
    Happening(
        "devices", Device, "approved_at", "feature", gettext_lazy("监测终端接入"), GROUP, ("protocol", "state"), (),
        ("number", "name", "protocol", "state"), Q(feature__isnull=False),
    ),
    Happening(
        "outages", Outage, "began_at", "device__feature", gettext_lazy("设备离线"), GROUP, (),
        (Amount("hours", gettext_lazy("离线时长"), "h", Hours("began_at", "ended_at")),), ("device", "ended_at"),
    ),
    Happening(
        "machine-hours", Tally, "at", "device__feature", gettext_lazy("机械设备运行小时"), GROUP, (),
        (
            Amount("running", gettext_lazy("运行时长"), "h", F("running") / HOURS),
            Amount("fault", gettext_lazy("故障时长"), "h", F("fault") / HOURS),
            Amount("starts", gettext_lazy("启动次数"), "", F("starts"), digits=0),
            Amount("faults", gettext_lazy("故障次数"), "", F("faults"), digits=0),
        ),
        ("device", "factor", "running", "idle", "service", "fault", "starts", "faults"),
    ),
)  # fmt: skip


@register
class TimeOnline(Measure):
    """The share of their time in which the devices of the scope were heard, as of the list of devices."""

    def figures(self, asked: Asked) -> list[Figure]:
        parts = len(asked.frame.buckets)
        windows = [*map(asked.frame.part, asked.frame.buckets), asked.frame.window, asked.frame.before]
        windows += [asked.frame.last_year] if asked.frame.last_year else []
        if asked.principal.is_public or not asked.devices:
            return []
        with connection.cursor() as cursor:
            cursor.execute(_ONLINE, {
                "devices": asked.devices, "now": timezone.now(),
                "begins": [window.begins_at for window in windows], "ends": [window.ends_at for window in windows],
                "parts": parts, "stretches": ([0] * parts + [None, 1, 2])[: len(windows)],
            })  # fmt: skip
            rows = {n: (devices, share) for n, devices, share in cursor.fetchall()}
        shares: list[Number | None] = [rows[n][1] if n in rows else None for n in range(1, len(windows) + 2)]
        heard = rows[parts + 1][0] if parts + 1 in rows else 0
        if not any(share is not None for share in shares):
            return []
        total = Total("devices", _("监测终端"), "", 0, "count", heard, None, None, [None] * parts)
        return [
            Figure(
                "online", _("设备在线率"), _("已启用的监测终端"), str(GROUP), shares[parts], shares[parts + 1],
                shares[parts + 2] if asked.frame.last_year else None, shares[:parts], "%", 1, listed=False,
                totals=[total],
            )
        ]  # fmt: skip


@register
class Means(Measure):
    """The mean of every factor over the valid hours of the scope; of a counter what it rose by."""

    def figures(self, asked: Asked) -> list[Figure]:
        if asked.principal.is_public or not asked.devices:
            return []
        factors = {
            factor.pk: factor
            for factor in Factor.objects.exclude(averaging__in=(KIND.DIRECTION, KIND.STATE))
            if factor.code not in _hidden(asked)
        }
        windows = [asked.frame.window, asked.frame.before]
        windows += [asked.frame.last_year] if asked.frame.last_year else []
        given: dict[str, Any] = {
            "devices": asked.devices, "factors": list(factors), "day": int(Span.DAY), "step": asked.frame.step,
            "energy": [factor.pk for factor in factors.values() if factor.averaging == KIND.ENERGY],
            "counters": [factor.pk for factor in factors.values() if factor.averaging == KIND.TOTAL],
        }  # fmt: skip
        for n, window in enumerate(windows):
            given |= {f"begin_{n}": window.begins_at, f"end_{n}": window.ends_at}
        found: dict[int, dict[Any, tuple[Any, ...]]] = defaultdict(dict)
        days = [_DAYS.format(place=n, bucket="null::date" if n else _BUCKET) for n in range(len(windows))]
        with connection.cursor() as cursor:
            cursor.execute(_MEANS.format(days=" union all ".join(days)), given)
            for factor, place, at, *rest in cursor.fetchall():
                found[factor][place if at is None else at] = tuple(rest)
        return [_figure(asked, factors[pk], found[pk]) for pk in factors if pk in found]


def _hidden(asked: Asked) -> set[str]:
    """The factors whose columns the principal may not read in some layer that they see."""
    found = set()
    for layer in measured_layers():
        if gate.may(asked.principal, layer):
            readable = {field.name for field in gate.fields(asked.principal, layer)}
            found |= {code for code, field in columns(layer).items() if field.name not in readable}
    return found


def _figure(asked: Asked, factor: Factor, rows: dict[Any, tuple[Any, ...]]) -> Figure:
    nothing = (None, None, None, None)
    now, before, last_year = (rows.get(place, nothing) for place in range(3))
    parts = [rows.get(bucket, nothing) for bucket in asked.frame.buckets]

    def total(name: str, label: str, unit: str, digits: int, place: int) -> Total:
        year = last_year[place] if asked.frame.last_year else None
        trend = [part[place] for part in parts]
        return Total(
            name, label, unit, digits, "count" if name == "hours" else name, now[place], before[place], year, trend
        )

    counts = factor.averaging == KIND.TOTAL
    totals = [total("hours", _("有效小时"), "", 0, 3)]
    if not counts:
        totals = [
            total("low", _("最小值"), factor.unit, factor.digits, 1),
            total("high", _("最大值"), factor.unit, factor.digits, 2),
            *totals,
        ]
    return Figure(
        f"measured.{factor.code}", str(factor), _("累计增量") if counts else _("有效小时均值"), str(MEASURED), now[0],
        before[0], last_year[0] if asked.frame.last_year else None, [part[0] for part in parts], factor.unit,
        factor.digits, listed=False, totals=totals,
    )  # fmt: skip


# As in the list of devices: from when each was approved, and only those that were heard at all. Outages are read once
# for the parts of the period, which lie one after the other, so that the two ends of an outage tell which it touches,
# and once for each time it is compared with; the period itself is the sum of its parts.
_ONLINE = """
with w as (
    select n, begins, least(ends, %(now)s) as ends, stretch
    from unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[], %(stretches)s::int[])
        with ordinality w (begins, ends, stretch, n)
), d as (
    select d.id, d.approved_at from telemetry_device d
    join telemetry_presence p on p.device_id = d.id and p.seen_at is not null where d.id = any(%(devices)s)
), r as (
    select min(n) as first, min(begins) as begins, max(ends) as ends, array_agg(begins order by n) as parts
    from w where ends > begins and stretch is not null group by stretch
), o as (
    select d.approved_at, o.began_at, coalesce(o.ended_at, r.ends) as ended_at,
        r.first + width_bucket(greatest(o.began_at, r.begins), r.parts) - 1 as from_n,
        r.first + width_bucket(least(o.ended_at, r.ends), r.parts) - 1 as to_n
    from r join telemetry_outage o
        on tstzrange(least(o.began_at, o.ended_at), o.ended_at) && tstzrange(r.begins, r.ends)
    join d on d.id = o.device_id
), missed as (
    select w.n, sum(extract(epoch from least(o.ended_at, w.ends) - greatest(o.began_at, w.begins, o.approved_at))) as s
    from o cross join lateral generate_series(o.from_n, o.to_n) n join w using (n)
    where least(o.ended_at, w.ends) > greatest(o.began_at, w.begins, o.approved_at)
    group by w.n
), gone as (
    select n, s from missed union all select %(parts)s + 1, sum(s) from missed where n <= %(parts)s
), whole as (
    select w.n, count(*) as devices, sum(extract(epoch from w.ends - greatest(w.begins, d.approved_at))) as s
    from w cross join d where w.ends > greatest(w.begins, d.approved_at) group by w.n
)
select n::int, devices::int, 100 * (1 - coalesce(gone.s, 0) / whole.s)::float8
from whole left join gone using (n)"""
_DAYS = """
    select r.factor, {place} as place, {bucket} as bucket, sum(r.total) as total, sum(r.n_valid * r.mean) as weighted,
        sum(r.n_valid * power(10::float8, least(r.mean, 1000) / 10))
            filter (where r.factor = any(%(energy)s)) as energy,
        sum(r.n_valid) filter (where r.mean is not null) as meant, min(r.low) as low, max(r.high) as high,
        sum(r.n_valid) as hours
    from telemetry_rollup r where r.span = %(day)s and r.device = any(%(devices)s) and r.factor = any(%(factors)s)
        and r.at >= %(begin_{place})s and r.at < %(end_{place})s and (r.n_valid > 0 or r.total is not null)
    group by 1, 3"""
# Days weigh as many as they have valid hours, so that the mean is that of the hours. They are read once: the whole of
# the period is put together out of its parts.
_MEANS = """
select factor, place, bucket, case
        when factor = any(%(counters)s) then sum(total)
        when factor = any(%(energy)s) then 10 * log(sum(energy) / nullif(sum(meant), 0))
        else sum(weighted) / nullif(sum(meant), 0)
    end, min(low), max(high), sum(hours)::int
from ({days}) s
group by grouping sets ((factor, place), (factor, place, bucket)) having grouping(bucket) = 1 or bucket is not null
order by factor"""
_BUCKET = "date_trunc(%(step)s, r.at at time zone 'Asia/Shanghai')::date"
