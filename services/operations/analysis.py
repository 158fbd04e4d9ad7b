"""What logs say: counts by system, level and time, what is usual, and rises of errors."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet, Sum
from django.utils import timezone

from services.limits.rows import day_of
from services.operations.logs import STEP, step_of
from services.operations.models import LogCount, LogEntry, LogLevel, Policy, Rise

APART = timedelta(hours=1)
"""The newest counts are left out of what is usual: a rise must not lift its own measure."""


@dataclass(frozen=True)
class Choice:
    """Which entries are looked at; empty texts and 0 mean all."""

    begin: datetime
    end: datetime
    system: str = ""
    program: str = ""
    level: int = 0
    """At least so grave."""
    text: str = ""

    def counts(self) -> QuerySet[LogCount]:
        """Their counts, whatever their text is."""
        return LogCount.objects.filter(self._of(step_of(self.begin)))

    def entries(self) -> QuerySet[LogEntry]:
        """The entries, newest first."""
        found = LogEntry.objects.filter(self._of(self.begin))
        for word in self.text.split():
            found = found.filter(
                Q(message__icontains=word) | Q(cause__icontains=word) | Q(logger__icontains=word)
                | Q(account__icontains=word) | Q(request__icontains=word)
            )  # fmt: skip
        return found.order_by("-at", "-id")

    def _of(self, begin: datetime) -> Q:
        wanted = Q(at__gte=begin, at__lt=self.end, level__gte=self.level)
        if self.system:
            wanted &= Q(system=self.system)
        if self.program:
            wanted &= Q(program=self.program)
        return wanted


@dataclass(frozen=True)
class Line:
    """The counts of one program: by level, and what it dropped."""

    system: str
    program: str
    counts: dict[int, int]
    lost: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def lines(choice: Choice) -> list[Line]:
    """Counts by program of each system, those with most errors first."""
    rows = choice.counts().values_list("system", "program", "level").annotate(all=Sum("n"), gone=Sum("lost"))
    counts: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    lost: dict[tuple[str, str], int] = defaultdict(int)
    for system, program, level, n, gone in rows:
        if n:
            counts[system, program][level] = n
        lost[system, program] += gone
    made = [Line(*key, counts[key], gone) for key, gone in lost.items()]
    return sorted(made, key=lambda line: (-errors(line.counts), -line.total, line.system, line.program))


def errors(counts: dict[int, int]) -> int:
    """How many of some counts by level are errors."""
    return sum(n for level, n in counts.items() if level >= LogLevel.ERROR)


def series(choice: Choice, step: timedelta) -> dict[int, dict[datetime, int]]:
    """Level → begin of each step that has entries → how many; a step is a multiple of ten minutes."""
    found: dict[int, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for at, level, n in choice.counts().values_list("at", "level").annotate(all=Sum("n")):
        if n:
            found[level][choice_step(at, choice.begin, step)] += n
    return {level: dict(points) for level, points in found.items()}


def choice_step(at: datetime, begin: datetime, step: timedelta) -> datetime:
    """The begin of the step to which a moment belongs, counted from the first."""
    first = step_of(begin)
    return first + (at - first) // step * step


def usual(moment: datetime, days: int, system: str = "", program: str = "") -> dict[tuple[str, str], float]:
    """Errors in ten minutes as they were on average in the days before, by system and program.

    Ten minutes without an error count as none; of a program whose first entry is younger, from that on.
    """
    end, begin = step_of(moment) - APART, step_of(moment) - timedelta(days=days)
    rows = LogCount.objects.filter(at__gte=begin, at__lt=end)
    if system:
        rows = rows.filter(system=system)
    if program:
        rows = rows.filter(program=program)
    grave = Sum("n", filter=Q(level__gte=LogLevel.ERROR))
    found = {}
    for name, part, n, first in rows.values_list("system", "program").annotate(n_=grave, first=Min("at")):
        found[name, part] = (n or 0) / max(1, (end - first) / STEP)
    return found


@transaction.atomic
def look(now: datetime | None = None) -> tuple[list[Rise], list[Rise]]:
    """Find rises of errors that begin, and end those that are over: which began and which ended.

    A program's errors rise when they are, in the running ten minutes or the ten before, at least so many, and so many
    times what is usual, as the policy in force says.
    """
    moment = now or timezone.now()
    policy = Policy.at(day_of(moment))
    running = step_of(moment)
    rows = LogCount.objects.filter(at__gte=running - STEP, at__lte=running, level__gte=LogLevel.ERROR)
    most: dict[tuple[str, str], tuple[int, datetime]] = {}
    for system, program, at, n in rows.values_list("system", "program", "at").annotate(all=Sum("n")):
        most[system, program] = max(most.get((system, program), (0, at)), (n, at))
    open_now = {(rise.system, rise.program): rise for rise in Rise.objects.select_for_update().filter(ended_at=None)}
    level = usual(moment, policy.rise_days) if most else {}
    began, ended = [], []
    for key, (n, at) in most.items():
        rise = open_now.get(key)
        # What was usual when it began stays its measure: one that lasts for days does not become usual.
        common = rise.usual if rise else level.get(key, 0.0)
        if n < policy.rise_least or n < policy.rise_factor * common:
            continue
        if rise is None:
            began.append(
                Rise.objects.create(
                    system=key[0], program=key[1], began_at=at, usual=common, peak=n, peak_at=at
                )
            )  # fmt: skip
            continue
        del open_now[key]
        if n > rise.peak:
            rise.peak, rise.peak_at = n, at
            rise.save(update_fields=["peak", "peak_at"])
    for rise in open_now.values():
        rise.ended_at = running
        rise.save(update_fields=["ended_at"])
        ended.append(rise)
    return began, ended


def rises(choice: Choice) -> QuerySet[Rise]:
    """The rises that touch a time."""
    found = Rise.objects.filter(Q(ended_at=None) | Q(ended_at__gt=choice.begin), began_at__lt=choice.end)
    if choice.system:
        found = found.filter(system=choice.system)
    return found.filter(program=choice.program) if choice.program else found


def programs(begin: datetime) -> list[tuple[str, str]]:
    """System and program of whatever has written since."""
    found: Iterable[tuple[str, str]] = (
        LogCount.objects.filter(at__gte=begin).values_list("system", "program").annotate(n_=Count("*"))
    ).values_list("system", "program")
    return sorted(found)
