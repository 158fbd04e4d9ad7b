"""Data validity on the desk: devices by day, one device in detail, and both as files."""

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from command_center.desk import measured_files, points
from command_center.desk.doors import signed_in, visitor
from command_center.desk.times import day_of
from services.access.errors import Invalid, Refused
from services.audit import trail
from services.telemetry import validity
from services.telemetry.spans import ZONE

USUAL = 14
GRADES = ((0.9, "good"), (0.75, "fair"), (0.5, "poor"))
"""Shares from which a cell has a shade; below them it is bad."""


@signed_in
def page(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Devices by day; ``q``, ``from``, ``to`` (31 days at most), ``page``; with ``format`` the page as a file."""
    principal = visitor(request)
    first, last = _days(request)
    number = request.GET.get("page", "1")
    found = validity.matrix(
        principal, first, last, request.GET.get("q", "")[:100],
        int(number) if number.isdecimal() and len(number) < 9 else 1,
    )  # fmt: skip
    features = [line.feature for line in found.lines if line.feature is not None]
    may_export = points.may_export(principal, {feature.pk: feature for feature in features}.values())
    if request.GET.get("format"):
        if not may_export:
            raise Refused(_("需要对所选监测点的导出权限。"))
        headings = [_("设备编号"), _("监测点"), *map(str, found.days), _("合计")]
        rows = (
            [line.device.number, line.feature.title if line.feature else "",
             *(share and round(share.share, 4) for share in line.days), round(line.whole.share, 4)]
            for line in found.lines
        )  # fmt: skip
        return _file(request, _("数据有效率"), headings, rows, first, found.days[-1])
    context = {
        "found": found,
        "lines": [(line, [(share, _grade(share)) for share in line.days], _grade(line.whole)) for line in found.lines],
        "first": first,
        "last": found.days[-1],
        "query": request.GET,
        "now": timezone.now(),
        "may_export": may_export,
        "around": {"previous": found.page - 1, "next": found.page + 1},
        "grades": [("good", "≥90%"), ("fair", "75%–90%"), ("poor", "50%–75%"), ("bad", "<50%")],
    }
    return render(request, "desk/validity.html", context)


@signed_in
def one(request: HttpRequest, pk: int) -> HttpResponse | StreamingHttpResponse:
    """One device by day: what was expected, what arrived, what is missing, marked, late or revised."""
    principal = visitor(request)
    first, last = _days(request)
    device, feature, days = validity.days_of(principal, pk, first, last)
    marks = validity.reasons(days)
    may_export = feature is not None and points.may_export(principal, [feature])
    if request.GET.get("format"):
        if not may_export:
            raise Refused(_("需要对所选监测点的导出权限。"))
        headings = [
            _("日期"), _("应有数"), _("有效数"), _("有效率"), _("缺失"), *(str(mark.label) for mark in marks),
            _("补传"), _("有修订"),
        ]  # fmt: skip
        rows = (
            [str(day.day), day.expected, day.good, round(day.share, 4), day.missing,
             *(day.marked.get(mark, 0) for mark in marks), day.late, day.revisions]
            for day in days
        )  # fmt: skip
        return _file(request, f"{_('数据有效率')}_{device.number}", headings, rows, first, last)
    expected, good = sum(day.expected for day in days), sum(day.good for day in days)
    context: dict[str, Any] = {
        "device": device,
        "feature": feature,
        "marks": marks,
        "days": [(day, _grade_of(day.share), [day.marked.get(mark, 0) for mark in marks]) for day in days],
        "sums": [
            expected, good, good / expected if expected else None, sum(day.missing for day in days),
            [sum(day.marked.get(mark, 0) for day in days) for mark in marks],
            sum(day.late for day in days), sum(day.revisions for day in days),
        ],
        "first": first,
        "last": last,
        "now": timezone.now(),
        "may_export": may_export,
    }  # fmt: skip
    return render(request, "desk/device_validity.html", context)


def _days(request: HttpRequest) -> tuple[date, date]:
    today = timezone.now().astimezone(ZONE).date()
    last = day_of(request.GET.get("to", ""), "to") or today
    first = day_of(request.GET.get("from", ""), "from") or last - timedelta(days=USUAL - 1)
    if first > last:
        raise Invalid(_("结束时间应晚于开始时间。"), {"to": [_("应晚于开始时间。")]})
    if (last - first).days >= validity.LONGEST:
        raise Invalid(_("时间范围过长，请缩短时间范围。"), {"from": [_("最长31天。")]})
    return first, min(last, max(first, today))


def _file(
    request: HttpRequest, name: str, headings: list[str], rows: Any, first: date, last: date
) -> StreamingHttpResponse:
    principal = visitor(request)
    form = request.GET["format"]
    response = measured_files.of_days(form, _("数据有效率"), headings, rows, name, first, last)
    trail.note(
        principal.id, principal.name, "export", layer="device", address=principal.address,
        changes={"format": form, "what": "validity"},
    )  # fmt: skip
    return response


def _grade(share: validity.Share | None) -> str:
    return "none" if share is None or not share.expected else _grade_of(share.share)


def _grade_of(share: float) -> str:
    return next((name for least, name in GRADES if share >= least), "bad")
