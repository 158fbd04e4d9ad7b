"""Statistics of a factor at the features of a layer over a time, and how many of its hours were over the limit."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.catalog.models import FeatureIndex
from services.limits.holding import Holding
from services.limits.rows import DAY_FROM, NIGHT_FROM, ZONE
from services.telemetry.models import Factor
from services.telemetry.spans import Span

SHARE = 0.95
"""The percentile that is given beside the extremes."""


class Statistics(NamedTuple):
    """What a feature measured of a factor; values are None where no hour of the time is valid.

    Counts of readings are of all hours. Extremes are those of readings, means weigh every reading alike, the percentile
    is that of the means of hours: all of valid hours only, as everywhere else.
    """

    feature: FeatureIndex
    readings: int
    expected: int
    hours: int
    hours_all: int
    """Whole hours of the time so far."""
    least: float | None
    greatest: float | None
    mean: float | None
    percentile: float | None
    by_day: float | None
    """The mean from 06:00 to 22:00."""
    by_night: float | None
    over: int
    """Valid hours whose mean was over the limit in force; one that is just reached is kept."""
    limit: float | None
    """The limit in force at the end of the time."""
    citation: str

    @property
    def share(self) -> float | None:
        """The share of hours that are valid."""
        return min(1.0, self.hours / self.hours_all) if self.hours_all else None


def statistics(
    principal: Principal, layer: Layer, code: str, begin: datetime, end: datetime, grade: str = "",
    features: Collection[UUID] | None = None,
) -> list[Statistics]:  # fmt: skip
    """One line for each feature with a device that a principal sees, by title, in seven queries whatever their number.

    Hours are those that begin from ``begin`` to before ``end``. Of several devices at one feature the one with the most
    valid hours counts. The factor must be one whose mean is the plain one: sound levels are added up otherwise.
    """
    factor = Factor.objects.get(code=code)
    rows = gate.restrict_index(principal, [layer]).defer("geom", "text", "grams")
    if features is not None:
        rows = rows.filter(pk__in=features)
    known = {row.pk: row for row in rows}
    limits = Holding(layer, code, {pk: row.region_code or "" for pk, row in known.items()}, grade)
    keys: dict[str, Any] = {
        "features": list(known), "factor": factor.pk, "begin": begin, "end": end, "hour": int(Span.HOUR),
        "from": DAY_FROM, "until": NIGHT_FROM, "share": SHARE, "least": limits.least,
    }  # fmt: skip
    over: dict[UUID, int] = defaultdict(int)
    with connection.cursor() as cursor:
        cursor.execute(_STATISTICS, keys)
        found = cursor.fetchall()
        if limits.least is not None:
            cursor.execute(_OVER, keys | {"devices": [device for device, *_rest in found]})
            for feature, at, mean in cursor.fetchall():
                limit = limits.at(feature, at)
                over[feature] += limit is not None and limit.value is not None and mean > limit.value
    until = min(end, timezone.now())
    hours = max(0, int((until - begin) / timedelta(hours=1)))
    lines = []
    for _device, feature, readings, expected, valid, least, greatest, mean, percentile, by_day, by_night in found:
        limit = limits.at(feature, until - timedelta(seconds=1))
        lines.append(Statistics(
            known[feature], readings, expected, valid, hours, least, greatest, mean, percentile, by_day, by_night,
            over[feature], limit.value if limit else None, limit.citation if limit else "",
        ))  # fmt: skip
    return sorted(lines, key=lambda line: (line.feature.title, line.feature.pk))


_TIME = """r.factor = %(factor)s and r.span = %(hour)s and r.at >= %(begin)s and r.at < %(end)s"""
_STATISTICS = f"""
select distinct on (feature) device, feature, readings, expected, valid, least, greatest, mean, percentile, by_day,
    by_night
from (
    select d.id as device, d.feature, sum(r.n_valid)::int as readings, sum(r.n_expected)::int as expected,
        count(*) filter (where r.valid)::int as valid, min(r.low) filter (where r.valid) as least,
        max(r.high) filter (where r.valid) as greatest,
        sum(r.mean * r.n_valid) filter (where r.valid) / nullif(sum(r.n_valid) filter (where r.valid), 0) as mean,
        percentile_cont(%(share)s) within group (order by r.mean) filter (where r.valid) as percentile,
        sum(r.mean * r.n_valid) filter (where r.valid and l.day)
            / nullif(sum(r.n_valid) filter (where r.valid and l.day), 0) as by_day,
        sum(r.mean * r.n_valid) filter (where r.valid and not l.day)
            / nullif(sum(r.n_valid) filter (where r.valid and not l.day), 0) as by_night
    from telemetry_device d join telemetry_rollup r on r.device = d.id
    cross join lateral (
        select extract(hour from r.at at time zone '{ZONE.key}') >= %(from)s
            and extract(hour from r.at at time zone '{ZONE.key}') < %(until)s as day
    ) l
    where d.feature = any(%(features)s) and d.state = 'active' and {_TIME}
    group by d.id, d.feature
) s order by feature, valid desc, readings desc, device"""  # noqa: S608
_OVER = f"""
select d.feature, r.at, r.mean from telemetry_device d join telemetry_rollup r on r.device = d.id
where d.id = any(%(devices)s) and r.valid and r.mean > %(least)s and {_TIME}"""  # noqa: S608
