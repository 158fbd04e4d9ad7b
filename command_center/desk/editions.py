"""Reports that made themselves, on the desk: the list, one edition with where it comes from, its file."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from command_center.desk.reports import file, shown
from command_center.desk.times import day_of
from services.access.principal import Principal
from services.audit import trail
from services.reports import custom, editions, sheets
from services.reports.models import Due, Edition
from services.telemetry.reports import KINDS
from services.telemetry.reports import readable as reports_of


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The newest version of every period: ``report``, ``period``, ``q``, ``from``, ``to``, ``page``."""
    principal, query = visitor(request), request.GET
    number = query.get("page", "1")
    report, kind, text = (
        query.get("report", ""),
        query.get("period", ""),
        query.get("q", "").replace("\0", "").strip()[:100],
    )
    first, last = day_of(query.get("from", ""), "from"), day_of(query.get("to", ""), "to")
    found = editions.listing(
        principal, report=report, kind=kind, text=text, first=first, last=last,
        page=int(number) if number.isdecimal() and len(number) < 7 else 1,
    )  # fmt: skip
    context = {
        "found": found,
        "rows": [(row, editions.title(row)) for row in found.rows],
        "reports": [(key, title, key == report) for key, title in _reports(principal)],
        "kinds": [(key, label, key == kind) for key, label in KINDS.items()],
        "text": text, "first": first, "last": last, "asked": bool(report or kind or text or first or last),
        "around": {"previous": found.page - 1, "next": found.page + 1},
        "troubles": list(Due.objects.exclude(trouble="")[:5]) if principal.is_admin else [],
    }  # fmt: skip
    return render(request, "desk/editions.html", context)


@signed_in
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One edition; cells that are not as in the version before are marked."""
    principal = visitor(request)
    edition = editions.fetch(principal, pk)
    made = sheets.spoken(edition.sheets)
    before = editions.before(edition)
    changed = sheets.changed(sheets.spoken(before.sheets), made) if before else set()
    drawn = shown(made)
    context: dict[str, Any] = drawn | {
        "lines": [
            ([cell._replace(changed=(number, place) in changed) for place, cell in enumerate(cells)], line)
            for number, (cells, line) in enumerate(drawn["lines"])
        ],
        "edition": edition,
        "title": editions.title(edition),
        "of": editions.layer_of(edition),
        "time": edition.time,
        "now": edition.made_at,
        "versions": editions.versions(edition),
        "changed": len(changed),
        "inputs": edition.inputs,
        "computed_at": _moment(edition.inputs.get("computed_at")),
        "may_export": editions.may(principal, edition, "export"),
        "may_delete": editions.may_delete(principal, edition),
        "may_renew": editions.may_renew(principal, edition),
        "waiting": edition.late_at is not None and edition.newest and editions.waiting(edition),
    }
    return render(request, "desk/edition.html", context)


@signed_in
def export(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    """The edition as Excel or CSV, with where it comes from below."""
    principal = visitor(request)
    edition = editions.fetch(principal, pk, "export")
    made, title = sheets.spoken(edition.sheets), editions.title(edition)
    name = "_".join(filter(None, (title, edition.subject, f"v{edition.version}")))
    if edition.late_at is not None:
        made.notes.append(_late(edition))
    made.notes.append(_source(edition))
    response = file(request, title, name, made, edition.time)
    trail.note(
        principal.id, principal.name, "export", layer=editions.layer_of(edition).key, object_id=edition.pk,
        address=principal.address,
        changes={
            "format": request.GET.get("format", "xlsx"), "report": edition.report, "date": str(edition.first),
            "version": edition.version,
        },
    )  # fmt: skip
    return response


@require_POST
@signed_in
def renew(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Have the next version of an edition made whose data came late."""
    editions.renew(visitor(request), pk)
    messages.success(request, _("已安排重新生成；内容有变化时会保存为新版本，旧版本保留。"))
    return HttpResponseRedirect(f"/desk/reports/editions/{pk}")


@require_POST
@signed_in
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete one version of an edition."""
    gone = editions.delete(visitor(request), pk)
    messages.success(request, _("报表“%s”已删除。") % f"{editions.title(gone)} {gone.time.label}")
    return HttpResponseRedirect(
        f"/desk/reports/custom/{gone.custom_id}" if gone.custom_id else "/desk/reports/editions"
    )


def _reports(principal: Principal) -> list[tuple[str, str]]:
    """Key and title of the reports that make themselves, or did."""
    mine = custom.visible(principal).filter(Q(editions__isnull=False) | ~Q(repeat="")).distinct()
    return [(each.key, str(each.title)) for each in reports_of(principal)] + [(each.key, each.name) for each in mine]


def _source(edition: Edition) -> str:
    """Version, time and digest of an edition, in one line."""
    made_at = timezone.localtime(edition.made_at)
    return _("第%(version)d版，%(at)s 自动生成；SHA-256 %(digest)s") % {
        "version": edition.version, "at": f"{made_at:%Y-%m-%d %H:%M}", "digest": edition.digest,
    }  # fmt: skip


def _late(edition: Edition) -> str:
    """That data of its period came after it was made, and when it was noticed."""
    assert edition.late_at is not None
    return _("这一版生成后，%(at)s 又收到该周期的补传数据，未计入本版。") % {
        "at": f"{timezone.localtime(edition.late_at):%Y-%m-%d %H:%M}"
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
