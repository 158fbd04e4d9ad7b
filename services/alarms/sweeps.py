"""What time alone brings about: devices that fell silent, reports that ceased, deadlines, the end of off duty."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext_noop

from services.alarms import telling
from services.alarms.models import URGENCY, Act, Deadline, Episode, Report, Rule, Tier
from services.alarms.places import Place, Rules, places
from services.alarms.resting import put_back
from services.limits.rows import ZONE, day_of, period_of
from services.telemetry.devices import DEAF, SILENT
from services.telemetry.partitions import raw

LOCK = 7_303_100
"""Advisory lock of whoever sweeps; the others leave it to them."""
CLOSED = gettext_noop("恢复已满 %(minutes)d 分钟，自动办结")
QUIET = 5
"""Minutes without a report after which an irregularity is over, where the rule says no other."""


def sweep(now: datetime | None = None, since: datetime | None = None) -> int:
    """Raise and end what depends on the clock; how many episodes changed. Each part in a transaction of its own.

    ``since``: from when on the product has run. While it was down it heard nobody, and no device was silent for that.
    """
    moment = now or timezone.now()
    put_back(moment)
    return silence(moment, since) + reports(moment) + deadlines(moment) + rectifications(moment) + closings(moment)


@transaction.atomic
def silence(now: datetime, since: datetime | None = None) -> int:
    """Raise an alarm for devices that were not heard for too long, and end those of devices that were."""
    link = raw()
    if not _alone(link):
        return 0
    rules = [rule for rule in Rules(now).all if rule.kind == Rule.Kind.SILENCE and in_force(rule, now)]
    shortest = min((rule.for_minutes for rule in rules), default=None)
    open_now = {(e.rule_id, e.device_id or 0): e for e in _open(Rule.Kind.SILENCE)}
    changed = 0
    if shortest is not None:
        given = {"before": now - timedelta(minutes=shortest), "now": now, "times": SILENT, "deaf": DEAF}
        found = {row.device: row for row in map(Quiet._make, link.execute(_SILENT, given).fetchall())}
        known = places(found)
        table = Rules(now, rules)
        for device, place in known.items():
            quiet = found[device]
            for rule in table.at(place, (Rule.Kind.SILENCE,)):
                if (rule.pk, device) in open_now or not quiet.is_alarming(rule, now, since):
                    continue
                _raise(rule, place, quiet.how, quiet.began, now)
                changed += 1
    if open_now:
        rows = link.execute(_HEARD, [list({device for _rule, device in open_now})]).fetchall()
        back = {device: (at, state) for device, at, state in rows}
        for (_rule, device), episode in open_now.items():
            at, state = back.get(device, (None, ""))
            if state != "active" or (at is not None and at > episode.began_at):
                episode.last_at = max(episode.last_at, min(at or now, now))
                _end(episode, episode.last_at)
                changed += 1
    return changed


class Quiet(NamedTuple):
    """A device that is not heard: since when, since when that counts, and how it left where it did that."""

    device: int
    began: datetime
    counted: datetime
    patience: timedelta
    """Three of its own rhythms."""
    how: str

    def is_alarming(self, rule: Rule, now: datetime, since: datetime | None) -> bool:
        """Whether it is quiet for long enough. Who left is known to be gone; who is only not heard may be late."""
        if self.how:
            return True
        quiet = now - (self.counted if since is None else max(self.counted, since))
        return quiet >= max(timedelta(minutes=rule.for_minutes), self.patience)


@transaction.atomic
def reports(now: datetime) -> int:
    """Raise one alarm for what was reported of a device however often, and end it when reports cease."""
    link = raw()
    if not _alone(link):
        return 0
    found: dict[tuple[int, str], list[Report]] = defaultdict(list)
    rows = list(Report.objects.select_for_update(skip_locked=True).order_by("at")[:10_000])
    for row in rows:
        found[row.device, row.subject].append(row)
    known, table = places({device for device, _subject in found}), Rules(now)
    open_now = {(e.rule_id, e.device_id, e.subject): e for e in _open(Rule.Kind.REPORT)}
    changed = 0
    for (device, subject), some in found.items():
        place = known.get(device)
        for rule in table.at(place, (Rule.Kind.REPORT,)) if place else ():
            episode = open_now.get((rule.pk, device, subject))
            if not in_force(rule, some[-1].at):
                continue
            if episode is None:
                episode = _raise(rule, place, subject, some[0].at, some[-1].at, some[-1].text, len(some))
                open_now[rule.pk, device, subject] = episode
                changed += 1
            else:
                episode.last_at, episode.count = max(episode.last_at, some[-1].at), episode.count + len(some)
                episode.save(update_fields=["last_at", "count"])
    Report.objects.filter(pk__in=[row.pk for row in rows]).delete()
    for episode in open_now.values():
        if episode.last_at < now - timedelta(minutes=episode.rule.clear_minutes or QUIET):
            _end(episode, episode.last_at)
            changed += 1
    return changed


@transaction.atomic
def deadlines(now: datetime) -> int:
    """Tell of alarms with which people are not far enough in time, once for each deadline, and raise their level."""
    if not _alone(raw()):
        return 0
    changed = 0
    table = list(Deadline.objects.select_related("rule"))
    own = {deadline.rule_id for deadline in table if deadline.rule_id}
    for deadline in table:
        states = AWAITING[deadline.step]
        rows = Episode.objects.filter(
            level=deadline.level, state__in=states, late=False, withdrawn=False,
            raised_at__lte=now - timedelta(minutes=deadline.minutes),
        )  # fmt: skip
        rows = rows.filter(rule=deadline.rule_id) if deadline.rule_id else rows.exclude(rule__in=own)
        rows = rows.exclude(acts__deadline=deadline)
        for episode in rows.select_for_update(of=("self",)).select_related("rule", "factor"):
            if deadline.raise_to and URGENCY[deadline.raise_to] < URGENCY[episode.level]:
                episode.level = deadline.raise_to
                episode.save(update_fields=["level"])
            telling.told_of(episode, Act.Kind.OVERDUE, deadline=deadline)
            changed += 1
    return changed


@transaction.atomic
def rectifications(now: datetime) -> int:
    """Tell once of each alarm that was not rectified by its day; a new day may be missed anew."""
    if not _alone(raw()):
        return 0
    said = Act.objects.filter(
        episode=OuterRef("pk"), kind=Act.Kind.OVERDUE, deadline=None, at__gte=OuterRef("rectify_by")
    )  # fmt: skip
    late = Episode.objects.filter(state=Episode.State.RECTIFYING, rectify_by__lte=now).exclude(Exists(said))
    rows = list(late.select_for_update(of=("self",)).select_related("rule", "factor", "assignee"))
    for episode in rows:
        telling.told_of(episode, Act.Kind.OVERDUE, text=episode.measure)
    return len(rows)


@transaction.atomic
def closings(now: datetime) -> int:
    """Close what is over and nobody has taken up, where its level lets it be; how many."""
    if not _alone(raw()):
        return 0
    changed = 0
    for tier in Tier.objects.exclude(close_minutes=None):
        over = Episode.objects.filter(
            level=tier.level, state=Episode.State.OPEN, withdrawn=False,
            ended_at__lte=now - timedelta(minutes=tier.close_minutes or 0),
        )  # fmt: skip
        for episode in over.select_for_update(of=("self",)).select_related("rule", "factor"):
            episode.state, episode.closed_at = Episode.State.CLOSED, now
            episode.save(update_fields=["state", "closed_at"])
            telling.told_of(episode, Act.Kind.CLOSED, text=CLOSED, given={"minutes": tier.close_minutes})
            changed += 1
    return changed


AWAITING: dict[str, tuple[str, ...]] = {
    Deadline.Step.ACKNOWLEDGE: (Episode.State.OPEN,),
    # What is being rectified has a day of its own.
    Deadline.Step.HANDLE: tuple(state for state in Episode.UNDONE if state != Episode.State.RECTIFYING),
    Deadline.Step.CLOSE: (*Episode.UNDONE, Episode.State.HANDLED),
}
"""Step → the states in which it has not been taken yet."""


def _alone(link: psycopg.Connection) -> bool:
    found = link.execute("select pg_try_advisory_xact_lock(%s)", [LOCK]).fetchone()
    return bool(found and found[0])


def in_force(rule: Rule, at: datetime) -> bool:
    """Whether a rule holds at a moment, by its days, weekdays and part of the day."""
    day = day_of(at)
    return (
        rule.valid_from <= day
        and (rule.valid_to is None or day < rule.valid_to)
        and str(at.astimezone(ZONE).isoweekday()) in rule.weekdays
        and rule.period in ("", period_of(at))
    )


def _open(kind: str) -> list[Episode]:
    rows = Episode.objects.filter(rule__kind=kind, ended_at=None, late=False)
    return list(rows.select_for_update(of=("self",)).select_related("rule", "factor"))


def _raise(
    rule: Rule, place: Place | None, subject: str, began: datetime, last: datetime, text: str = "", count: int = 1
) -> Episode:
    assert place is not None
    episode = Episode.objects.create(
        rule=rule, device_id=place.device, feature_id=place.feature, subject=subject, level=rule.level, count=count,
        began_at=began, last_at=last,
    )  # fmt: skip
    telling.told_of(episode, Act.Kind.RAISED, place, text=text)
    return episode


def _end(episode: Episode, at: datetime) -> None:
    episode.ended_at = at
    episode.save(update_fields=["ended_at", "last_at"])
    telling.told_of(episode, Act.Kind.ENDED)


# Of a device and those behind it that are gone together, the one in front is told of.
_SILENT = """
select d.id, case when s.has_left then p.left_at else s.seen end, greatest(s.seen, l.since, f.connected_at),
    make_interval(secs => %(times)s * case d.base when 0 then d.interval when 1 then 60 * d.minute_span else 3600 end),
    case when s.has_left then p.left_how else '' end
from telemetry_device d
left join telemetry_presence p on p.device_id = d.id
left join telemetry_presence f on f.device_id = d.behind_id
left join telemetry_listening l on l.protocol = d.protocol
cross join lateral (
    select coalesce(p.seen_at, d.approved_at, d.created_at) as seen,
        p.left_at is not null and (d.behind_id is null or p.left_at >= f.connected_at) as has_left
) s
where d.state = 'active' and d.feature is not null
    and (s.has_left or (s.seen < %(before)s and (l.at is null or l.at > %(now)s - make_interval(secs => %(deaf)s))))
    and (d.behind_id is null or (f.left_at is null and f.seen_at >= %(before)s))"""
_HEARD = """
select d.id, p.seen_at, d.state from telemetry_device d left join telemetry_presence p on p.device_id = d.id
where d.id = any(%s)"""
