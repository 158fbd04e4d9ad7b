"""What was measured over a time: readings, minutes, hours, days or months, as much detail as a curve can show."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.telemetry.devices import visible
from services.telemetry.models import Device, Factor
from services.telemetry.spans import Span

POINTS = 1_500
"""Points of one curve, beyond which a longer span is chosen."""
MOST_POINTS = 100_000
"""Of one answer; ``stream`` has no such limit."""
PAGE = 5_000
STEPS = (1, 5, 10, 15, 30)
"""Minutes over which readings are averaged while somebody looks; longer spans are stored."""
_LENGTHS = {Span.HOUR: timedelta(hours=1), Span.DAY: timedelta(days=1), Span.MONTH: timedelta(days=30)}


class Point(NamedTuple):
    """A value at its moment or at the start of its span; of a reading ``n_valid`` and ``n_expected`` are 0 or 1, 1."""

    at: datetime
    value: float | None
    low: float | None
    high: float | None
    total: float | None
    n_valid: int
    n_expected: int
    valid: bool


class Curve(NamedTuple):
    """The points of one device and factor in the order of time."""

    device: int
    factor: Factor
    span: Span
    minutes: int
    """Length of the steps where the span is MINUTE, else 0."""
    points: list[Point]


def history(
    principal: Principal,
    feature: UUID,
    codes: Sequence[str],
    begin: datetime,
    end: datetime,
    *,
    span: Span | None = None,
    points: int = POINTS,
) -> list[Curve]:
    """The curves of a feature's devices from ``begin`` to before ``end``; empty ones are left out.

    Without ``span`` the finest that stays within ``points`` a curve. Spans DAYTIME, NIGHT and LDN hold the parts of a
    noise day at its midnight. Raises NotFound where the principal does not see the feature or it has no device,
    Invalid where an answer would be too long.
    """
    curves = []
    for device in _devices(principal, feature):
        chosen, minutes = (span, 1) if span is not None else choose(device, begin, end, points)
        for factor in Factor.objects.filter(code__in=codes).order_by("code"):
            found = list(_read(device, factor, chosen, minutes, begin, end, MOST_POINTS + 1))
            if len(found) > MOST_POINTS:
                raise Invalid(_("时间范围过长，请缩短时间范围或选择更长的时段。"))
            if found:
                curves.append(Curve(device.pk, factor, chosen, minutes if chosen == Span.MINUTE else 0, found))
    return curves


def stream(
    principal: Principal, feature: UUID, codes: Sequence[str], begin: datetime, end: datetime, span: Span
) -> Iterator[tuple[Device, Factor, Point]]:
    """Every point of a span, device by device and factor by factor, in pages by key: for exports of any length."""
    for device in _devices(principal, feature):
        for factor in Factor.objects.filter(code__in=codes).order_by("code"):
            after = begin
            while True:
                page = list(_read(device, factor, span, 1, after, end, PAGE))
                yield from ((device, factor, point) for point in page)
                if len(page) < PAGE:
                    break
                after = page[-1].at + timedelta(microseconds=1)


def choose(device: Device, begin: datetime, end: datetime, points: int = POINTS) -> tuple[Span, int]:
    """The finest span, and for MINUTE the minutes of a step, that shows a time within so many points."""
    length = end - begin
    interval = {Span.REAL: device.interval, Span.MINUTE: 60 * device.minute_span}.get(Span(device.base), 3600)
    if device.base == Span.REAL:
        if length / timedelta(seconds=interval) <= points:
            return Span.REAL, 0
        for minutes in STEPS:
            if 60 * minutes > interval and length / timedelta(minutes=minutes) <= points:
                return Span.MINUTE, minutes
    elif device.base == Span.MINUTE and length / timedelta(seconds=interval) <= points:
        return Span.MINUTE, device.minute_span
    return next((span for span, each in _LENGTHS.items() if length / each <= points), Span.MONTH), 0


def _devices(principal: Principal, feature: UUID) -> list[Device]:
    found = list(visible(principal).filter(feature=feature).order_by("pk"))
    if not found:
        raise NotFound(_("该要素没有监测设备。"))
    return found


def _read(
    device: Device, factor: Factor, span: Span, minutes: int, begin: datetime, end: datetime, most: int
) -> Iterator[Point]:
    keys: dict[str, Any] = {"device": device.pk, "factor": factor.pk, "begin": begin, "end": end, "most": most}
    with connection.cursor() as cursor:
        if span == Span.REAL or (span == Span.MINUTE and device.base == Span.MINUTE):
            cursor.execute(_READINGS, keys | {"span": int(span)})
        elif span == Span.MINUTE:
            keys |= {"step": timedelta(minutes=minutes), "expected": max(1, 60 * minutes // device.interval)}
            cursor.execute(_MINUTES.format(mean=_MEANS.get(factor.averaging, "avg(value)")), keys)
        else:
            cursor.execute(_ROLLUPS, keys | {"span": int(span)})
        yield from map(Point._make, cursor.fetchall())


_KEY = "device = %(device)s and factor = %(factor)s and at >= %(begin)s and at < %(end)s"
_READINGS = f"""
select at, value, low, high, total, (quality = 0)::int, 1, quality = 0 from telemetry_reading
where {_KEY} and span = %(span)s order by at limit %(most)s"""  # noqa: S608
_ROLLUPS = f"""
select at, mean, low, high, total, n_valid, n_expected, valid from telemetry_rollup
where {_KEY} and span = %(span)s order by at limit %(most)s"""  # noqa: S608
_MEANS: dict[str, str] = {
    Factor.Averaging.ENERGY: (
        "10 * log(avg(power(10::float8, least(value, 1000) / 10)) filter (where value is not null))"
    ),
    Factor.Averaging.DIRECTION: "((atan2d(avg(sind(value)), avg(cosd(value))) + 360)::numeric %% 360)",
}
# Minutes are computed when somebody looks: stored, they would be as many rows as the readings they come from.
_MINUTES = (
    """
select date_bin(%(step)s, at, timestamptz '2000-01-01 00:00+00') as minute, ({mean})::float8, min(value), max(value),
    sum(total), count(value)::int, %(expected)s, 4 * count(value) >= 3 * %(expected)s
from telemetry_reading where """
    + _KEY
    + """ and span = 0 and quality = 0 group by minute order by minute limit %(most)s"""
)
