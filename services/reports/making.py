"""Reports that make themselves: which are due, making one, and making it again when late data change its period.

What is due are rows. Whoever makes an edition holds its row and takes it away with the commit that keeps the edition: a
killed worker leaves the row, and no edition is half there or there twice.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import Min
from django.utils import timezone

from gis.models import Region
from services.access import gate
from services.catalog.models import FeatureIndex
from services.reports import scheduled, scopes, sheets
from services.reports.bounded import bounded, limit_statements
from services.reports.inputs import inputs
from services.reports.models import CUSTOM, Due, Edition, Schedule
from services.reports.periods import over
from services.reports.scopes import Scope
from services.telemetry.models import Device
from services.telemetry.reports import REPORTS, Period, Report, period
from services.telemetry.spans import ZONE

log = logging.getLogger(__name__)

BACK = {
    "day": timedelta(days=62), "week": timedelta(days=182), "month": timedelta(days=732),
    "quarter": timedelta(days=732), "year": timedelta(days=1830),
}  # fmt: skip
"""How far back the first editions go; afterwards every period is made, however long nothing ran."""
GATHER = timedelta(minutes=2)
"""How long late data gather before an edition is made again."""
RETRY = timedelta(minutes=1)
"""Before the third attempt, and twice as long before each one after it."""
LONGEST_RETRY = timedelta(hours=6)
LIMIT = 120.0
"""Seconds that one edition may take; one that takes longer is tried again as one that failed."""
MAKERS = 2
"""How many workers make editions at a time: a slow one holds back neither the others nor all workers."""
LOCK, TURN = 7_305_000, 7_305
"""Advisory locks of whoever plans, and with a number of each maker."""
WAIT = "2s"
"""How long planning waits for an edition that is just being made."""
AT_ONCE = 20_000
KEY = ("report", "kind", "first", "region", "feature")


class Made(NamedTuple):
    """What was done with a due edition."""

    edition: Edition | None
    """None where the content was the same as before, or it failed."""
    failed: bool = False


def turn(seconds: float) -> int:
    """``work`` where fewer than so many makers are at it; how many editions were made."""
    with _among_makers() as mine:
        return work(seconds) if mine else 0


@contextmanager
def _among_makers() -> Iterator[bool]:
    """Whether this process is one of the makers, until the end of the block or of its connection."""
    held = next((number for number in range(MAKERS) if _locks("pg_try_advisory_lock", number)), None)
    try:
        yield held is not None
    finally:
        if held is not None:
            # An edition that was too slow took the connection with it, and with that the lock: then this says no.
            _locks("pg_advisory_unlock", held)


def _locks(function: str, number: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"select {function}(%s, %s)", [TURN, number])
        (done,) = cursor.fetchone()  # type: ignore[misc]
    return bool(done)


def work(seconds: float | None = None, now: datetime | None = None) -> int:
    """Plan, then make what is due for so many seconds, or until nothing is; how many editions were made."""
    until = None if seconds is None else time.monotonic() + seconds
    try:
        plan(now)
    except OperationalError as error:
        # Somebody holds what is to be asked for again: what is due already need not wait for them.
        log.warning("editions are planned later: %s", error)
    made = 0
    while until is None or time.monotonic() < until:
        done = make(now)
        if done is None:
            break
        made += done.edition is not None
    return made


def plan(now: datetime | None = None) -> int:
    """Have every period made that ended, and those made again that late data changed; how many were asked for."""
    moment = now or timezone.now()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_xact_lock(%s)", [LOCK])
            (held,) = cursor.fetchone()  # type: ignore[misc]
        if not held:
            return 0
        with connection.cursor() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, true)", [WAIT])
        upto = {(row.report, row.kind): row for row in Schedule.objects.all()}
        wanted: list[Due] = []
        for report in REPORTS.values():
            for kind in report.kinds:
                wanted += _ended(report, kind, upto, moment)
        wanted += scheduled.ended(moment)
        wanted += _late({key: row.upto for key, row in upto.items()}, moment)
        rows = {tuple(getattr(due, name) for name in KEY): due for due in reversed(wanted)}
        # Written over, not left: so this waits for whoever makes the edition just now, without what is new.
        Due.objects.bulk_create(
            rows.values(), batch_size=2000, update_conflicts=True, unique_fields=KEY,
            update_fields=["not_before", "attempts"],
        )  # fmt: skip
        _outdated(moment)
    return len(rows)


def make(now: datetime | None = None) -> Made | None:
    """Make the edition of the latest period that is due; None where there is nothing to do."""
    moment = now or timezone.now()
    with transaction.atomic():
        # Counted in a commit of its own: what kills its maker is not tried without end.
        due = _next(moment)
        if due is None:
            return None
        due.attempts += 1
        if due.attempts > 1:
            due.not_before = moment + min(LONGEST_RETRY, RETRY * 2 ** min(due.attempts - 2, 12))
        due.save(update_fields=["attempts", "not_before"])
    try:
        with bounded(LIMIT), transaction.atomic():
            limit_statements(LIMIT)
            held = Due.objects.select_for_update(skip_locked=True).filter(pk=due.pk, attempts=due.attempts).first()
            if held is None:
                return Made(None)
            edition = _edition(held, moment)
            held.delete()
        return Made(edition)
    except Exception as error:
        log.exception("the edition %s cannot be made and is tried again", due)
        Due.objects.filter(pk=due.pk).update(trouble=f"{type(error).__name__}: {error}"[:300])
        return Made(None, failed=True)


def _next(moment: datetime) -> Due | None:
    rows = Due.objects.filter(not_before__lte=moment).select_for_update(skip_locked=True)
    return rows.order_by("-first", "pk").first()


def _ended(report: Report, kind: str, upto: dict[tuple[str, str], Schedule], moment: datetime) -> list[Due]:
    """Of every period that ended since the last look, and whose roll-ups are there, an edition of every scope."""
    schedule = upto.get((report.key, kind))
    if schedule is None:
        schedule = upto[report.key, kind] = Schedule(
            report=report.key, kind=kind, upto=period(kind, _beginning(report, kind, moment)).first
        )
        schedule.save()
    wanted: list[Due] = []
    time = period(kind, schedule.upto)
    while over(time, moment):
        found = scopes.scopes(report, time.ends_at)
        wanted += [_due(report, time, scope, Edition.Reason.PERIOD, moment) for scope in found]
        schedule.upto = time.end
        time = time.after
        if len(wanted) >= AT_ONCE:
            break
    schedule.save(update_fields=["upto"])
    return wanted


def _beginning(report: Report, kind: str, moment: datetime) -> date:
    """The day of the first device of the report's layer, but not too long ago."""
    mine = FeatureIndex.objects.filter(layer=report.layer).values("pk")
    first = Device.objects.filter(feature__in=mine).aggregate(first=Min("created_at"))["first"]
    return max(first or moment, moment - BACK[kind]).astimezone(ZONE).date()


