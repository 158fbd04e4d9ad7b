"""Several points beside each other: one factor of up to eight features over a time, in steps that they share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from math import atan2, cos, degrees, hypot, log10, radians, sin
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.telemetry.devices import visible
from services.telemetry.history import MOST_POINTS, STEPS, Point, choose
from services.telemetry.models import Device, Factor, Latest
from services.telemetry.spans import ZONE, Span

MOST = 8
"""Features beside each other; more lines are not told apart."""
POINTS = 800
"""Of one series, beyond which a longer step is chosen."""
LONGER = (Span.HOUR, Span.DAY, Span.MONTH)


class Step(NamedTuple):
    """What one point stands for: a span, and its minutes where it is MINUTE."""

    span: Span
    minutes: int = 0

    @property
    def key(self) -> str:
        """As it stands in an address."""
        return str(self.minutes) if self.span == Span.MINUTE else self.span.name.lower()

    def length(self, device: Device) -> timedelta:
        """Of one step; of readings the device's interval, of months thirty days."""
        if self.span == Span.REAL:
            seconds = {Span.REAL: device.interval, Span.MINUTE: 60 * device.minute_span}.get(Span(device.base), 3600)
            return timedelta(seconds=seconds)
        if self.span == Span.MINUTE:
            return timedelta(minutes=self.minutes)
        return {Span.HOUR: timedelta(hours=1), Span.DAY: timedelta(days=1)}.get(self.span, timedelta(days=30))


STEPS_OFFERED = {step.key: step for step in (
    Step(Span.REAL), *(Step(Span.MINUTE, minutes) for minutes in STEPS), *(Step(span) for span in LONGER)
)}  # fmt: skip


class Series(NamedTuple):
    """One feature's points, and over the valid ones their mean in the factor's own way and their extremes."""

    feature: UUID
    device: Device | None
    """None where no device of the feature measures the factor."""
    points: list[Point]
    mean: float | None
    least: Point | None
    greatest: Point | None
    valid: int
    expected: int
    """Steps of the time that is over."""


@dataclass(frozen=True)
class Comparison:
    """The series in the order of the features asked for."""

    factor: Factor
    step: Step
    series: list[Series]


def compare(
    principal: Principal, features: Sequence[UUID], code: str, begin: datetime, end: datetime, step: Step | None = None
) -> Comparison:
    """One factor of several features from ``begin`` to before ``end``, in three queries however many they are.

    Without ``step`` the finest that keeps every series within POINTS. Raises Invalid for too many features or points,
    NotFound for a factor that there is not. Features that the principal does not see have no device here.
    """
    if len(features) > MOST:
        raise Invalid(_("最多同时对比%d个监测点。") % MOST, {"feature": [str(MOST)]})
    factor = Factor.objects.filter(code=code).first()
    if factor is None:
        raise NotFound(_("没有因子%s。") % code)
    devices = _devices(principal, features, factor)
    chosen = step or _coarsest(list(devices.values()), begin, end)
    points = _read(list(devices.values()), factor, chosen, begin, end)
    over = min(end, timezone.now())
    return Comparison(
        factor, chosen, [_series(pk, devices.get(pk), factor, chosen, points, begin, over) for pk in features]
    )


def mean_of(values: Sequence[float], factor: Factor) -> float | None:
    """The mean of values in the factor's own way; None of nothing, and of directions that cancel out."""
    if not values or factor.averaging == Factor.Averaging.TOTAL:
        return None
    if factor.averaging == Factor.Averaging.ENERGY:
        return 10 * log10(sum(10 ** (min(value, 1000) / 10) for value in values) / len(values))
    if factor.averaging == Factor.Averaging.DIRECTION:
        x, y = (sum(turn(radians(value)) for value in values) / len(values) for turn in (sin, cos))
        return degrees(atan2(x, y)) % 360 if hypot(x, y) > 1e-9 else None
    return sum(values) / len(values)


def _devices(principal: Principal, features: Sequence[UUID], factor: Factor) -> dict[UUID, Device]:
    """Of each feature the device that measured the factor last."""
    newest = Latest.objects.filter(device=OuterRef("pk"), factor=factor).values("at")
    measuring = visible(principal).filter(feature__in=features).annotate(newest=Subquery(newest))
    rows = measuring.filter(newest__isnull=False).order_by("newest")
    return {device.feature: device for device in rows if device.feature is not None}


def _coarsest(devices: list[Device], begin: datetime, end: datetime) -> Step:
    steps = [(Step(*choose(device, begin, end, POINTS)), device) for device in devices]
    longest = max(steps, key=lambda pair: pair[0].length(pair[1]), default=(Step(Span.HOUR), None))[0]
    return longest if longest.span != Span.MINUTE or longest.minutes in STEPS else Step(Span.HOUR)


