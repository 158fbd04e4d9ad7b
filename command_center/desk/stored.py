"""Everything that a device sent, reading by reading: by sensor, kind and time, on the page and as a file."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from command_center.desk import measured_files, points
from command_center.desk.doors import signed_in, visitor
from command_center.desk.times import Period, period
from services.access.errors import Refused
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.telemetry import inventory, stored, tables
from services.telemetry.models import Device, Factor
from services.telemetry.spans import ZONE, Span


class Asked(NamedTuple):
    """What the address asks for."""

    device: Device
    feature: FeatureIndex | None
    known: list[Factor]
    chosen: list[Factor]
    span: str
    judged: str
    time: Period


@signed_in
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """The readings of a device: ``factor`` (several, all without), ``span``, ``judged``, a time, ``page``."""
    principal = visitor(request)
    asked = _asked(principal, request, pk)
    number = request.GET.get("page", "1")
    found = stored.stored(
        asked.device, asked.chosen, asked.time.begin, asked.time.end, asked.span, asked.judged,
        int(number) if number.isdecimal() and len(number) < 9 else 1,
    )  # fmt: skip
    now = timezone.now()
    context = {
        "device": asked.device,
        "feature": asked.feature,
        "layer_of": registry.get(asked.feature.layer) if asked.feature else None,
        "factors": [(each.code, str(each), "factor" in request.GET and each in asked.chosen) for each in asked.known],
        "spans": [("", _("不限"), not asked.span)]
        + [(name, span.label, name == asked.span) for name, span in stored.SPANS.items()],
        "judgements": [("", _("不限"), not asked.judged)]
        + [(name, _judgement(name), name == asked.judged) for name in stored.JUDGED],
        "time": asked.time,
        "ranges": asked.time.ranges("1h", "24h", "7d", "30d"),
        "days": [(label, day, _whole(asked.time, day)) for label, day in _days(now)],
        "rest": urlencode([pair for pair in _pairs(request) if pair[0] not in ("range", "from", "to", "page")]),
        "found": found,
        "rows": [
            (factor, reading, Span(reading.span).label, _written(reading.value, factor), tables.quality(reading))
            for factor, reading in found.rows
        ],
        "around": {"previous": found.page - 1, "next": found.page + 1},
        "may_export": _may_export(principal, asked.feature),
        "now": now,
    }
    return render(request, "desk/stored.html", context)


@signed_in
def export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """All of them as Excel or CSV."""
    principal = visitor(request)
    asked = _asked(principal, request, pk)
    if not _may_export(principal, asked.feature):
        raise Refused(_("需要对所选监测点的导出权限。"))
    form, device = request.GET.get("format", "xlsx"), asked.device
    count, found = stored.everything(
        device, asked.chosen, asked.time.begin, asked.time.end, asked.span, asked.judged
    )  # fmt: skip
    named = ((device, factor, str(factor), reading) for factor, reading in found)
    headings, rows = measured_files.readings(form, count, named)
    response = measured_files.file(form, _("原始数据"), headings, rows, device.number, asked.time)
    trail.note(
        principal.id, principal.name, "export", layer="device", object_id=device.pk, address=principal.address,
        changes={"format": form, "what": "readings", "factors": [factor.code for factor in asked.chosen]},
    )  # fmt: skip
    return response


def _asked(principal: Principal, request: HttpRequest, pk: int) -> Asked:
    device = inventory.fetch(principal, pk)
    known = stored.sensors(principal, device)
    codes = points.chosen({each.code: str(each) for each in known}, request.GET.getlist("factor"), len(known))
    return Asked(
        device, inventory.features_of(principal, [device]).get(device.feature), known,
        [each for each in known if each.code in codes],
        request.GET.get("span", ""), request.GET.get("judged", ""), period(request.GET, "24h"),
    )  # fmt: skip


def _may_export(principal: Principal, feature: FeatureIndex | None) -> bool:
    """Of a device that stands nowhere yet an administrator alone takes the readings along."""
    return principal.is_admin if feature is None else points.may_export(principal, [feature])


def _days(now: datetime) -> list[tuple[str, datetime]]:
    today = now.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    return [(_("今天"), today), (_("昨天"), today - timedelta(days=1))]


def _whole(time: Period, day: datetime) -> bool:
    return not time.name and (time.begin, time.end) == (day, day + timedelta(days=1))


def _pairs(request: HttpRequest) -> list[tuple[str, Any]]:
    return [(name, value) for name, values in request.GET.lists() for value in values]


def _judgement(name: str) -> str:
    return {"good": _("有效"), "bad": _("无效"), "late": _("补传")}[name]


def _written(value: float | None, factor: Factor) -> str:
    return "—" if value is None else f"{value:.{factor.digits}f}"
