"""Dust of a site or of all monitors over a time: curves, statistics from the same readings, and their file."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from command_center.desk import measured_files, points
from command_center.desk.compare import chart, step_label
from command_center.desk.doors import signed_in, visitor
from command_center.desk.times import Period, period
from layers.environment.reports import CLASS, PARTICLES, site_names, statistics_notes
from layers.environment.rules import DUST_SCORE, PM10
from services.access import gate
from services.access.errors import Invalid, Refused
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import Layer, registry
from services.limits.statistics import Statistics, statistics
from services.telemetry import current
from services.telemetry.comparison import MOST, compare


class Asked(NamedTuple):
    """What the address asks for; without a site it is about all monitors."""

    layer: Layer
    site: Any
    known: dict[str, str]
    code: str
    time: Period
    lines: list[Statistics]


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """``site`` (a project; all monitors without), ``factor``, a time."""
    principal = visitor(request)
    asked = _asked(principal, request)
    shown = [line.feature for line in asked.lines[:MOST]] if asked.site else []
    context: dict[str, Any] = {
        "of": asked.layer,
        "site": asked.site,
        "factors": [(code, label, code == asked.code) for code, label in asked.known.items()],
        "factor": asked.code,
        "label": asked.known[asked.code],
        "time": asked.time,
        "ranges": asked.time.ranges("24h", "7d", "30d", "1y"),
        "lines": _ordered(principal, asked),
        "enough": DUST_SCORE.enough,
        "notes": statistics_notes(),
        "may_export": gate.may(principal, asked.layer, "export"),
        "now": timezone.now(),
        "more": len(asked.lines) - len(shown) if asked.site else 0,
    }
    if shown:
        found = compare(principal, [each.pk for each in shown], asked.code, asked.time.begin, asked.time.end, None)
        context |= {
            "chart": json.dumps(chart(found, shown), ensure_ascii=False),
            "drawn": any(series.points for series in found.series),
            "step": step_label(found.step),
        }
    return render(request, "desk/dust.html", context)


@signed_in
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The statistics as Excel or CSV, of the monitors that one may take along."""
    principal = visitor(request)
    asked = _asked(principal, request)
    if not gate.may(principal, asked.layer, "export"):
        raise Refused(_("需要对所选监测点的导出权限。"))
    allowed = set(gate.restrict(principal, asked.layer, "export").values_list("pk", flat=True))
    form, names = request.GET.get("format", "xlsx"), site_names(principal)
    headings = [
        _("工地"), _("监测点"), _("监测因子"), _("有效数据"), _("应有数据"), _("有效小时"), _("应有小时"), _("最小"),
        _("最大"), _("平均"), _("95百分位"), _("昼间均值"), _("夜间均值"), _("超标小时"), _("限值"), _("依据"),
    ]  # fmt: skip

    def rows() -> Iterator[list[Any]]:
        for line in asked.lines:
            if line.feature.pk in allowed:
                yield [
                    names.get(line.feature.pk, ""), line.feature.title, asked.known[asked.code], line.readings,
                    line.expected, line.hours, line.hours_all, line.least, line.greatest, line.mean, line.percentile,
                    line.by_day, line.by_night, line.over, line.limit, line.citation,
                ]  # fmt: skip

    response = measured_files.file(form, _("扬尘监测统计"), headings, rows(), _("扬尘监测统计"), asked.time)
    trail.note(
        principal.id, principal.name, "export", layer=asked.layer.key, address=principal.address,
        changes={"format": form, "page": "dust", "factor": asked.code},
    )  # fmt: skip
    return response


def _asked(principal: Principal, request: HttpRequest) -> Asked:
    layer = points.measuring(principal, PM10)
    known = {code: field.label for code, field in current.readable(principal, layer, PARTICLES).items()}
    code = request.GET.get("factor") or next(iter(known), "")
    if code not in known:
        raise Invalid(_("没有因子%s。") % code, {"factor": [", ".join(known)]})
    time, site = period(request.GET, "7d"), None
    features = None
    if request.GET.get("site"):
        site = gate.fetch(principal, registry.by_key["projects"], request.GET["site"])
        features = list(gate.restrict(principal, layer).filter(project=site.pk).values_list("pk", flat=True))
    lines = statistics(principal, layer, code, time.begin, time.end, CLASS, features)
    return Asked(layer, site, known, code, time, lines)


def _ordered(principal: Principal, asked: Asked) -> list[tuple[str, Statistics]]:
    """The lines with the names of their sites, site by site, those of none last."""
    names = site_names(principal)
    found = [(names.get(line.feature.pk, ""), line) for line in asked.lines]
    return sorted(found, key=lambda pair: (not pair[0], pair[0], pair[1].feature.title))
