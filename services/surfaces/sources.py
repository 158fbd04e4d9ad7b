"""What may weigh on a risk surface: sources that engines and domains register, each a function of a window."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.gis.geos import Point
from django.db import connection
from django.utils.translation import gettext_lazy as _

from gis.models import Region
from services.access.principal import SYSTEM
from services.alarms.models import URGENCY, Episode
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.limits.rows import Limit, limit_at
from services.limits.tables import limits
from services.search import filters
from services.telemetry.models import Factor
from services.telemetry.spans import Span


class Window(NamedTuple):
    """The time (end excluded) and the region asked about, and the options of the row."""

    region: Region
    begin: datetime
    end: datetime
    options: Mapping[str, Any]


class Event(NamedTuple):
    """Something that adds to the risk at a feature's place; ``magnitude`` 1 is one plain event."""

    feature: UUID
    at: datetime | None
    """None for a state that lasts: it does not fade."""
    magnitude: float


@dataclass(frozen=True)
class RiskSource:
    """A registered source: its events in a window, and the factors whose hours change them."""

    key: str
    label: Any
    events: Callable[[Window], Iterable[Event]]
    factors: Callable[[Mapping[str, Any]], set[int]] = lambda options: set()


registered: dict[str, RiskSource] = {}


def register(source: RiskSource) -> RiskSource:
    """Offer a source to risk surfaces; call it while apps start."""
    registered[source.key] = source
    return source


def places(features: Iterable[UUID]) -> dict[UUID, Point]:
    """Where features are: a point on each."""
    rows = FeatureIndex.objects.filter(pk__in=set(features), geom__isnull=False).only("id", "geom")
    return {row.pk: row.geom.point_on_surface for row in rows if row.geom is not None}


def _exceedances(window: Window) -> Iterable[Event]:
    """Valid hours of ``factor`` over the limit of ``standard`` (``minutes``, ``grade``, ``stage``) in force then.

    Without a standard the fixed value ``above`` is the limit. The magnitude is the value in limits, 5 at most; what has
    no upper limit exceeds none.
    """
    options = window.options
    code, standard = str(options["factor"]), str(options.get("standard", ""))
    if standard:
        rows = [row for row in limits(standard) if row.factor == code and row.value and not row.over_background]
    else:
        rows = [Limit("", "", code, 0, float(options["above"]), date.min, "")]
    minutes = options.get("minutes")
    rows = [row for row in rows if minutes is None or row.minutes == minutes]
    if not rows:
        return []
    found = []
    with connection.cursor() as cursor:
        cursor.execute(
            _ABOVE,
            {
                "factor": code, "span": int(Span.HOUR), "begin": window.begin, "end": window.end,
                "above": min(row.value or 0.0 for row in rows), "prefix": f"{window.region.prefix}%",
            },
        )  # fmt: skip
        for feature, at, mean, region in cursor.fetchall():
            limit = limit_at(
                rows, code, at, grade=str(options.get("grade", "")), stage=str(options.get("stage", "")), region=region
            )
            if limit is not None and limit.value and mean > limit.value:
                found.append(Event(feature, at, min(mean / limit.value, 5.0)))
    return found


def _layer(window: Window) -> Iterable[Event]:
    """The features of ``layer`` that pass ``filter``; with ``magnitude`` the value of that field, else 1 each."""
    layer = registry.get(str(window.options.get("layer")))
    if layer is None:
        return []
    asked = filters.parse(SYSTEM, layer, window.options.get("filter", {}))
    names = ["pk"] + [name for name in (window.options.get("magnitude"), window.options.get("time")) if name]
    rows = filters.narrow(SYSTEM, layer, asked)
    if layer.scope.region:
        rows = rows.filter(**{f"{layer.scope.region}__code__startswith": window.region.prefix})
    found = []
    for row in rows.values(*names):
        at = row.get(str(window.options.get("time")))
        if at is None or window.begin <= at < window.end:
            found.append(Event(row["pk"], at, float(row.get(str(window.options.get("magnitude"))) or 1.0)))
    return found


def _alarms(window: Window) -> Iterable[Event]:
    """Alarms whose last exceedance lies in the window, false ones left out; the magnitude is by level, red the most."""
    rows = Episode.objects.filter(
        last_at__gte=window.begin, last_at__lt=window.end, withdrawn=False,
        feature__region_code__startswith=window.region.prefix,
    ).exclude(state=Episode.State.FALSE)  # fmt: skip
    if level := window.options.get("level"):
        rows = rows.filter(level=level)
    found = rows.order_by("last_at", "pk").values_list("feature_id", "last_at", "level")
    return [Event(feature, at, float(len(URGENCY) - URGENCY[level])) for feature, at, level in found]


def _factor(options: Mapping[str, Any]) -> set[int]:
    return set(Factor.objects.filter(code=str(options.get("factor"))).values_list("pk", flat=True))


register(RiskSource("exceedances", _("小时值超限"), _exceedances, _factor))
register(RiskSource("layer", _("图层要素"), _layer))
register(RiskSource("alarms", _("告警"), _alarms))

_ABOVE = """
select d.feature, r.at, r.mean, i.region_code from telemetry_rollup r
join telemetry_factor f on f.id = r.factor and f.code = %(factor)s
join telemetry_device d on d.id = r.device and d.state = 'active'
join catalog_featureindex i on i.id = d.feature and i.region_code like %(prefix)s
where r.span = %(span)s and r.at >= %(begin)s and r.at < %(end)s and r.valid and r.mean > %(above)s
order by r.at, d.feature, d.id"""
