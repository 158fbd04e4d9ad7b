"""Devices as people manage them: found and paged, with what arrived of each, the feature and the units to propose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access import gate
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.catalog.models import FeatureIndex
from services.search.text import holding
from services.telemetry.devices import device_layers, pending, rates, visible
from services.telemetry.models import Device, Factor
from services.telemetry.spans import Quality

SIZE = 50
CANDIDATES = 12
PRESENCE = ("online", "offline", "never")
"""What a list may be narrowed to besides state and protocol."""


class Line(NamedTuple):
    """A device of a list with its feature, and its share of time online in the last day and week (None: unknown)."""

    device: Device
    feature: FeatureIndex | None
    day: float | None
    week: float | None


@dataclass(frozen=True)
class Listing:
    """One page of devices; ``counts`` are of all that the principal may see, whatever the filter."""

    lines: list[Line]
    total: int
    page: int
    pages: int
    counts: dict[str, int]
    now: datetime


class Measured(NamedTuple):
    """The newest reading of a factor, and how many readings of the last day have each quality."""

    factor: Factor
    at: datetime
    received_at: datetime
    value: float | None
    flag: str
    quality: Quality
    day: dict[Quality, int]


def reachable(principal: Principal) -> QuerySet[Device]:
    """The devices that a principal may open: of features they see, and those that wait for their approval."""
    return Device.objects.all() if principal.is_admin else visible(principal) | pending(principal)


def fetch(principal: Principal, pk: int) -> Device:
    """One of them; NotFound where it is not there or not to be seen."""
    device = reachable(principal).select_related("presence", "approved_by").filter(pk=pk).first()
    if device is None:
        raise NotFound(_("没有这个设备。"))
    return device


def listing(principal: Principal, query: Mapping[str, str]) -> Listing:
    """One page of devices in six queries; ``query`` may hold state, protocol, presence, q and page."""
    now, rows = timezone.now(), reachable(principal)
    narrowed = _narrow(rows, query)
    total = narrowed.count()
    pages = max(1, -(-total // SIZE))
    asked = query.get("page", "1")
    page = min(max(1, int(asked)), pages) if asked.isdecimal() and len(asked) < 9 else 1
    first = Case(When(state=Device.State.PENDING, then=Value(0)), default=Value(1), output_field=IntegerField())
    ordered = narrowed.select_related("presence").order_by(first, "number", "pk")
    devices = list(ordered[(page - 1) * SIZE : page * SIZE])
    features = features_of(principal, devices)
    heard = [d.pk for d in devices if d.state == Device.State.ACTIVE and _seen(d) is not None]
    day, week = (rates(heard, now - timedelta(days=days), now) if heard else {} for days in (1, 7))
    lines = [Line(d, features.get(d.feature), day.get(d.pk), week.get(d.pk)) for d in devices]
    return Listing(lines, total, page, pages, _counts(rows), now)


def features_of(principal: Principal, devices: Iterable[Device]) -> dict[UUID | None, FeatureIndex]:
    """The features of devices that the principal may see, by key, in one query."""
    keys = {device.feature for device in devices if device.feature is not None}
    rows = gate.restrict_index(principal).filter(pk__in=keys).defer("geom") if keys else ()
    return {row.pk: row for row in rows}


def suggestion(principal: Principal, device: Device) -> FeatureIndex | None:
    """The feature whose code is the device's number, where the principal may bind a device to it."""
    # A station of another system has that system's number before its own.
    feed = device.protocol == Device.Protocol.FEED
    return _bindable(principal).filter(code=device.number.partition(":")[2] if feed else device.number).first()


def candidates(principal: Principal, text: str) -> list[FeatureIndex]:
    """Features of measured layers that hold the words and may have a device from this principal."""
    rows = _bindable(principal)
    return list((rows.filter(holding(text)) if text.split() else rows).order_by("title", "pk")[:CANDIDATES])


