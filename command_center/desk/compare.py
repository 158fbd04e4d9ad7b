"""Several points beside each other on the desk: lines or bars of one factor, their figures, and both as a file."""

import json
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from command_center.desk import curves, measured_files, points
from command_center.desk.doors import asked as asked_for
from command_center.desk.doors import fragment, signed_in, visitor
from command_center.desk.times import Period, period
from services.access import gate
from services.access.errors import Invalid, Refused
from services.access.principal import Principal
from services.audit import trail
from services.catalog.models import FeatureIndex
from services.export.columns import in_unit
from services.panels.listing import listing
from services.telemetry.comparison import MOST, STEPS_OFFERED, Comparison, Series, Step, compare, rows
from services.telemetry.history import Curve
from services.telemetry.spans import Span

KINDS = ("line", "bar")


class Asked(NamedTuple):
    """What the address asks for."""

    features: list[FeatureIndex]
    known: dict[str, str]
    code: str
    step: Step | None
    time: Period
    kind: str


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """``feature`` up to eight times, ``factor``, ``step``, ``kind`` and a time; ``layer`` takes the first of a list."""
    principal = visitor(request)
    if request.GET.get("layer"):
        return _from_list(request, principal)
    asked = _asked(principal, request)
    context: dict[str, Any] = {
        "features": [(feature, _without(request.GET, feature)) for feature in asked.features],
        "full": len(asked.features) >= MOST,
        "most": MOST,
        "factors": [(code, label, code == asked.code) for code, label in asked.known.items()],
        "steps": [("", _("自动"), asked.step is None)]
        + [(key, step_label(step), step == asked.step) for key, step in STEPS_OFFERED.items()],
        "kind": asked.kind,
        "time": asked.time,
        "ranges": asked.time.ranges(),
        "now": timezone.now(),
        "may_export": points.may_export(principal, asked.features),
    }
    if asked.features and asked.code:
        found = _compared(principal, asked)
        context |= {
            "found": found,
            "factor_label": asked.known[asked.code],
            "step_label": step_label(found.step),
            "chart": json.dumps(chart(found, asked.features, asked.kind), ensure_ascii=False),
            "lines": [
                _line(feature, series, found) for feature, series in zip(asked.features, found.series, strict=True)
            ],
            "measured": any(series.points for series in found.series),
        }
    name = "desk/comparison.html" if fragment(request, "comparison") else "desk/compare.html"
    return render(request, name, context)


@signed_in
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The points side by side by time, as Excel or CSV."""
    principal = visitor(request)
    asked = _asked(principal, request)
    if not asked.features:
        raise Invalid(_("请选择监测点。"), {"feature": [_("必填")]})
    if not points.may_export(principal, asked.features):
        raise Refused(_("需要对所选监测点的导出权限。"))
    found = _compared(principal, asked)
    headings = [_("时间")]
    for feature in asked.features:
        headings += [
            in_unit(f"{feature.title} {asked.known[asked.code]}", found.factor.unit),
            f"{feature.title} {_('有效')}",
        ]
    words = {True: _("是"), False: _("否")}
    lines = (
        [at, *(value for p in found_points for value in ((p.value, words[p.valid]) if p else (None, None)))]
        for at, found_points in rows(found)
    )
    form = request.GET.get("format", "xlsx")
    response = measured_files.file(form, asked.known[asked.code], headings, lines, asked.known[asked.code], asked.time)
    trail.note(
        principal.id, principal.name, "export", layer=asked.features[0].layer, address=principal.address,
        changes={"format": form, "factor": asked.code, "features": [str(feature.pk) for feature in asked.features]},
    )  # fmt: skip
    return response


def step_label(step: Step) -> str:
    """A step as people say it."""
    if step.span == Span.MINUTE:
        return _("%d分钟") % step.minutes
    return str(step.span.label)


def _from_list(request: HttpRequest, principal: Principal) -> HttpResponse:
    """The address that compares the first features of a filtered list."""
    query = asked_for(request)
    layer = gate.layer_for(principal, query.pop("layer")[0])
    query["size"] = "20"
    found = listing(principal, layer, query).rows[:MOST]
    address = QueryDict(mutable=True)
    address.setlist("feature", [str(row.id) for row in found])
    return HttpResponseRedirect(f"/desk/compare?{address.urlencode()}")


def _asked(principal: Principal, request: HttpRequest) -> Asked:
    query = request.GET
    features = points.resolve(principal, [key for key in query.getlist("feature") if key])
    if len(features) > MOST:
        raise Invalid(_("最多同时对比%d个监测点。") % MOST, {"feature": [str(MOST)]})
    known = points.factors(principal, points.layers_of(features))
    wanted = query.get("factor", "")
    # Features of another layer may not measure what was chosen before they came in.
    code = wanted if wanted in known else next(iter(known), "")
    if wanted and features and wanted not in known:
        points.chosen(known, [wanted], 1)
    step = query.get("step", "")
    if step and step not in STEPS_OFFERED:
        raise Invalid(_("没有这个时段。"), {"step": [", ".join(STEPS_OFFERED)]})
    kind = query.get("kind", "line")
    if kind not in KINDS:
        raise Invalid(_("没有这种图形。"), {"kind": [", ".join(KINDS)]})
    return Asked(features, known, code, STEPS_OFFERED.get(step), period(query, "24h"), kind)


def _compared(principal: Principal, asked: Asked) -> Comparison:
    keys = [feature.pk for feature in asked.features]
    return compare(principal, keys, asked.code, asked.time.begin, asked.time.end, asked.step)


def chart(found: Comparison, features: list[FeatureIndex], kind: str = "line") -> dict[str, Any]:
    """What the page draws a comparison from."""
    return {
        "unit": found.factor.unit,
        "kind": kind,
        "series": [
            {"name": feature.title, "digits": found.factor.digits, "points": _points(series, found)}
            for feature, series in zip(features, found.series, strict=True)
        ],
    }


def _points(series: Series, found: Comparison) -> list[tuple[int, float | None]]:
    if series.device is None:
        return []
    return curves.points(Curve(series.device.pk, found.factor, found.step.span, found.step.minutes, series.points))


def _line(feature: FeatureIndex, series: Series, found: Comparison) -> dict[str, Any]:
    digits = found.factor.digits

    def written(value: float | None) -> str:
        return "—" if value is None else f"{value:.{digits}f}"

    return {
        "feature": feature,
        "has_device": series.device is not None,
        "mean": written(series.mean),
        "least": written(series.least.value if series.least else None),
        "least_at": series.least.at if series.least else None,
        "greatest": written(series.greatest.value if series.greatest else None),
        "greatest_at": series.greatest.at if series.greatest else None,
        "valid": series.valid,
        "expected": series.expected,
        "share": min(1.0, series.valid / series.expected) if series.expected else None,
    }


def _without(query: QueryDict, feature: FeatureIndex) -> str:
    """The address of the page without one of its features."""
    rest = query.copy()
    rest.setlist("feature", [key for key in query.getlist("feature") if key != str(feature.pk)])
    return rest.urlencode()
