"""History of one point as tables, its wind rose, and both as files."""

import json
from itertools import pairwise
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from command_center.desk import measured_files, points
from command_center.desk.doors import fragment, signed_in, visitor
from command_center.desk.times import Period, period
from services.access import gate
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.audit import trail
from services.catalog.models import FeatureIndex
from services.export.columns import in_unit
from services.telemetry import roses, tables
from services.telemetry.devices import visible
from services.telemetry.models import Factor
from services.telemetry.spans import ZONE, Span

AT_FIRST = 4
SPANS = {
    "hour": (gettext_lazy("小时均值"), Span.HOUR, "7d"), "day": (gettext_lazy("日均值"), Span.DAY, "30d"),
    "month": (gettext_lazy("月均值"), Span.MONTH, "1y"), "daytime": (gettext_lazy("昼间均值"), Span.DAYTIME, "30d"),
    "night": (gettext_lazy("夜间均值"), Span.NIGHT, "30d"),
}  # fmt: skip
"""What a table may show, with the time that it shows at first."""
COMPASS = (
    gettext_lazy("北"), gettext_lazy("北东北"), gettext_lazy("东北"), gettext_lazy("东东北"), gettext_lazy("东"),
    gettext_lazy("东东南"), gettext_lazy("东南"), gettext_lazy("南东南"), gettext_lazy("南"), gettext_lazy("南西南"),
    gettext_lazy("西南"), gettext_lazy("西西南"), gettext_lazy("西"), gettext_lazy("西西北"), gettext_lazy("西北"),
    gettext_lazy("北西北"),
)  # fmt: skip


class Asked(NamedTuple):
    """What the address of a page asks for."""

    feature: FeatureIndex
    known: dict[str, str]
    codes: list[str]
    span: str
    time: Period


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """A table of one point: ``feature``, ``factor`` (several), ``span`` of SPANS, a time, ``page``."""
    principal = visitor(request)
    context: dict[str, Any] = {"spans": SPANS, "now": timezone.now(), "features": []}
    if not request.GET.get("feature"):
        return render(request, "desk/readings.html", context)
    asked = _asked(principal, request)
    number = request.GET.get("page", "1")
    context |= _said(asked, "feature", "factor", "span") | {
        "features": [asked.feature],
        "may_export": points.may_export(principal, [asked.feature]),
        "devices": visible(principal).filter(feature=asked.feature.pk).order_by("pk"),
    }
    try:
        found = tables.table(
            principal, asked.feature.pk, asked.codes, SPANS[asked.span][1], asked.time.begin, asked.time.end,
            int(number) if number.isdecimal() and len(number) < 9 else 1,
        )  # fmt: skip
    except NotFound:
        return render(request, "desk/readings.html", context | {"no_device": True})
    context |= {
        "table": found,
        "headings": [_heading(column, asked.known) for column in found.columns],
        "rows": [(_when(at, asked.span), _cells(found, cells)) for at, cells in found.rows],
        "summary": _summary(found),
        "around": {"previous": found.page - 1, "next": found.page + 1},
    }
    return render(request, "desk/readings.html", context)