def measured(device: Device) -> list[Measured]:
    """What a device measures: newest readings by factor code, with the qualities of the last day, in three queries."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select factor, at, received_at, value, flag, quality from telemetry_latest where device = %s", [device.pk]
        )
        rows = cursor.fetchall()
        keys: dict[str, Any] = {
            "device": device.pk,
            "factors": [row[0] for row in rows],
            "since": timezone.now() - timedelta(days=1),
        }
        cursor.execute(_QUALITIES, keys)
        days: dict[int, dict[Quality, int]] = {}
        for factor, quality, number in cursor.fetchall():
            days.setdefault(factor, {})[Quality(quality)] = number
    factors = Factor.objects.in_bulk([row[0] for row in rows])
    found = [
        Measured(factors[number], at, received, value, flag.strip(), Quality(quality), days.get(number, {}))
        for number, at, received, value, flag, quality in rows
        if number in factors
    ]
    return sorted(found, key=lambda each: each.factor.code)


def medians(device: Device) -> dict[str, tuple[float, int]]:
    """Of each factor whose unit nobody confirmed: the median as sent on its first day, and of how many values."""
    with connection.cursor() as cursor:
        cursor.execute(_MEDIANS, {"device": device.pk, "unit": int(Quality.UNIT)})
        return {code: (median, number) for code, median, number in cursor.fetchall()}


def _narrow(rows: QuerySet[Device], query: Mapping[str, str]) -> QuerySet[Device]:
    allowed = {"state": Device.State.values, "protocol": Device.Protocol.values, "presence": PRESENCE}
    for name, choices in allowed.items():
        if (asked := query.get(name, "")) and asked not in choices:
            raise Invalid(_("没有这个筛选条件。"), {name: [", ".join(choices)]})
    if state := query.get("state"):
        rows = rows.filter(state=state)
    if protocol := query.get("protocol"):
        rows = rows.filter(protocol=protocol)
    if presence := query.get("presence"):
        rows = rows.filter(state=Device.State.ACTIVE).filter(_PRESENT[presence])
    if text := query.get("q", "").strip()[:100]:
        named = FeatureIndex.objects.filter(holding(text), layer__in=[layer.key for layer in device_layers()])
        rows = rows.filter(Q(number__icontains=text) | Q(name__icontains=text) | Q(feature__in=named.values("pk")))
    return rows


def _counts(rows: QuerySet[Device]) -> dict[str, int]:
    active = Q(state=Device.State.ACTIVE)
    return rows.aggregate(
        total=Count("pk"),
        pending=Count("pk", filter=Q(state=Device.State.PENDING)),
        blocked=Count("pk", filter=Q(state=Device.State.BLOCKED)),
        **{name: Count("pk", filter=active & condition) for name, condition in _PRESENT.items()},
    )


def _seen(device: Device) -> datetime | None:
    presence = getattr(device, "presence", None)
    return presence.seen_at if presence else None


def _bindable(principal: Principal) -> QuerySet[FeatureIndex]:
    return gate.restrict_index(principal, device_layers(), "change").defer("geom")


_PRESENT = {
    "online": Q(presence__online=True),
    "offline": Q(presence__online=False, presence__seen_at__isnull=False),
    "never": Q(presence__seen_at__isnull=True),
}
_QUALITIES = """
select factor, quality, count(*) from telemetry_reading
where device = %(device)s and factor = any(%(factors)s) and at >= %(since)s group by factor, quality order by quality"""
_MEDIANS = """
select f.code, percentile_cont(0.5) within group (order by r.value), count(*)
from telemetry_latest l join telemetry_factor f on f.id = l.factor
cross join lateral (
    select min(at) as at from telemetry_reading b
    where b.device = l.device and b.factor = l.factor and b.quality = %(unit)s and b.value is not null
) b
join telemetry_reading r on r.device = l.device and r.factor = l.factor and r.quality = %(unit)s
    and r.at >= b.at and r.at < b.at + interval '1 day'
where l.device = %(device)s and l.quality = %(unit)s and r.value is not null group by f.code"""
