"""Patrols: recording where one is, checking in at a site, and the day that comes of it."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.contrib.gis.geos import Point
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from gis.fields import STORAGE_SRID
from gis.geofence import nearest
from layers.patrols.models import Officer, Visit
from services.access import gate
from services.access.errors import Conflict, Invalid, NotFound
from services.access.principal import SYSTEM, Principal
from services.audit import trail
from services.catalog.layer import Layer, registry
from services.fences.evaluate import watch
from services.limits.rows import ZONE
from services.positions import history, legs, phones
from services.positions.models import Rule
from services.positions.phones import Fix
from services.positions.store import Stored

FRESH = timedelta(minutes=2)
"""How old the fix of a check-in may be."""
AGAIN = timedelta(minutes=10)
"""Within which a second check-in at the same site is the first one, sent twice."""
OFFERED = 8
"""Projects that are offered for a check-in."""


def projects() -> Layer:
    """The layer of what is visited."""
    found = registry.of(Visit._meta.get_field("project").related_model)  # type: ignore[arg-type]
    assert found is not None
    return found


def mine(principal: Principal) -> Officer:
    """The officer whose account this is; NotFound where it is nobody's."""
    found = None if principal.is_public else Officer.objects.filter(account=principal.name).first()
    if found is None:
        raise NotFound(_("您的账号没有登记为巡查人员，请联系管理员。"))
    return found


def record(principal: Principal, fixes: list[Fix]) -> Stored:
    """Store where one's own phone was."""
    officer = mine(principal)
    device = phones.phone(officer.pk, _("%(name)s的手机") % {"name": officer.name})
    return phones.write(device, fixes, principal.address or "", [watch])


@dataclass(frozen=True)
class Near:
    """A project that may be visited: metres from here, and whether that is near enough."""

    project: Any
    metres: float
    there: bool


def near(principal: Principal, place: Point) -> list[Near]:
    """The projects around that one may see, the nearest first."""
    mine(principal)
    reach, least = gate.restrict(principal, projects()), Rule.of_today().arrival_metres
    return [Near(row, row.distance_m, row.distance_m <= least) for row in nearest(reach, place, OFFERED)]


@transaction.atomic
def check_in(principal: Principal, project: UUID, fix: Fix, purpose: str, note: str) -> Visit:
    """Note an arrival; Conflict says how far away one still is, Invalid what is missing.

    The phone says where it is and nobody can prove it: what it said is kept with the visit.
    """
    officer, now, rule = mine(principal), timezone.now(), Rule.of_today()
    gate.fetch(principal, projects(), project)
    if purpose not in Visit.Purpose.values:
        raise Invalid(_("填写的内容有误。"), {"purpose": [", ".join(Visit.Purpose.values)]})
    if not -FRESH <= now - fix.at <= FRESH:
        raise Conflict(_("定位不是刚刚测得的，请等待新的定位后再签到。"))
    if fix.accuracy > rule.accuracy_metres:
        raise Conflict(
            _("定位误差 %(error)d 米，大于 %(most)d 米，请到开阔处再试。")
            % {"error": fix.accuracy, "most": rule.accuracy_metres}
        )
    rows = gate.restrict(principal, projects()).filter(pk=project)
    (row,) = nearest(rows, Point(fix.lon, fix.lat, srid=STORAGE_SRID), 1) or [None]
    if row is None:
        raise Conflict(_("该工程还没有位置，不能签到。"))
    if row.distance_m > rule.arrival_metres:
        raise Conflict(
            _("与工程位置相距 %(metres)d 米，须在 %(most)d 米以内。")
            % {"metres": row.distance_m, "most": rule.arrival_metres}
        )
    Officer.objects.select_for_update().get(pk=officer.pk)
    before = Visit.objects.filter(officer=officer, project=project, arrived_at__gt=now - AGAIN).first()
    if before is not None:
        return before
    visit = Visit.objects.create(
        officer=officer, project_id=project, arrived_at=now, purpose=purpose, note=note.strip()[:300],
        distance=round(row.distance_m, 1), accuracy=round(fix.accuracy, 1),
    )  # fmt: skip
    trail.note(
        principal.id, principal.name, "check in", layer="officers", object_id=officer.pk, address=principal.address,
        changes={"project": [None, str(project)], "distance": [None, visit.distance]},
    )  # fmt: skip
    return visit


@dataclass(frozen=True)
class Day:
    """A day of an officer: the fixes of the track, metres gone, time on the way, stops, visits."""

    begin: datetime
    fixes: list[history.Fix]
    metres: float
    moving: timedelta
    stops: int
    visits: list[Visit]


def day(principal: Principal, when: date) -> Day:
    """One's own day, in China."""
    officer = mine(principal)
    begin = datetime.combine(when, time(), ZONE)
    end = begin + timedelta(days=1)
    found = list(history.legs(SYSTEM, officer.pk, begin, end))
    trips = [leg for leg in found if leg.kind == leg.Kind.TRIP]
    devices = [device.pk for device in history.devices(SYSTEM, officer.pk)]
    moving = sum((min(leg.ended_at, end) - max(leg.began_at, begin) for leg in trips), timedelta(0))
    visits = officer.visits.filter(arrived_at__gte=begin, arrived_at__lt=end).select_related("project")  # type: ignore[attr-defined]
    return Day(
        begin, history.track(SYSTEM, officer.pk, begin, end), legs.mileage(devices, begin, end) if devices else 0.0,
        moving, len(found) - len(trips), list(visits),
    )  # fmt: skip