def _read(devices: list[Device], factor: Factor, step: Step, begin: datetime, end: datetime) -> dict[int, list[Point]]:
    if not devices:
        return {}
    keys: dict[str, Any] = {
        "devices": [device.pk for device in devices], "factor": factor.pk, "begin": begin, "end": end,
        "most": MOST_POINTS + 1, "span": int(step.span), "step": timedelta(minutes=step.minutes or 1),
    }  # fmt: skip
    query = {Span.REAL: _READINGS, Span.MINUTE: _MINUTES.get(factor.averaging, _MINUTES["mean"])}.get(
        step.span, _ROLLUPS
    )
    with connection.cursor() as cursor:
        cursor.execute(query, keys)
        rows = cursor.fetchall()
    if len(rows) > MOST_POINTS:
        raise Invalid(_("时间范围过长，请缩短时间范围或选择更长的时段。"))
    return {device: [Point._make(row[1:]) for row in found] for device, found in groupby(rows, lambda row: row[0])}


def _series(
    feature: UUID, device: Device | None, factor: Factor, step: Step, points: dict[int, list[Point]],
    begin: datetime, over: datetime,
) -> Series:  # fmt: skip
    mine = points.get(device.pk, []) if device else []
    good = [point for point in mine if point.valid and point.value is not None]
    values = [(point.value or 0.0, point) for point in good]
    return Series(
        feature, device, mine, mean_of([value for value, _point in values], factor),
        min(values, key=lambda pair: pair[0], default=(0, None))[1],
        max(values, key=lambda pair: pair[0], default=(0, None))[1],
        len(good), _steps(step, device, begin, over) if device else 0,
    )  # fmt: skip


def _steps(step: Step, device: Device, begin: datetime, over: datetime) -> int:
    """How many steps begin in a time."""
    if over <= begin:
        return 0
    if step.span == Span.MONTH:
        first, last = begin.astimezone(ZONE), (over - timedelta(microseconds=1)).astimezone(ZONE)
        months = 12 * (last.year - first.year) + last.month - first.month
        return months + (first.day == 1 and first.hour == first.minute == 0)
    return max(1, (over - begin) // step.length(device))


def rows(found: Comparison) -> Iterator[tuple[datetime, list[Point | None]]]:
    """The points of all series side by side by time, for files."""
    by_time: dict[datetime, list[Point | None]] = {}
    for place, series in enumerate(found.series):
        for point in series.points:
            by_time.setdefault(point.at, [None] * len(found.series))[place] = point
    yield from sorted(by_time.items(), key=lambda row: row[0])


_KEY = "r.device = any(%(devices)s) and r.factor = %(factor)s and r.at >= %(begin)s and r.at < %(end)s"
_READINGS = f"""
select r.device, r.at, r.value, r.low, r.high, r.total, (r.quality = 0)::int, 1, r.quality = 0
from telemetry_reading r join telemetry_device d on d.id = r.device and d.base = r.span
where {_KEY} order by r.device, r.at limit %(most)s"""  # noqa: S608
_ROLLUPS = f"""
select r.device, r.at, r.mean, r.low, r.high, r.total, r.n_valid, r.n_expected, r.valid from telemetry_rollup r
where {_KEY} and r.span = %(span)s order by r.device, r.at limit %(most)s"""  # noqa: S608


def _minutes(mean: str) -> str:
    # What a device sends more rarely than the step has one value a step.
    expected = """greatest(1, (extract(epoch from %(step)s::interval)
        / case d.base when 0 then d.interval when 1 then 60 * d.minute_span else 3600 end)::int)"""
    return f"""
select r.device, date_bin(%(step)s, r.at, timestamptz '2000-01-01 00:00+00') as step, ({mean})::float8,
    min(coalesce(r.low, r.value)), max(coalesce(r.high, r.value)), sum(r.total), count(r.value)::int, {expected},
    4 * count(r.value) >= 3 * {expected}
from telemetry_reading r join telemetry_device d on d.id = r.device and d.base = r.span
where {_KEY} and r.quality = 0 group by r.device, step, d.base, d.interval, d.minute_span
order by r.device, step limit %(most)s"""  # noqa: S608


_MINUTES: dict[str, str] = {
    "mean": _minutes("avg(r.value)"),
    Factor.Averaging.ENERGY: _minutes(
        "10 * log(avg(power(10::float8, least(r.value, 1000) / 10)) filter (where r.value is not null))"
    ),
    Factor.Averaging.DIRECTION: _minutes("((atan2d(avg(sind(r.value)), avg(cosd(r.value))) + 360)::numeric %% 360)"),
}
