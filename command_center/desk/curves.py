"""The curves of a feature: what its devices measured over a time, one chart a unit."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from command_center.desk.doors import signed_in, visitor
from command_center.desk.times import RANGES
from services.access import gate
from services.access.errors import Invalid, NotFound
from services.catalog.layer import Layer
from services.telemetry.features import columns
from services.telemetry.history import Curve, Point, history
from services.telemetry.reports import readable
from services.telemetry.spans import Span

AT_FIRST = 4
"""Factors shown before somebody chooses: the first of the layer."""
BEIJING = timedelta(hours=8)
"""The charts show China's time whatever the browser's clock says."""


@signed_in
def page(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """The fragment with the charts: ``factor`` may come several times, ``range`` is one of RANGES."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key)
    gate.fetch(principal, layer, pk)
    known = _factors(principal, layer)
    asked = request.GET.getlist("factor") or list(known)[:AT_FIRST]
    chosen = request.GET.get("range", "24h")
    if chosen not in RANGES:
        raise Invalid(_("没有这个时间范围。"), {"range": [", ".join(RANGES)]})
    if unknown := [code for code in asked if code not in known]:
        raise Invalid(_("没有因子%s。") % ", ".join(unknown), {"factor": [", ".join(known)]})
    end = timezone.now()
    try:
        curves = history(principal, pk, asked, end - RANGES[chosen][1], end)
    except NotFound:
        curves = None
    context = {
        "reports": [r for r in readable(principal) if r.of_feature and r.layer == layer.key],
        "layer": layer, "pk": pk, "has_device": curves is not None,
        "factors": [(code, label, code in asked) for code, label in known.items()],
        "ranges": [(name, label, name == chosen) for name, (label, _length) in RANGES.items()], "range": chosen,
        "charts": [json.dumps(chart, ensure_ascii=False) for chart in charts(curves or [], known)],
         "rows": [_summary(curve, known) for curve in curves or []],
    }  # fmt: skip
    return render(request, "desk/curves.html", context)


def charts(curves: Sequence[Curve], labels: dict[str, str]) -> list[dict[str, Any]]:
    """One chart a unit: its series with points [milliseconds in China's time, value], gaps as nulls."""
    units: dict[str, list[Curve]] = {}
    for curve in curves:
        units.setdefault(curve.factor.unit, []).append(curve)
    return [
        {
            "unit": unit,
            "series": [
                {"name": labels.get(c.factor.code, c.factor.code), "points": points(c), "digits": c.factor.digits}
                for c in some
            ],
        }
        for unit, some in units.items()
    ]


def _factors(principal: Any, layer: Layer) -> dict[str, str]:
    """Factor code → label of the layer's measured columns that the principal may read."""
    readable = {f.name: f.label for f in gate.fields(principal, layer)}
    return {code: readable[field.name] for code, field in columns(layer).items() if field.name in readable}


def points(curve: Curve) -> list[tuple[int, float | None]]:
    """The points of a line: a pause longer than three usual ones breaks it, what was not measured is not drawn."""
    times = [point.at for point in curve.points]
    pauses = sorted(after - before for before, after in pairwise(times))
    usual = pauses[len(pauses) // 2] if pauses else timedelta(0)
    found: list[tuple[int, float | None]] = []
    last: datetime | None = None
    for point in curve.points:
        if last is not None and point.at - last > 3 * usual:
            found.append((milliseconds(last + usual), None))
        found.append((milliseconds(point.at), _shown(point)))
        last = point.at
    return found


def _shown(point: Point) -> float | None:
    return point.value if point.valid else None


def milliseconds(at: datetime) -> int:
    """A moment as the charts take it."""
    return round((at + BEIJING).timestamp() * 1000)


def _summary(curve: Curve, labels: dict[str, str]) -> dict[str, Any]:
    """The least, mean and greatest valid value of a curve, and how much of it is valid."""
    valid = [point.value for point in curve.points if point.valid and point.value is not None]
    digits = curve.factor.digits
    expected = sum(point.n_expected for point in curve.points)

    def written(value: float | None) -> str:
        return "—" if value is None else f"{value:.{digits}f}"

    return {
        "label": labels.get(curve.factor.code, curve.factor.code),
        "unit": curve.factor.unit,
        "span": Span(curve.span).label,
        "minutes": curve.minutes,
        "least": written(min(valid, default=None)),
        "middle": written(sorted(valid)[len(valid) // 2] if valid else None),
        "greatest": written(max(valid, default=None)),
        "valid": sum(point.n_valid for point in curve.points) / expected if expected else 0.0,
    }
