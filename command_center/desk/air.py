"""The regions side by side by air quality: coloured on a map and ranked in a table, each number with its list."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from command_center.desk.doors import region_filter, signed_in, visitor
from gis.models import Region
from layers.environment.rules import BANDS, CO, DAY, HOUR, NO2, O3, PM10, PM25, SO2, Band, air_quality
from services.access.errors import Invalid
from services.limits import tables
from services.limits.rows import Scale
from services.surfaces import timeline
from services.telemetry import snapshot
from services.telemetry.devices import measured_layers
from services.telemetry.features import columns
from services.telemetry.models import Factor
from services.telemetry.snapshot import Station
from services.telemetry.spans import ZONE, Span

FACTORS = (PM10, PM25, SO2, NO2, O3, CO)
STANDARD = "HJ 633"
OVER = 100
"""The index above which air is polluted: a station above it counts as exceeding."""
OVER_STEPS = ((0.0, "#00e400"), (0.1, "#ffff00"), (0.3, "#ff7e00"), (0.6, "#ff0000"), (1.0, "#7e0023"))
"""Share of exceeding stations → colour; the last holds for all of them."""
NO_VALUE = "#9aa5b5"


@dataclass
class Row:
    """A region with its index, or without where no station was valid."""

    region: Region
    stations: int = 0
    valid: int = 0
    over: int = 0
    means: dict[str, float] = field(default_factory=dict)
    aqi: int | None = None
    band: Band | None = None
    primary: str = ""
    rank: int | None = None
    color: str = NO_VALUE
    link: str = ""

    @property
    def share(self) -> float | None:
        """The share of valid stations that exceed."""
        return self.over / self.valid if self.valid else None

    def text(self, by: str) -> str:
        """What is written on the region: its index, or its share of exceeding stations."""
        if by == "over":
            return "—" if self.share is None else f"{self.share:.0%}"
        return "—" if self.aqi is None else str(self.aqi)


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The comparison of an hour (``at``) or of a day (``day``), coloured by index or by exceedance (``by``)."""
    principal = visitor(request)
    span, at = _time(request)
    by = request.GET.get("by", "aqi")
    if by not in ("aqi", "over"):
        raise Invalid(_("没有这种着色方式。"), {"by": ["aqi, over"]})
    regions = [r for r in timeline.choices(principal) if r.level == Region.Level.COUNTY]
    rows = compare(regions, at, span)
    for row in rows:
        row.color = _color(row, by)
    step = timedelta(days=1) if span == Span.DAY else timedelta(hours=1)
    over_yet = at + 2 * step > timezone.now()
    ways = (("aqi", _("空气质量指数")), ("over", _("超标站点比例")))
    spans = ((_("小时"), Span.HOUR, _last_hour()), (_("日"), Span.DAY, _yesterday()))
    context = {
        "rows": rows, "by": by, "at": at, "daily": span == Span.DAY, "bands": [(band, _(band.name)) for band in BANDS],
        "over_steps": OVER_STEPS, "bounds": _extent(regions), "no_value": NO_VALUE, "colors": _colors(rows, by),
        "before": _address(at - step, span, by), "after": "" if over_yet else _address(at + step, span, by),
        "ways": [(name, label, _address(at, span, name)) for name, label in ways],
        "spans": [(label, span == each, _address(moment, each, by)) for label, each, moment in spans],
    }  # fmt: skip
    return render(request, "desk/air.html", context)


def _colors(rows: list[Row], by: str) -> dict[str, Any]:
    """What the map shows of each region, by code."""
    places = dict(Region.objects.filter(pk__in=[row.region.pk for row in rows]).values_list("code", "place"))
    return {
        row.region.code: {
            "name": row.region.name, "color": row.color, "text": row.text(by),
            "place": list(place.coords) if (place := places.get(row.region.code)) else None,
        }
        for row in rows
    }  # fmt: skip


