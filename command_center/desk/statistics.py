"""Statistics of everything over a period on the desk: the page, its table as a file, and the rows behind a number."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from command_center.desk import measured_files, regions
from command_center.desk.doors import signed_in, visitor
from command_center.desk.statistics_cards import card, drawn, label, part_label
from command_center.desk.times import day_of
from services.access.errors import Invalid
from services.access.principal import Principal
from services.audit import trail
from services.catalog.describe import Described
from services.catalog.layer import registry
from services.export.columns import in_unit
from services.stats import rows
from services.stats.figures import Figure, Number
from services.stats.frames import FREE, Frame, Window, frame
from services.stats.periods import Statistics, statistics
from services.stats.scopes import Asked, scope
from services.telemetry.reports import Period

SITES = "projects"
"""The layer whose features the page offers to choose; a link may name one of any layer."""
PERIODS = {
    "week": gettext_lazy("周"), "month": gettext_lazy("月"), "quarter": gettext_lazy("季"), "year": gettext_lazy("年"),
    FREE: gettext_lazy("自定"),
}  # fmt: skip
OWN = ("feature", "region", "period", "date", "until")
"""Of the address what says of what and when; ``kind`` and ``view`` say how it is shown."""
VIEWS = ("cards", "table")
HOW = {"sum": gettext_lazy("合计"), "mean": gettext_lazy("平均")}
SHOWN = 3
"""Kinds whose trend is drawn before somebody chooses."""


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """``feature`` or ``region`` (all without), ``period``, ``date`` (``until``); ``kind`` whose trend is drawn."""
    principal = visitor(request)
    asked = _asked(principal, request)
    found = statistics(asked)
    keys = {figure.key for figure in found.figures}
    chosen = [key for key in request.GET.getlist("kind") if key in keys] or _first(found)
    view = request.GET.get("view", VIEWS[0])
    query = _query(asked)
    busy = [figure for figure in found.figures if not figure.blank]
    context: dict[str, Any] = {
        "asked": asked,
        "time": asked.frame.time,
        "frame": asked.frame,
        "label": label(asked.frame),
        "kinds": [(kind, name, kind == asked.frame.time.kind) for kind, name in PERIODS.items()],
        "free": asked.frame.time.kind == FREE,
        "earlier": _at(query, asked.frame.time.before),
        "later": _at(query, asked.frame.time.after) if asked.frame.time.after.first <= asked.frame.today else "",
        "groups": [
            (name, [card(figure, query) for figure in figures])
            for name, figures in Statistics(asked, busy).groups.items()
        ],
        "idle": [figure for figure in found.figures if figure.blank],
        "busy": busy,
        "chosen": chosen,
        "view": view if view in VIEWS else VIEWS[0],
        "query": urlencode(query),
        "data": [drawn(asked.frame, figure, query) for figure in busy],
        "buckets": [part_label(asked.frame, asked.frame.part(bucket)) for bucket in asked.frame.buckets],
        "site": asked.scope.feature,
        "site_layer": asked.scope.layer or registry.by_key[SITES],
        "picked": asked.scope.feature if asked.scope.layer and asked.scope.layer.key == SITES else None,
        "region": asked.scope.region.code if asked.scope.region else "",
        "area": asked.scope.region,
        "region_name": "region",
        "drill": regions.drill(principal, asked.scope.region.code if asked.scope.region else ""),
        "drill_rest": "&" + urlencode({name: text for name, text in query.items() if name not in OWN[:2]}),
        "may_export": bool(Asked(principal, asked.scope, asked.frame, "export").kinds),
        "now": timezone.now(),
    }
    return render(request, "desk/statistics.html", context)


@signed_in
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The figures as Excel or CSV, of the kinds one may take along: a line a kind, its parts and quantities below."""
    principal = visitor(request)
    asked = _asked(principal, request, "export")
    made = statistics(asked)
    form = request.GET.get("format", "xlsx")
    title = _("统计分析")
    _note(principal, asked, {"format": form})
    return measured_files.of_days(
        form, title, headings(asked.frame), lines(made), f"{title}_{asked.scope.title}", asked.frame.window.first,
        asked.frame.window.last,
    )  # fmt: skip


@signed_in
def behind(request: HttpRequest) -> HttpResponse:
    """The rows that a number counts: ``kind``, ``part`` as field:value, ``bucket`` as the first day of a part."""
    principal = visitor(request)
    asked = _asked(principal, request)
    window, values = _narrowed(asked.frame, request)
    number = request.GET.get("page", "1")
    made = rows.listing(asked, request.GET.get("kind", ""), window, values, int(number) if number.isdecimal() else 1)
    numeric = [field.is_number and field.related is None and not field.choices for field in made.columns]
    parts = {field.name: field for field in (*made.kind.parts, *made.kind.flags)}
    context: dict[str, Any] = {
        "asked": asked,
        "made": made,
        "label": label(asked.frame) if window == asked.frame.window else part_label(asked.frame, window, whole=True),
        "narrowed": [(parts[name].label, _said(parts[name], value)) for name, value in values.items()],
        "columns": list(zip(made.columns, numeric, strict=True)),
        "lines": [(line, list(zip(line.cells, numeric, strict=True))) for line in made.lines],
        "around": {"previous": made.page - 1, "next": made.page + 1},
        "query": urlencode(_query(asked)),
        "is_feature": made.kind.feature == "pk",
        "may_export": any(kind.key == made.kind.key for kind in Asked(
            principal, asked.scope, asked.frame, "export"
        ).kinds),
        "region": "",
    }  # fmt: skip
    return render(request, "desk/statistics_rows.html", context)


