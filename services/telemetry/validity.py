"""How complete and how good data are: the valid share of devices by day, and of one device what is missing and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access.errors import NotFound
from services.access.principal import Principal
from services.catalog.models import FeatureIndex
from services.search.text import holding
from services.telemetry.devices import measured_layers, visible
from services.telemetry.inventory import features_of
from services.telemetry.models import Device
from services.telemetry.spans import ZONE, Quality, Span

SIZE = 40
LONGEST = 31
"""Days of one page."""


class Share(NamedTuple):
    """Valid hours of all factors of a device on a day, and how many hours have passed times factors."""

    valid: int
    expected: int
    revised: bool

    @property
    def share(self) -> float:
        return min(1.0, self.valid / self.expected) if self.expected else 0.0


class Line(NamedTuple):
    """A device with its share of every day, None before it was approved, and of the whole time."""

    device: Device
    feature: FeatureIndex | None
    days: list[Share | None]
    whole: Share


@dataclass(frozen=True)
class Matrix:
    """One page of active devices by day; the worst stand wherever their number puts them."""

    days: list[date]
    lines: list[Line]
    total: int
    page: int
    pages: int


class Day(NamedTuple):
    """Readings of one device on one day; ``marked`` by quality, all of which do not count."""

    day: date
    expected: int
    good: int
    marked: dict[Quality, int]
    missing: int
    late: int
    revisions: int

    @property
    def share(self) -> float:
        return min(1.0, self.good / self.expected) if self.expected else 0.0


def matrix(principal: Principal, first: date, last: date, text: str = "", page: int = 1) -> Matrix:
    """The valid share of devices within reach by day of China, ``last`` included, in five queries."""
    days = [first + timedelta(days=n) for n in range(min(LONGEST, (last - first).days + 1))]
    rows = visible(principal).filter(state=Device.State.ACTIVE, feature__isnull=False)
    if text.strip():
        named = FeatureIndex.objects.filter(holding(text), layer__in=[layer.key for layer in measured_layers()])
        rows = rows.filter(number__icontains=text) | rows.filter(feature__in=named.values("pk"))
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    page = min(max(1, page), pages)
    devices = list(rows.order_by("number", "pk")[(page - 1) * SIZE : page * SIZE])
    features = features_of(principal, devices)
    begin, end = moment(days[0]), moment(days[-1] + timedelta(days=1))
    with connection.cursor() as cursor:
        keys: dict[str, Any] = {
            "devices": [device.pk for device in devices],
            "begin": begin,
            "end": end,
            "hour": int(Span.HOUR),
        }
        cursor.execute(_SENT, keys)
        sent: dict[int, int] = dict(cursor.fetchall())
        cursor.execute(_HOURS, keys)
        hours = {(device, day): (valid, revised) for device, day, valid, revised in cursor.fetchall()}
    now = timezone.now()
    lines = []
    for device in devices:
        shares = [_share(device, day, sent.get(device.pk, 0), hours.get((device.pk, day)), now) for day in days]
        known = [share for share in shares if share is not None]
        whole = Share(
            sum(share.valid for share in known), sum(share.expected for share in known),
            any(share.revised for share in known),
        )  # fmt: skip
        lines.append(Line(device, features.get(device.feature), shares, whole))
    return Matrix(days, lines, total, page, pages)


def days_of(principal: Principal, pk: int, first: date, last: date) -> tuple[Device, FeatureIndex | None, list[Day]]:
    """What arrived of one device by day, the newest first; NotFound where it is not to be seen."""
    device = visible(principal).filter(pk=pk).first()
    if device is None:
        raise NotFound(_("没有这个设备。"))
    days = [first + timedelta(days=n) for n in range(min(LONGEST, (last - first).days + 1))]
    keys: dict[str, Any] = {
        "device": device.pk, "span": int(device.base), "begin": moment(days[0]),
        "end": moment(days[-1] + timedelta(days=1)),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_READINGS, keys)
        found: dict[date, dict[Quality, int]] = {}
        late: dict[date, int] = {}
        for day, quality, number, behind in cursor.fetchall():
            found.setdefault(day, {})[Quality(quality)] = number
            late[day] = late.get(day, 0) + behind
        cursor.execute(_FACTORS, keys)
        (factors,) = cursor.fetchone()  # type: ignore[misc]
        cursor.execute(_REVISIONS, keys)
        revisions: dict[date, int] = dict(cursor.fetchall())
    now, every = timezone.now(), interval(device)
    lines = []
    for day in reversed(days):
        begin = max(moment(day), device.approved_at or moment(day))
        passed = min(moment(day + timedelta(days=1)), now) - begin
        marks = dict(found.get(day, {}))
        good = marks.pop(Quality.GOOD, 0)
        expected = max(0, factors * (passed // every)) if passed > timedelta(0) else 0
        missing = max(0, expected - good - sum(marks.values()))
        lines.append(Day(day, expected, good, marks, missing, late.get(day, 0), revisions.get(day, 0)))
    return device, features_of(principal, [device]).get(device.feature), lines


def interval(device: Device) -> timedelta:
    """How often a device should send what its hours are computed from."""
    return timedelta(seconds={Span.REAL: device.interval, Span.MINUTE: 60 * device.minute_span}.get(
        Span(device.base), 3600))  # fmt: skip


def moment(day: date) -> datetime:
    """When a day begins in China."""
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def reasons(lines: Iterable[Day]) -> list[Quality]:
    """The marks that occur on any of the days, in the order of their numbers."""
    return sorted({quality for line in lines for quality in line.marked})


def _share(device: Device, day: date, factors: int, found: tuple[int, bool] | None, now: datetime) -> Share | None:
    begin = max(moment(day), device.approved_at or moment(day))
    passed = min(moment(day + timedelta(days=1)), now) - begin
    if passed <= timedelta(0):
        return None
    valid, revised = found or (0, False)
    return Share(valid, max(1, factors) * int(passed // timedelta(hours=1)), revised)


_SENT = """
select device, count(distinct factor) from telemetry_rollup
where device = any(%(devices)s) and span = %(hour)s and at >= %(begin)s and at < %(end)s group by device"""
_HOURS = """
select device, (at at time zone 'Asia/Shanghai')::date, count(*) filter (where valid), bool_or(revised)
from telemetry_rollup
where device = any(%(devices)s) and span = %(hour)s and at >= %(begin)s and at < %(end)s group by 1, 2"""
_READINGS = """
select (at at time zone 'Asia/Shanghai')::date, quality, count(*), count(*) filter (where late)
from telemetry_reading where device = %(device)s and span = %(span)s and at >= %(begin)s and at < %(end)s
    and factor = any(array(select l.factor from telemetry_latest l join telemetry_factor f on f.id = l.factor
        and f.averaging <> 'state' where l.device = %(device)s))
group by 1, 2 order by 1, 2"""
_FACTORS = """
select count(*) from telemetry_latest l join telemetry_factor f on f.id = l.factor and f.averaging <> 'state'
where device = %(device)s and exists (
    select from telemetry_reading r where r.device = l.device and r.factor = l.factor and r.span = %(span)s
        and r.at >= %(begin)s and r.at < %(end)s
)"""
_REVISIONS = """
select (at at time zone 'Asia/Shanghai')::date, count(*) from telemetry_revision
where device = %(device)s and at >= %(begin)s and at < %(end)s group by 1"""