def compare(regions: list[Region], at: datetime, span: Span) -> list[Row]:
    """The regions by the index of the mean of their valid stations, the cleanest first, those without one last."""
    scales = tables.scales(STANDARD)
    minutes = DAY if span == Span.DAY else HOUR
    factors = list(Factor.objects.filter(code__in=FACTORS))
    found = {factor.code: snapshot.stations(factor.pk, at, "", span=span) for factor in factors}
    names = {factor.code: str(factor) for factor in factors}
    rows = [_row(region, found, scales, minutes, at, names) for region in regions]
    rows.sort(key=lambda row: (row.aqi is None, row.aqi or 0, row.region.code))
    for rank, row in enumerate((row for row in rows if row.aqi is not None), 1):
        row.rank = rank
    return rows


def _row(
    region: Region, found: dict[str, list[Station]], scales: list[Scale], minutes: int, at: datetime,
    names: dict[str, str],
) -> Row:  # fmt: skip
    row = Row(region, link=_list_of(region))
    own: dict[Any, dict[str, float]] = {}
    seen = set()
    for code, stations in found.items():
        here = [s for s in stations if s.region.startswith(region.prefix)]
        seen |= {s.feature for s in here}
        values = [s.value for s in here if s.valid and s.value is not None]
        if values:
            row.means[code] = sum(values) / len(values)
        for s in here:
            if s.valid and s.value is not None:
                own.setdefault(s.feature, {})[code] = s.value
    row.stations, row.valid = len(seen), len(own)
    quality = air_quality(scales, {(code, minutes): value for code, value in row.means.items()}, at)
    if quality is not None:
        row.aqi, row.band = quality.aqi, quality.band
        row.primary = _("、").join(names[code] for code in quality.primary)
    for values_of in own.values():
        one = air_quality(scales, {(code, minutes): value for code, value in values_of.items()}, at)
        row.over += one is not None and one.aqi > OVER
    return row


def _color(row: Row, by: str) -> str:
    if by == "over":
        if row.share is None:
            return NO_VALUE
        return next((c for most, c in OVER_STEPS if row.share <= most), OVER_STEPS[-1][1])
    return row.band.color if row.band else NO_VALUE


def _list_of(region: Region) -> str:
    """The list of the stations of a region, of the first layer that measures dust."""
    layer = next((layer for layer in measured_layers() if PM10 in columns(layer)), None)
    if layer is None:
        return ""
    name = region_filter(layer)
    return f"/desk/{layer.key}" + (f"?{urlencode({name: region.code})}" if name else "")


def _extent(regions: list[Region]) -> tuple[float, float, float, float] | None:
    boxes = [r.geom.extent for r in Region.objects.filter(pk__in=[r.pk for r in regions]).only("geom") if r.geom]
    if not boxes:
        return None
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


def _time(request: HttpRequest) -> tuple[Span, datetime]:
    day, at = request.GET.get("day"), request.GET.get("at")
    try:
        if day:
            found = parse_date(day)
            if found is None:
                raise ValueError(day)
            return Span.DAY, datetime(found.year, found.month, found.day, tzinfo=ZONE)
        if at:
            moment = parse_datetime(at)
            if moment is None:
                raise ValueError(at)
            aware = moment if moment.tzinfo else moment.replace(tzinfo=ZONE)
            return Span.HOUR, aware.replace(minute=0, second=0, microsecond=0)
    except ValueError:
        raise Invalid(_("时间无效。"), {"at": ["2026-11-27T08:00"], "day": ["2026-11-27"]}) from None
    return Span.HOUR, _last_hour()


def _last_hour() -> datetime:
    """The last hour whose roll-ups are written."""
    return (timezone.now() - timedelta(hours=1, minutes=2)).replace(minute=0, second=0, microsecond=0)


def _yesterday() -> datetime:
    day = timezone.localdate(timezone=ZONE) - timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def _address(at: datetime, span: Span, by: str) -> str:
    local = at.astimezone(ZONE)
    when = {"day": f"{local:%Y-%m-%d}"} if span == Span.DAY else {"at": f"{local:%Y-%m-%dT%H:00}"}
    return "?" + urlencode(when | ({"by": by} if by != "aqi" else {}))