@signed_in
def export_behind(request: HttpRequest) -> StreamingHttpResponse:
    """The same rows as Excel or CSV, as far as one may take them along."""
    principal = visitor(request)
    asked = _asked(principal, request, "export")
    window, values = _narrowed(asked.frame, request)
    kind, found = rows.stream(asked, request.GET.get("kind", ""), window, values)
    form = request.GET.get("format", "xlsx")
    shown = rows.columns(kind)
    head = [kind.time.label, _("名称"), *(in_unit(f.label, f.unit) for f in shown)]
    _note(principal, asked, {"format": form, "kind": kind.key})
    return measured_files.of_days(
        form, kind.title, head, ([line.at, line.name, *line.cells] for line in found),
        f"{kind.title}_{asked.scope.title}", window.first, window.last,
    )  # fmt: skip


def headings(shown: Frame) -> list[str]:
    """The first row of the file."""
    year = [_("去年同期"), _("同比")] if shown.last_year else []
    parts = [part_label(shown, shown.part(bucket), whole=True) for bucket in shown.buckets]
    return [
        _("分组"), _("统计项"), _("口径"), _("指标"), _("计量单位"), _("本期"), _("上期"), _("环比"), *year, *parts,
    ]  # fmt: skip


def lines(made: Statistics) -> Iterator[list[Any]]:
    """The other rows: of every kind its number, then its parts and its quantities; shares of change as per cent."""
    shown = made.asked.frame
    for figure in made.figures:
        head = [figure.group, figure.title, figure.about]

        def line(
            name: str, unit: str, digits: int, value: Any, before: Any, year: Any, rate: Any, rate_year: Any,
            trend: Any, head: list[str] = head,
        ) -> list[Any]:  # fmt: skip
            of_year = [_number(year, digits), _per_cent(rate_year)] if shown.last_year else []
            first = [_number(value, digits), _number(before, digits), _per_cent(rate)]
            return [*head, name, unit, *first, *of_year, *(_number(each, digits) for each in trend)]

        yield line(
            _("数量") if not figure.unit else _("数值"), figure.unit, figure.digits, figure.value, figure.before,
            figure.last_year, figure.change, figure.change_of_year, figure.trend,
        )  # fmt: skip
        blank = [None] * len(shown.buckets)
        for division in figure.divisions:
            for tally in division.tallies:
                name = f"{division.label}：{tally.label}"
                yield line(name, "", 0, tally.count, None, None, None, None, tally.trend)
        for flag in figure.flags:
            yield line(flag.label, "", 0, flag.count, None, None, None, None, blank)
        for each in figure.totals:
            yield line(
                in_unit(each.label, str(HOW.get(each.statistic, ""))), each.unit, each.digits, each.value,
                each.before, each.last_year, each.change, each.change_of_year, each.trend,
            )  # fmt: skip


def _asked(principal: Principal, request: HttpRequest, action: str = "view") -> Asked:
    text = request.GET.get("date", "")
    day = day_of(text and text + {4: "-01-01", 7: "-01"}.get(len(text), ""), "date")
    shown = frame(request.GET.get("period", "month"), day, day_of(request.GET.get("until", ""), "until"))
    place = scope(principal, request.GET.get("feature", ""), request.GET.get("region", ""))
    return Asked(principal, place, shown, action)


def _query(asked: Asked) -> dict[str, str]:
    """The address of this choice, whatever was left out of the one that was called."""
    found = {"feature": str(asked.scope.feature.pk)} if asked.scope.feature else {}
    if asked.scope.region:
        found["region"] = asked.scope.region.code
    return found | _when(asked.frame.time)


def _when(time: Period) -> dict[str, str]:
    when = {"period": time.kind, "date": str(time.first)}
    return when | {"until": str(Window(time.first, time.end).last)} if time.kind == FREE else when


def _at(query: dict[str, str], time: Period) -> str:
    """The address of the same at another time."""
    return urlencode({name: text for name, text in query.items() if name in OWN[:2]} | _when(time))


def _first(found: Statistics) -> list[str]:
    """What is drawn first: the kinds of rows in most parts of the period, for their trends have the most to tell."""
    counted = [figure for figure in found.figures if figure.listed and figure.value]
    return [figure.key for figure in sorted(counted, key=_busy, reverse=True)[:SHOWN]]


def _busy(figure: Figure) -> tuple[int, float]:
    """In how many parts of the period there is something, and how much in all."""
    return sum(bool(value) for value in figure.trend), float(figure.value or 0)


def _narrowed(shown: Frame, request: HttpRequest) -> tuple[Window, dict[str, str]]:
    """The days and the values of fields that the address narrows the rows to."""
    window = shown.window
    if text := request.GET.get("bucket", ""):
        day = day_of(text, "bucket")
        if day not in shown.buckets:
            raise Invalid(_("没有这个时段。"), {"bucket": [", ".join(map(str, shown.buckets[:5]))]})
        window = shown.part(day)
    values = {}
    for text in request.GET.getlist("part"):
        name, _colon, value = text.partition(":")
        values[name] = value
    return window, values


def _said(field: Described, value: str) -> str:
    """A value of a field in words."""
    if not field.choices:
        return _("是")
    return {str(choice): name for choice, name in field.choices.items()}.get(value) or _("未填")


def _note(principal: Principal, asked: Asked, changes: dict[str, Any]) -> None:
    trail.note(
        principal.id, principal.name, "export", layer=asked.scope.layer.key if asked.scope.layer else "",
        object_id=str(asked.scope.feature.pk) if asked.scope.feature else "", address=principal.address,
        changes={"page": "statistics", **_query(asked), **changes},
    )  # fmt: skip


def _number(value: Number | None, digits: int) -> float | int | None:
    return value if value is None or isinstance(value, int) else round(float(value), digits)


def _per_cent(share: float | None) -> str | None:
    return None if share is None else f"{share:+.1%}"
