"""Judging what came in: readings and finished roll-ups become episodes, whoever evaluates and however often it dies.

What a transaction takes from the queue of arrivals, it judges, writes and tells of before it commits: a killed
evaluator leaves everything as it was. The devices are split into shards; a shard belongs to one evaluator at a time.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
from django.db import transaction
from django.utils import timezone

from services.alarms import reconcile
from services.alarms.detectors import detect
from services.alarms.folding import Folded, Reading, State, fold, from_json, to_json
from services.alarms.models import Rule, Watch
from services.alarms.places import Place, Rules, places
from services.telemetry.partitions import raw
from services.telemetry.spans import Quality, Span

SHARDS = 8
LOCK = 7_303_000
"""Advisory locks of the shards; the next numbers."""
AT_ONCE = 400
"""Devices of one transaction."""
AROUND = timedelta(hours=1)
"""How far before and after late values is read, so that they join what they belong to."""
JUDGED = (Rule.Kind.MEASURE, Rule.Kind.QUALITY)
FAR = datetime(9000, 1, 1, tzinfo=UTC)
_NAMES = {int(quality): quality.name.lower() for quality in Quality}
_DAYS = {Span.DAYTIME, Span.NIGHT}
"""Parts of a day, which are computed with it; the night with the day after."""


Series = tuple[int, int]
"""Device and factor."""


@dataclass
class Arrivals:
    """From when to when values of a span came in from a device, in time and late."""

    live: list[datetime] = field(default_factory=list)
    late: list[datetime] = field(default_factory=list)


class Task(NamedTuple):
    """A rule to judge at a device: from when on, until when, and what is remembered."""

    rule: Rule
    place: Place
    since: datetime
    until: datetime
    state: State
    kept: bool


def evaluate(now: datetime | None = None) -> int:
    """Judge everything that came in, until nothing is left for this evaluator; how many devices were judged."""
    count = 0
    for shard in range(SHARDS):
        while done := _take(shard, now):
            count += done
    return count


@transaction.atomic
def _take(shard: int, now: datetime | None) -> int:
    link, moment = raw(), now or timezone.now()
    # The lock comes in a statement before the queue is read: so what its last holder committed is seen.
    found = link.execute("select pg_try_advisory_xact_lock(%s)", [LOCK + shard]).fetchone()
    if not (found and found[0]):
        return 0
    arrived: dict[int, dict[Span, Arrivals]] = defaultdict(lambda: defaultdict(Arrivals))
    for device, span, low, high, late in link.execute(_CLAIM, {"shards": SHARDS, "shard": shard, "most": AT_ONCE}):
        arrivals = arrived[device][Span(span)]
        (arrivals.late if late else arrivals.live).extend((low, high))
    if arrived:
        detect(link, _finished(arrived))
        _judge(link, arrived, Rules(moment), moment)
    return len(arrived)


def _finished(arrived: dict[int, dict[Span, Arrivals]]) -> list[tuple[int, datetime]]:
    """The hours that were computed, of devices that send what hours are computed from."""
    found = []
    for device, by_span in arrived.items():
        hour = by_span.get(Span.HOUR)
        for at in {*hour.live, *hour.late} if hour else ():
            found.append((device, at))
    return found


def _judge(link: psycopg.Connection, arrived: dict[int, dict[Span, Arrivals]], rules: Rules, now: datetime) -> None:
    known = places(arrived)
    watches = {(w.rule_id, w.device): w for w in Watch.objects.filter(device__in=list(known))}
    by_span: dict[Span, list[Task]] = defaultdict(list)
    late: dict[Span, list[Task]] = defaultdict(list)
    for device, place in known.items():
        for span, arrivals in _with_parts(arrived[device]).items():
            for rule in rules.at(place, JUDGED, span):
                if arrivals.live:
                    task = _task(rule, place, watches.get((rule.pk, device)), min(arrivals.live))
                    by_span[span].append(task)
                settled = watches.get((rule.pk, device))
                # What lies before the settled moment is judged apart, whatever its own mark says.
                early = [at for at in arrivals.live if settled is not None and at <= settled.settled_at]
                if arrivals.late or early:
                    touched = arrivals.late + early
                    begin, end = min(touched) - AROUND, max(touched) + AROUND
                    late[span].append(Task(rule, place, begin, end, State(), False))
    changes = reconcile.Changes(link, rules, now)
    for span, tasks in by_span.items():
        for task, folded, settle in _folded(link, rules, span, tasks, now, live=True):
            _keep(task, folded, settle, watches)
            begun = task.state.run or task.state.pending
            since = min(begun.began_at, task.since) if begun else task.since
            changes.live(task.rule, task.place, since, folded)
    for span, tasks in late.items():
        for task, folded, _settle in _folded(link, rules, span, tasks, now, live=False):
            changes.late(task.rule, task.place, folded)
    changes.write()


def _with_parts(arrivals: dict[Span, Arrivals]) -> dict[Span, Arrivals]:
    """The same with the parts of the days, of which the night before may have been computed, too."""
    day = arrivals.get(Span.DAY)
    if day is None:
        return arrivals
    earlier = timedelta(days=1)
    part = Arrivals([at - earlier for at in day.live], [at - earlier for at in day.late])
    return {**arrivals, **dict.fromkeys(_DAYS, part)}


def _task(rule: Rule, place: Place, watch: Watch | None, low: datetime) -> Task:
    begin = low - timedelta(microseconds=1)
    if watch is None:
        return Task(rule, place, begin, FAR, State(), False)
    if watch.version != rule.version:
        # The rule says something else now: it begins anew, with the episode that is open.
        run = reconcile.open_run(rule, place)
        return Task(rule, place, max(begin, run.last_at) if run else begin, FAR, State(run=run), True)
    return Task(rule, place, watch.settled_at, FAR, from_json(watch.state), True)


def _folded(
    link: psycopg.Connection, rules: Rules, span: Span, tasks: list[Task], now: datetime, *, live: bool
) -> Iterator[tuple[Task, Folded, datetime]]:
    """Each task with what folding its readings gave, and up to where that is settled."""
    wanted: dict[Series, tuple[datetime, datetime]] = {}
    givens: dict[int, set[str]] = {}
    numbers = {code: number for number, (code, _kind) in rules.factors.items()}
    for task in tasks:
        begin = task.since - timedelta(minutes=task.rule.window)
        codes = givens[task.rule.pk] = rules.givens(task.rule)
        for factor in (task.rule.factor_id or 0, *(numbers[code] for code in codes if code in numbers)):
            key = (task.place.device, factor)
            first, last = wanted.get(key, (begin, task.until))
            wanted[key] = min(first, begin), max(last, task.until)
    series = _series(link, span, wanted, now, live=live)
    for task in tasks:
        device = task.place.device
        readings = [r for r in series.get((device, task.rule.factor_id or 0), []) if r.at <= task.until]
        others = {code: series.get((device, numbers[code]), []) for code in givens[task.rule.pk] if code in numbers}
        judge = rules.judge(task.rule, task.place, _given(others))
        settle = now - task.place.grace(span) if live else now
        if task.kept:
            settle = max(settle, task.since)
        yield task, fold(judge, task.state, readings, task.since, settle), settle


def _given(others: dict[str, list[Reading]]) -> Callable[[datetime], dict[str, float]]:
    """What else was measured at a moment: the last good value up to then."""
    good = {
        code: [(r.at, r.value) for r in some if r.quality == "good" and r.value is not None]
        for code, some in others.items()
    }
    if not good:
        return lambda at: {}
    times = {code: [at for at, _value in some] for code, some in good.items()}

    def given(at: datetime) -> dict[str, float]:
        found = {}
        for code, some in good.items():
            if place := bisect_right(times[code], at):
                found[code] = some[place - 1][1]
        return found

    return given


def _series(
    link: psycopg.Connection,
    span: Span,
    wanted: dict[tuple[int, int], tuple[datetime, datetime]],
    now: datetime,
    *,
    live: bool,
) -> dict[tuple[int, int], list[Reading]]:
    """The readings of devices and factors from a moment on, in the order of time."""
    if not wanted:
        return {}
    devices, factors = zip(*wanted, strict=True)
    begins, ends = zip(*wanted.values(), strict=True)
    given = {
        "devices": list(devices), "factors": list(factors), "begins": list(begins), "ends": list(ends),
        "span": int(span), "earliest": min(begins), "live": live, "now": now,
    }  # fmt: skip
    query = _READINGS if span in (Span.REAL, Span.MINUTE) else _ROLLUPS
    found: dict[tuple[int, int], list[Reading]] = defaultdict(list)
    for device, factor, at, value, quality in link.execute(query, given):
        found[device, factor].append(Reading(at, value, _NAMES.get(quality, "letter")))
    return found


def _keep(task: Task, folded: Folded, settle: datetime, watches: dict[tuple[int, int], Watch]) -> None:
    """Remember the state up to the settled moment, where anything after or at it is not calm."""
    rule, device = task.rule, task.place.device
    if folded.trouble and folded.trouble != rule.trouble:
        Rule.objects.filter(pk=rule.pk).update(trouble=folded.trouble[:300])
        rule.trouble = folded.trouble[:300]
    if folded.settled.calm and not folded.stirred:
        if task.kept:
            watches.pop((rule.pk, device)).delete()
        return
    values = {"version": rule.version, "settled_at": settle, "state": to_json(folded.settled)}
    Watch.objects.update_or_create(rule=rule, device=device, defaults=values)


def replay(rule: Rule, devices: Iterable[int], begin: datetime, end: datetime) -> dict[int, Folded]:
    """What a rule would have found at devices between two moments, without writing anything."""
    link, rules = raw(), Rules(end, [rule])
    span = Span(rule.span)
    tasks = [
        Task(rule, place, begin, end, State(), False) for place in places(devices).values() if rules.at(place, JUDGED)
    ]
    return {t.place.device: folded for t, folded, _settle in _folded(link, rules, span, tasks, end, live=False)}


# What another transaction has not committed yet is taken the next time: nothing is skipped.
_CLAIM = """
with taken as (
    select distinct device from telemetry_arrival where device %% %(shards)s = %(shard)s limit %(most)s
)
delete from telemetry_arrival a using taken where a.device = taken.device
returning a.device, a.span, a.low, a.high, a.late"""
_READINGS = """
select r.device, r.factor, r.at, r.value, r.quality
from unnest(%(devices)s::int4[], %(factors)s::int2[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
    w (device, factor, begin, until)
cross join lateral (
    select device, factor, at, value, quality from telemetry_reading
    where device = w.device and factor = w.factor and span = %(span)s and at >= w.begin and at <= w.until
        and at >= %(earliest)s
        and not (late and %(live)s)
    order by at
) r"""
_ROLLUPS = """
select r.device, r.factor, r.at, r.mean, 0
from unnest(%(devices)s::int4[], %(factors)s::int2[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
    w (device, factor, begin, until)
cross join lateral (
    select device, factor, at, mean from telemetry_rollup
    where device = w.device and factor = w.factor and span = %(span)s and at >= w.begin and at <= w.until
        and at >= %(earliest)s
        and valid and at < %(now)s
    order by at
) r"""
