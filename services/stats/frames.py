"""The time that statistics are about: a period of China's calendar, its parts, and the times it is compared with."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from django.utils import timezone
from django.utils.translation import gettext as _

from services.access.errors import Invalid
from services.telemetry.reports import FREE, Period, period
from services.telemetry.spans import ZONE

KINDS = ("week", "month", "quarter", "year", FREE)
LONGEST = 3660
"""Days of a time that somebody chose."""
STEPS = {"week": "day", "month": "day", "quarter": "week", "year": "month"}
BY_DAY, BY_WEEK = 45, 400
"""Days up to which a time that was chosen is shown by days, and by weeks; a longer one by months."""


class Window(NamedTuple):
    """Days from ``first`` to before ``end``."""

    first: date
    end: date

    @property
    def begins_at(self) -> datetime:
        return midnight(self.first)

    @property
    def ends_at(self) -> datetime:
        return midnight(self.end)

    @property
    def last(self) -> date:
        return self.end - timedelta(days=1)


@dataclass(frozen=True)
class Frame:
    """A period as statistics show it; ``today`` decides whether it still runs."""

    time: Period
    today: date

    @property
    def window(self) -> Window:
        return Window(self.time.first, self.time.end)

    @property
    def running(self) -> bool:
        """Whether its last day is still to come, so that it has not all its data."""
        return self.time.first <= self.today < self.time.end - timedelta(days=1)

    @cached_property
    def step(self) -> str:
        """``day``, ``week`` or ``month``: the length of its parts."""
        days = (self.time.end - self.time.first).days
        return STEPS.get(self.time.kind) or ("day" if days <= BY_DAY else "week" if days <= BY_WEEK else "month")

    @cached_property
    def buckets(self) -> list[date]:
        """The calendar days on which its parts begin; the first and the last part may reach beyond the period."""
        found, day = [], begin(self.time.first, self.step)
        while day < self.time.end:
            found.append(day)
            day = following(day, self.step)
        return found

    def part(self, bucket: date) -> Window:
        """What of a part lies within the period."""
        return Window(max(bucket, self.time.first), min(following(bucket, self.step), self.time.end))

    def to_come(self, bucket: date) -> bool:
        """Whether a part has not begun yet."""
        return max(bucket, self.time.first) > self.today

    @cached_property
    def before(self) -> Window:
        """The period before; while this one runs, as many days of it as this one has had."""
        return self._cut(self.time.before)

    @cached_property
    def last_year(self) -> Window | None:
        """The same period of the year before, likewise; None for a year, of which it is the period before.

        A week has the same number in the ISO calendar; week 53 is held against week 52 of a year that has no more.
        """
        first, last = self.time.first, self.time.end - timedelta(days=1)
        if self.time.kind == "year":
            return None
        if self.time.kind == "week":
            year, number, _day = first.isocalendar()
            weeks = date(year - 1, 12, 28).isocalendar().week
            return self._cut(period("week", date.fromisocalendar(year - 1, min(number, weeks), 1)))
        if self.time.kind == FREE:
            return self._cut(Period(FREE, a_year_before(first), a_year_before(last) + timedelta(days=1)))
        return self._cut(period(self.time.kind, a_year_before(first)))

    def _cut(self, time: Period) -> Window:
        """What the running period has had so far, of an earlier one."""
        if not self.running:
            return Window(time.first, time.end)
        had = self.today + timedelta(days=1) - self.time.first
        return Window(time.first, min(time.first + had, time.end))


def frame(kind: str, day: date | None = None, until: date | None = None, today: date | None = None) -> Frame:
    """The period of a kind in which a day lies, or from one day to another, both included; Invalid for what is none."""
    now = today or timezone.now().astimezone(ZONE).date()
    first = day or now
    if kind not in KINDS:
        raise Invalid(_("没有这种统计周期。"), {"period": [", ".join(KINDS)]})
    if kind != FREE:
        return Frame(period(kind, first), now)
    last = until or first
    if last < first:
        raise Invalid(_("结束日期不应早于开始日期。"), {"until": [_("不应早于开始日期。")]})
    if (last - first).days >= LONGEST:
        raise Invalid(_("时间范围过长，请缩短时间范围。"), {"until": [_("最长10年。")]})
    return Frame(Period(FREE, first, last + timedelta(days=1)), now)


def begin(day: date, step: str) -> date:
    """The first day of the part in which a day lies."""
    return day if step == "day" else period(step, day).first


def following(day: date, step: str) -> date:
    """The first day of the part after the one that begins on a day."""
    return day + timedelta(days=1) if step == "day" else period(step, day).end


def a_year_before(day: date) -> date:
    """The same day of the year before; of a 29 February the 28th."""
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def midnight(day: date) -> datetime:
    """When a day begins in China."""
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)
