"""All points on one large map, coloured by how near a factor is to the limit that holds for each, with what alarms."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from command_center.desk import figures, points, regions
from command_center.desk.doors import signed_in, visitor
from layers.environment.reports import CLASS
from layers.environment.rules import CO, NO2, O3, PM10, PM25, SO2, TSP
from services.access.errors import Invalid
from services.access.principal import Principal
from services.alarms import listing
from services.catalog.layer import Layer
from services.limits.holding import holding
from services.telemetry import current
from services.telemetry.models import Factor

FACTORS = (PM10, PM25, TSP, "LA", SO2, NO2, O3, CO)
CLASSES = (
    ("low", gettext_lazy("远低于限值"), "#2b8a3e"),
    ("fair", gettext_lazy("低于限值"), "#66a80f"),
    ("near", gettext_lazy("接近限值"), "#f2b705"),
    ("over", gettext_lazy("超过限值"), "#f76707"),
    ("far", gettext_lazy("远超限值"), "#e03131"),
    ("free", gettext_lazy("没有适用的限值"), "#1c7ed6"),
    ("none", gettext_lazy("没有当前数据"), "#8a94a3"),
)
"""The classes in their order, with their colours on the map; a value that reaches its limit is still near it."""
SHARES, LEVELS = (0.5, 0.8, 1.0, 1.5), (-10.0, -3.0, 0.0, 5.0)
"""Where the classes end: shares of the limit, of sound levels dB above it. Beyond the last lies orange alarm."""


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The map of a ``factor`` and ``region``; ``wall`` shows nothing but the map."""
    principal = visitor(request)
    layer, known, code, region = _asked(principal, request)
    wall = "1" if request.GET.get("wall") == "1" else ""
    kept = {"region": region, "wall": wall}
    context = {
        "of": layer,
        "factors": [(label, code == each, _query(kept | {"factor": each})) for each, label in known.items()],
        "classes": CLASSES,
        "told": told(principal, layer, code, region),
        "drill": regions.drill(principal, region),
        "region": region,
        "factor": code,
        "region_name": "region",
        "drill_rest": f"&{urlencode({'factor': code} | ({'wall': wall} if wall else {}))}",
        "bounds": figures.extent(principal, layer, region),
        "data": "/desk/pollution/points.json?" + _query({"factor": code, "region": region}),
        "wall": wall,
        "now": timezone.now(),
    }
    return render(request, "desk/pollution.html", context)


@signed_in
def data(request: HttpRequest) -> HttpResponse:
    """The points of the map alone, for a page that missed something."""
    principal = visitor(request)
    layer, _known, code, region = _asked(principal, request)
    return JsonResponse(told(principal, layer, code, region))


def told(principal: Principal, layer: Layer, code: str, region: str) -> dict[str, Any]:
    """What the map draws: the factor, where its classes end, and each point with value, time, limit and alarm."""
    now, factor = timezone.now(), Factor.objects.get(code=code)
    field = current.readable(principal, layer, [code])[code]
    found = [place for place in current.places(principal, layer, [code], region, now) if place.row.geom is not None]
    limits = holding(layer, code, {place.row.pk: place.row.region_id or "" for place in found}, now, CLASS)
    alarms = listing.levels(principal, [place.row.pk for place in found])
    level = factor.averaging == Factor.Averaging.ENERGY
    spots = []
    for place in found:
        each, limit = place.values[code], limits.get(place.row.pk)
        spots.append({
            "id": str(place.row.pk), "name": place.row.name, "place": list(place.row.geom.coords),
            "region": place.row.region.name if place.row.region else "", "value": each.value,
            "at": each.at.timestamp() if each.at else None, "fresh": each.fresh, "alarm": alarms.get(place.row.pk, ""),
            "limit": limit.value if limit else None, "citation": limit.citation if limit else "",
            "since": str(limit.valid_from) if limit else "",
        })  # fmt: skip
    return {
        "layer": layer.key, "factor": code, "column": field.name, "label": field.label, "unit": field.unit,
        "digits": factor.digits, "kind": "level" if level else "share", "steps": LEVELS if level else SHARES,
        "points": spots,
    }  # fmt: skip


def _asked(principal: Principal, request: HttpRequest) -> tuple[Layer, dict[str, str], str, str]:
    layer = points.measuring(principal, PM10)
    readable = current.readable(principal, layer, FACTORS)
    known = {code: readable[code].label for code in FACTORS if code in readable}
    code = request.GET.get("factor", next(iter(known), ""))
    if code not in known:
        raise Invalid(_("没有因子%s。") % code, {"factor": [", ".join(known)]})
    return layer, known, code, request.GET.get("region", "")


def _query(pairs: dict[str, str]) -> str:
    return urlencode({name: value for name, value in pairs.items() if value})
