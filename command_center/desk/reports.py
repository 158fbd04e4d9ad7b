"""Reports on the desk: the list, one of them over a period, and the same as a file."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from command_center.desk.doors import signed_in
from command_center.desk.outputs import attachment
from command_center.desk.times import day_of
from services.access import gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.audit import trail
from services.catalog.models import Feature
from services.export.sheets import sheet as file_of
from services.telemetry import reports
from services.telemetry.spans import ZONE


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The reports of layers within reach."""
    return render(request, "desk/reports.html", {"reports": reports.readable(_principal(request))})


@signed_in
def one(request: HttpRequest, key: str) -> HttpResponse:
    """One report: ``period`` of its kinds, ``date`` any day of it, ``feature`` where it is about one."""
    principal = _principal(request)
    report, time, feature = _asked(principal, request, key)
    made = report.sheet(principal, time, feature) if feature or not report.of_feature else None
    today = timezone.now().astimezone(ZONE).date()
    context: dict[str, Any] = {
        "report": report,
        "of": report.of,
        "feature": feature,
        "time": time,
        "kinds": [(kind, reports.KINDS[kind], kind == time.kind) for kind in report.kinds],
        "later": time.after if time.after.first <= today else None,
        "now": timezone.now(),
        "running": time.first <= today < time.end,
        "sheet": made,
        "may_export": gate.may(principal, report.of, "export"),
    }
    if made is not None:
        context["lines"] = [(_texts(made, line), line) for line in made.lines]
        context["summary"] = [_texts(made, line) for line in made.summary]
    return render(request, "desk/report.html", context)


@signed_in
def export(request: HttpRequest, key: str) -> StreamingHttpResponse:
    """The report as Excel or CSV."""
    principal = _principal(request)
    report, time, feature = _asked(principal, request, key, "export")
    if report.of_feature and feature is None:
        raise Invalid(_("请选择%s。") % report.of.singular, {"feature": [_("必填")]})
    made = report.sheet(principal, time, feature)
    headings = [f"{each.label}（{each.unit}）" if each.unit else each.label for each in made.headings]
    form = request.GET.get("format", "xlsx")
    chunks, kind = file_of(form, str(report.title), headings, _rows(made))
    trail.note(
        principal.id, principal.name, "export", layer=report.layer, address=principal.address,
        object_id=str(feature.pk) if feature else "", changes={"format": form, "report": key, "date": str(time.first)},
    )  # fmt: skip
    response = StreamingHttpResponse(chunks, content_type=kind)
    name = "_".join(filter(None, (str(report.title), feature.name if feature else "", str(time.first))))
    response.headers["Content-Disposition"] = attachment(f"{name}.{form}")
    return response


def _asked(
    principal: Principal, request: HttpRequest, key: str, action: str = "view"
) -> tuple[reports.Report, reports.Period, Feature | None]:
    report = reports.fetch(principal, key)
    gate.require(principal, report.of, action)
    kind = request.GET.get("period", report.kinds[0])
    if kind not in report.kinds:
        raise Invalid(_("没有这种报表周期。"), {"period": [", ".join(report.kinds)]})
    feature = None
    if report.of_feature and request.GET.get("feature"):
        feature = gate.fetch(principal, report.of, request.GET["feature"], action)
    return report, reports.period(kind, _day(request.GET.get("date", ""))), feature


def _day(text: str) -> date:
    """A day, or the first one of a month or year as their fields send it; without one today."""
    found = day_of(text and text + {4: "-01-01", 7: "-01"}.get(len(text), ""), "date")
    return found or timezone.now().astimezone(ZONE).date()


def _texts(made: reports.Sheet, line: reports.Line) -> list[tuple[str, bool]]:
    """The cells as they are read, and whether each is a number."""
    return [
        (_written(value, head.digits), head.digits is not None)
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


def _principal(request: HttpRequest) -> Principal:
    return request.principal  # type: ignore[attr-defined,no-any-return]