@signed_in
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The whole table, or with ``what=raw`` every stored reading, as Excel or CSV."""
    principal = visitor(request)
    asked = _asked(principal, request)
    layer = points.layers_of([asked.feature])[0]
    gate.fetch(principal, layer, asked.feature.pk, "export")
    form, raw = request.GET.get("format", "xlsx"), request.GET.get("what") == "raw"
    given = (principal, asked.feature.pk, asked.codes)
    if raw:
        count, found = tables.readings(*given, asked.time.begin, asked.time.end)
        named = ((device, factor, asked.known[factor.code], reading) for device, factor, reading in found)
        headings, rows = measured_files.readings(form, count, named)
    else:
        columns, lines = tables.lines(*given, SPANS[asked.span][1], asked.time.begin, asked.time.end)
        headings = [_("时间"), *(text for column in columns for text in _file_headings(column, asked.known))]
        rows = (
            [_when(at, asked.span), *(value for cell in cells for value in _file_cells(cell))] for at, cells in lines
        )
    title = asked.feature.title
    response = measured_files.file(form, title, headings, rows, title, asked.time)
    trail.note(
        principal.id, principal.name, "export", layer=layer.key, object_id=str(asked.feature.pk),
        address=principal.address,
        changes={"format": form, "what": "raw" if raw else asked.span, "factors": asked.codes},
    )  # fmt: skip
    return response


@signed_in
def rose(request: HttpRequest) -> HttpResponse:
    """The wind rose of one point, and by direction the mean of ``factor`` where one is chosen; also as a tab."""
    principal = visitor(request)
    context: dict[str, Any] = {"now": timezone.now(), "features": [], "bounds": roses.BOUNDS}
    template = "desk/rose_tab.html" if fragment(request, "tab-body") else "desk/rose.html"
    if not request.GET.get("feature"):
        return render(request, "desk/rose.html", context)
    (feature,) = points.resolve(principal, [request.GET["feature"]])
    known = points.factors(principal, points.layers_of([feature]))
    code = request.GET.get("factor", "")
    if code:
        points.chosen(known, [code], 0)
    time = period(request.GET, "7d")
    asked = Asked(feature, known, [code] if code else [], "", time)
    context |= _said(asked, "feature", "factor") | {"features": [feature], "factor": code}
    try:
        found = roses.rose(principal, feature.pk, time.begin, time.end, code)
    except NotFound:
        return render(request, template, context | {"no_device": True})
    if found is None or not found.total:
        return render(request, template, context | {"no_wind": found is None})
    classes = _classes()
    context |= {
        "rose": found,
        "span_label": found.span.label,
        "wind": json.dumps({
            "sectors": [str(name) for name in COMPASS], "unit": "%", "calm": 100 * found.calm / found.total,
            "calm_label": _("静风"),
            "series": [
                {"name": name, "values": [100 * row[place] / found.total for row in found.counts]}
                for place, name in enumerate(classes)
            ],
        }, ensure_ascii=False),
        "pollution": json.dumps({
            "sectors": [str(name) for name in COMPASS], "unit": found.factor.unit, "digits": found.factor.digits,
            "series": [{"name": known[code], "values": list(found.means)}],
        }, ensure_ascii=False) if found.factor else "",
        "classes": classes,
        "rows": [
            (name, [100 * n / found.total for n in row], 100 * sum(row) / found.total,
             _written(found.means[place], found.factor.digits) if found.factor else "")
            for place, (name, row) in enumerate(zip(COMPASS, found.counts, strict=True))
        ],
        "calm_share": 100 * found.calm / found.total,
        "calm_mean": _written(found.calm_mean, found.factor.digits) if found.factor else "",
        "factor_label": f"{known[code]} {found.factor.unit}" if found.factor else "",
    }  # fmt: skip
    return render(request, template, context)


def _asked(principal: Principal, request: HttpRequest) -> Asked:
    (feature,) = points.resolve(principal, [request.GET.get("feature", "")])
    known = points.factors(principal, points.layers_of([feature]))
    codes = points.chosen(known, request.GET.getlist("factor"), AT_FIRST)
    span = request.GET.get("span", "hour")
    if span not in SPANS:
        raise Invalid(_("没有这个时段。"), {"span": [", ".join(SPANS)]})
    return Asked(feature, known, codes, span, period(request.GET, SPANS[span][2]))


def _said(asked: Asked, *names: str) -> dict[str, Any]:
    """What the form of the page shows again."""
    return {
        "feature": asked.feature,
        "of": points.layers_of([asked.feature])[0],
        "factors": [(code, label, code in asked.codes) for code, label in asked.known.items()],
        "span": asked.span,
        "time": asked.time,
        "ranges": asked.time.ranges("24h", "7d", "30d", "1y"),
    }


def _heading(column: tables.Column, known: dict[str, str]) -> dict[str, str]:
    factor = column.factor
    part = str(column.span.label) if column.span in tables.NOISE_DAY else ""
    return {
        "label": known[factor.code], "unit": factor.unit, "part": part, "total_unit": column.total_unit,
        "device": column.device.number if column.several else "",
    }  # fmt: skip


def _cells(found: tables.Table, cells: list[tables.Cell | None]) -> list[dict[str, Any]]:
    written = []
    for column, cell in zip(found.columns, cells, strict=True):
        counter = column.factor.averaging == Factor.Averaging.TOTAL
        written.append({
            "cell": cell,
            "text": _written((cell.total if counter else cell.mean) if cell else None, column.factor.digits),
        })  # fmt: skip
    return written


def _summary(found: tables.Table) -> list[tuple[str, list[str]]]:
    """The lines below a table; totals only where something is counted."""
    digits = [column.factor.digits for column in found.columns]

    def line(name: str) -> list[str]:
        pairs = zip(found.summary, digits, strict=True)
        return [_written(getattr(each, name) if each else None, places) for each, places in pairs]

    lines = [
        (_("平均"), line("mean")), (_("时段最大"), line("greatest")), (_("时段最小"), line("least")),
        (_("瞬时最大"), line("high")), (_("瞬时最小"), line("low")),
    ]  # fmt: skip
    totals = line("total")
    if any(text != "—" for text in totals):
        lines.append((_("累计"), totals))
    shares = [f"{each.valid} / {each.spans}" if each else "—" for each in found.summary]
    return [*lines, (_("有效时段"), shares)]


def _file_headings(column: tables.Column, known: dict[str, str]) -> list[str]:
    said = _heading(column, known)
    name = " ".join(filter(None, (said["label"], said["part"], said["device"])))
    return [
        in_unit(name, said["unit"]), f"{name} {_('最小值')}", f"{name} {_('最大值')}",
        in_unit(f"{name} {_('累计量')}", said["total_unit"]),
        f"{name} {_('有效数')}", f"{name} {_('应有数')}", f"{name} {_('有效')}",
    ]  # fmt: skip


def _file_cells(cell: tables.Cell | None) -> list[Any]:
    if cell is None:
        return [None] * 7
    words = {True: _("是"), False: _("否")}
    return [cell.mean, cell.low, cell.high, cell.total, cell.n_valid, cell.n_expected, words[cell.valid]]


def _when(at: Any, span: str) -> str:
    local = at.astimezone(ZONE)
    return f"{local:%Y-%m-%d %H:00}" if span == "hour" else f"{local:%Y-%m}" if span == "month" else f"{local:%Y-%m-%d}"


def _classes() -> list[str]:
    bounds = [f"{each:g}" for each in roses.BOUNDS]
    upper = [f"{low}–{high}" for low, high in pairwise(bounds)]
    return [f"{text} m/s" for text in (*upper, f"≥{bounds[-1]}")]


def _written(value: float | None, digits: int) -> str:
    return "—" if value is None else f"{value:.{digits}f}"