def _late(upto: dict[tuple[str, str], date], moment: datetime) -> list[Due]:
    """What is to be made again, out of the marks that the roll-ups left; those of later periods are let go."""
    with connection.cursor() as cursor:
        cursor.execute("delete from reports_mark returning device, day")
        marks: dict[int, set[date]] = {}
        for device, day in cursor.fetchall():
            marks.setdefault(device, set()).add(day)
    if not marks:
        return []
    owners = dict(Device.objects.filter(pk__in=list(marks), feature__isnull=False).values_list("pk", "feature"))
    rows = FeatureIndex.objects.filter(pk__in=set(owners.values())).only("pk", "layer", "region_code")
    features = {row.pk: row for row in rows}
    by_day: dict[date, list[FeatureIndex]] = {}
    for device, days in marks.items():
        feature = features.get(owners.get(device) or UUID(int=0))
        for day in days if feature is not None else ():
            by_day.setdefault(day, []).append(feature)  # type: ignore[arg-type]
    found: dict[tuple[str, Period, Scope], Due] = {}
    for report in REPORTS.values():
        by_period: dict[Period, set[UUID]] = {}
        for day, touched in by_day.items():
            for kind in report.kinds:
                time = period(kind, day)
                for each in (time, time.after) if report.looks_back else (time,):
                    if each.end <= upto[report.key, kind]:
                        by_period.setdefault(each, set()).update(feature.pk for feature in touched)
        for time, keys in by_period.items():
            for scope in scopes.touched(report, [features[key] for key in keys]):
                found[report.key, time, scope] = _due(report, time, scope, Edition.Reason.LATE, moment + GATHER)
    touched_on = {day: {feature.pk for feature in touched} for day, touched in by_day.items()}
    return [*found.values(), *scheduled.late(touched_on, moment, moment + GATHER)]


