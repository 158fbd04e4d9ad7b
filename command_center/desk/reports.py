"""Reports on the desk: the list, a declared one over a period, and the same as a file."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from command_center.desk import measured_files
from command_center.desk.doors import signed_in, visitor
from command_center.desk.times import LONGEST, day_of
from services.access import gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.accounts.roles import Role
from services.audit import trail
from services.catalog.layer import registry
from services.catalog.models import Feature
from services.export.columns import in_unit
from services.reports import custom, editions
from services.telemetry import reports
from services.telemetry.spans import ZONE

WIDE, DENSE = 8, 13
"""Columns beyond which a printed page lies on its side, and its letters are smaller."""
LABELS = {**reports.KINDS, reports.FREE: gettext_lazy("自定时间")}


class Cell(NamedTuple):
    """A cell as it is read, and whether it is a number, and another one than in the version before."""

    text: str
    number: bool
    changed: bool = False


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The reports of layers within reach, the saved ones, and the editions that were made last."""
    principal = visitor(request)
    saved = list(custom.visible(principal))
    context = {
        "reports": reports.readable(principal),
        "saved": [(row, registry.by_key[row.layer], custom.may_change(principal, row)) for row in saved],
        "latest": [(row, editions.title(row)) for row in editions.latest(principal)],
        "may_add": bool(custom.layers(principal)),
        "role_names": dict(Role.choices),
    }
    return render(request, "desk/reports.html", context)


@signed_in
def one(request: HttpRequest, key: str) -> HttpResponse:
    """One report: ``period`` of its kinds, ``date`` any day of it, ``feature`` where it is about one.

    A free period is from ``date`` to ``until``, that day included.
    """
    principal = visitor(request)
    report, time, feature = _asked(principal, request, key)
    made = report.sheet(principal, time, feature) if feature or not report.of_feature else None
    today = timezone.now().astimezone(ZONE).date()
    context: dict[str, Any] = {
        "report": report,
        "of": report.of,
        "feature": feature,
        "time": time,
        "kinds": [(kind, LABELS[kind], kind == time.kind) for kind in _kinds(report)],
        "free": time.kind == reports.FREE,
        "last": time.end - timedelta(days=1),
        "before_last": time.first - timedelta(days=1),
        "later_last": time.after.end - timedelta(days=1),
        "later": time.after if time.after.first <= today else None,
        "running": time.first <= today < time.end,
        "may_export": gate.may(principal, report.of, "export"),
    }
    if made is not None:
        subject = Q(feature=feature.pk if feature else None)
        context |= shown(made) | {
            "title": report.title,
            "kept": editions.of(principal, report.key, time.kind, time.first, subject),
        }
    return render(request, "desk/report.html", context)


@signed_in
def export(request: HttpRequest, key: str) -> StreamingHttpResponse:
    """The report as Excel or CSV."""
    principal = visitor(request)
    report, time, feature = _asked(principal, request, key, "export")
    if report.of_feature and feature is None:
        raise Invalid(_("请选择%s。") % report.of.singular, {"feature": [_("必填")]})
    made = report.sheet(principal, time, feature)
    name = "_".join(filter(None, (str(report.title), feature.name if feature else "")))
    response = file(request, str(report.title), name, made, time)
    trail.note(
        principal.id, principal.name, "export", layer=report.layer, address=principal.address,
        object_id=str(feature.pk) if feature else "",
        changes={"format": request.GET.get("format", "xlsx"), "report": key, "date": str(time.first)},
    )  # fmt: skip
    return response


def _asked(
    principal: Principal, request: HttpRequest, key: str, action: str = "view"
) -> tuple[reports.Report, reports.Period, Feature | None]:
    report = reports.fetch(principal, key)
    gate.require(principal, report.of, action)
    kind = request.GET.get("period", report.kinds[0])
    if kind not in _kinds(report):
        raise Invalid(_("没有这种报表周期。"), {"period": [", ".join(_kinds(report))]})
    feature = None
    if report.of_feature and request.GET.get("feature"):
        feature = gate.fetch(principal, report.of, request.GET["feature"], action)
    return report, _period(kind, request), feature


def _kinds(report: reports.Report) -> tuple[str, ...]:
    return (*report.kinds, reports.FREE) if report.free else report.kinds


def _period(kind: str, request: HttpRequest) -> reports.Period:
    """Of a kind, or from one day to another; Invalid where that is none."""
    first = day(request)
    if kind != reports.FREE:
        return reports.period(kind, first)
    last = day_of(request.GET.get("until", ""), "until") or first
    if last < first:
        raise Invalid(_("结束日期不应早于开始日期。"), {"until": [_("不应早于开始日期。")]})
    if last - first > LONGEST:
        raise Invalid(_("时间范围过长，请缩短时间范围。"), {"until": [_("最长10年。")]})
    return reports.Period(reports.FREE, first, last + timedelta(days=1))


def day(request: HttpRequest) -> date:
    """``date`` of the address: a day, or the first one of a month or year as their fields send it; else today."""
    text = request.GET.get("date", "")
    found = day_of(text and text + {4: "-01-01", 7: "-01"}.get(len(text), ""), "date")
    return found or timezone.now().astimezone(ZONE).date()


def shown(made: reports.Sheet) -> dict[str, Any]:
    """What the table of a sheet is drawn from."""
    return {
        "sheet": made,
        "now": timezone.now(),
        "lines": [(_texts(made, line), line) for line in made.lines],
        "summary": [_texts(made, line) for line in made.summary],
        "width": "dense" if len(made.headings) > DENSE else "wide" if len(made.headings) > WIDE else "",
    }


def file(
    request: HttpRequest, title: str, name: str, made: reports.Sheet, time: reports.Period
) -> StreamingHttpResponse:
    """A sheet as Excel or CSV, as ``format`` of the address says."""
    form = request.GET.get("format", "xlsx")
    headings = [in_unit(str(each.label), each.unit) for each in made.headings]
    last = time.end - timedelta(days=1)
    return measured_files.of_days(form, title, headings, _rows(made), name, time.first, last)


def _texts(made: reports.Sheet, line: reports.Line) -> list[Cell]:
    return [
        Cell(_written(value, head.digits), head.digits is not None)
        for head, value in zip(made.headings, line.cells, strict=True)
    ]


def _written(value: Any, digits: int | None) -> str:
    if value is None:
        return "—"
    return f"{value:,.{digits}f}" if isinstance(value, int | float) and digits is not None else str(value)


def _rows(made: reports.Sheet) -> Iterator[list[Any]]:
    for line in (*made.lines, *made.summary):
        yield [
            round(value, head.digits) if isinstance(value, float) and head.digits is not None else value
            for head, value in zip(made.headings, line.cells, strict=True)
        ]
    for note in made.notes:
        yield [note]
