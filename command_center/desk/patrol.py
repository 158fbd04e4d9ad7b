"""One's own patrol on the phone: where one is, the recorded track of a day, check-ins at sites."""

import json
from datetime import date
from typing import Any
from uuid import UUID

from django.contrib.gis.geos import Point
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from gis.fields import STORAGE_SRID
from layers.patrols import flows
from layers.patrols.models import Visit
from services.access import gate
from services.access.errors import Invalid, NotFound
from services.limits.rows import ZONE
from services.positions import phones

BYTES = 256 * 1024
"""The longest body of fixes."""


@never_cache
@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The page; without a place in the list of officers it says so."""
    principal, when = visitor(request), _day(request)
    try:
        officer = flows.mine(principal)
    except NotFound as error:
        return render(request, "desk/patrol.html", {"trouble": error.message}, status=404)
    found = flows.day(principal, when)
    today = timezone.now().astimezone(ZONE).date()
    context = {
        "officer": officer, "found": found, "when": when, "today": today, "is_today": when == today,
        "kilometres": found.metres / 1000, "day_json": json.dumps(_track(found)),
    }  # fmt: skip
    return render(request, "desk/patrol.html", context)


@require_POST
@never_cache
@signed_in
def record(request: HttpRequest) -> JsonResponse:
    """Take what the phone recorded: a JSON list of ``at``, ``lon``, ``lat``, ``accuracy``, ``speed``, ``heading``.

    200 means stored, also what was there already; 400 and 404 that sending it again would change nothing.
    """
    if int(request.headers.get("Content-Length") or 0) > BYTES:
        raise Invalid(_("一次发送的定位太多。"))
    try:
        told = json.loads(request.body)
    except ValueError:
        raise Invalid(_("内容不是JSON。")) from None
    stored = flows.record(visitor(request), phones.read(told))
    return JsonResponse({"new": stored.new, "same": stored.same, "refused": sum(stored.refused.values())})


@never_cache
@signed_in
def near(request: HttpRequest) -> HttpResponse:
    """The fragment with the projects around ``lon``, ``lat``."""
    fix = phones.one({"at": timezone.now().isoformat(), "accuracy": 0} | _numbers(request.GET))
    found = flows.near(visitor(request), Point(fix.lon, fix.lat, srid=STORAGE_SRID))
    return render(request, "desk/patrol_near.html", {"found": found})


@never_cache
@signed_in
def check_in(request: HttpRequest, pk: UUID) -> HttpResponse:
    """GET: the fragment with the form for a project; POST: note the arrival and show the day's visits."""
    principal = visitor(request)
    if request.method == "POST":
        fix = phones.one({"at": request.POST.get("at")} | _numbers(request.POST))
        purpose = request.POST.get("purpose", Visit.Purpose.ROUTINE)
        visit = flows.check_in(principal, pk, fix, purpose, request.POST.get("note", ""))
        found = flows.day(principal, visit.arrived_at.astimezone(ZONE).date())
        return render(request, "desk/patrol_visits.html", {"found": found, "fresh": visit})
    flows.mine(principal)
    project = gate.fetch(principal, flows.projects(), pk)
    return render(request, "desk/patrol_check_in.html", {"project": project, "purposes": Visit.Purpose.choices})


def _numbers(given: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("lon", "lat", "accuracy"):
        try:
            found[name] = float(given[name])
        except (KeyError, ValueError):
            continue
    return found


def _day(request: HttpRequest) -> date:
    text = request.GET.get("day", "")
    if not text:
        return timezone.now().astimezone(ZONE).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(_("应为日期，如 2026-11-27。")) from None


def _track(found: flows.Day) -> dict[str, Any]:
    fixes = [[round(fix.at.timestamp()), round(fix.lon, 6), round(fix.lat, 6)] for fix in found.fixes]
    return {"fixes": fixes, "visits": [str(visit.project_id) for visit in found.visits]}