def _outdated(moment: datetime) -> None:
    """Editions that are to be made again say so until they have been."""
    with connection.cursor() as cursor:
        cursor.execute(_OUTDATED, {"at": moment, "late": Edition.Reason.LATE})


def _due(report: Report, time: Period, scope: Scope, reason: str, not_before: datetime) -> Due:
    return Due(
        report=report.key, kind=time.kind, first=time.first, region=scope.region, feature=scope.feature, reason=reason,
        not_before=not_before,
    )  # fmt: skip


def _edition(due: Due, moment: datetime) -> Edition | None:
    """Make a due edition and keep it beside the older ones; None where nothing changed or nothing is left of it."""
    if due.report.startswith(CUSTOM):
        return scheduled.edition(due)
    report, scope, began = REPORTS.get(due.report), Scope(due.region, due.feature), time.monotonic()
    if report is None or due.kind not in report.kinds:
        return None
    asked, principal = period(due.kind, due.first), scopes.within(scope)
    feature = None if scope.feature is None else gate.restrict(principal, report.of).filter(pk=scope.feature).first()
    if scope.feature is not None and feature is None:
        return None
    kept = sheets.in_languages(lambda: report.sheet(principal, asked, feature))
    content = sheets.digest(kept)
    key = {name: getattr(due, name) for name in KEY}
    before = Edition.objects.filter(**key, newest=True).defer("sheets").first()
    if before is not None and before.digest == content:
        Edition.objects.filter(pk=before.pk).update(late_at=None)
        return None
    if before is not None:
        Edition.objects.filter(pk=before.pk).update(newest=False)
    links = {line.link[0] for line in sheets.sheet(next(iter(kept.values()))).lines if line.link}
    return Edition.objects.create(
        **key, subject=_subject(scope, feature), layers=sorted({report.layer, *links}),
        version=before.version + 1 if before else 1,
        reason=Edition.Reason.LATE if before else due.reason, sheets=kept, digest=content,
        inputs=_inputs(report, asked, scope), program=settings.VERSION, made_at=timezone.now(),
        took_ms=round(1000 * (time.monotonic() - began)),
    )  # fmt: skip


def _subject(scope: Scope, feature: Any) -> str:
    if feature is not None:
        return str(feature)[:200]
    return Region.objects.filter(code=scope.region).values_list("name", flat=True).first() or ""


def _inputs(report: Report, asked: Period, scope: Scope) -> dict[str, Any]:
    places = FeatureIndex.objects.filter(layer=report.layer)
    if scope.feature is not None:
        places = places.filter(pk=scope.feature)
    elif scope.region:
        places = places.filter(region_code__startswith=scopes.prefix(scope))
    return inputs(places, (asked.before if report.looks_back else asked).begins_at, asked)


_OUTDATED = """
update reports_edition e set late_at = %(at)s from reports_due d
where d.reason = %(late)s and d.not_before > %(at)s and e.newest and e.late_at is null
    and (e.report, e.kind, e.first, e.region) = (d.report, d.kind, d.first, d.region)
    and e.feature is not distinct from d.feature"""
