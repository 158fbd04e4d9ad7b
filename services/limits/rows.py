"""Limits and scales as plain values, and how the one in force is found: pure, without a database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
DAY, NIGHT = "day", "night"
DAY_FROM, NIGHT_FROM = 6, 22
"""Hours at which day and night begin unless the county says otherwise (GB 12523)."""
YEAR = 525_600
"""Minutes of an annual mean."""


@dataclass(frozen=True)
class Limit:
    """What a standard allows of a factor, averaged over ``minutes`` (0: a single value), from a day on.

    ``grade`` (class), ``stage``, ``region`` (code prefix) and ``period`` narrow it; empty means any. ``given``: it
    holds only while that other factor is at most ``given_most``. ``valid_to`` is the first day on which it no longer
    holds. ``verified`` tells whether it was checked against a source.
    """

    standard: str
    version: str
    factor: str
    minutes: int
    value: float | None
    valid_from: date
    citation: str
    valid_to: date | None = None
    low: float | None = None
    grade: str = ""
    stage: str = ""
    region: str = ""
    period: str = ""
    given: str = ""
    given_most: float | None = None
    allowed: int = 0
    over_background: bool = False
    verified: bool = True

    def exceeded(self, value: float) -> bool:
        """Whether a value is over it, or under its lower end; one that is just reached is kept."""
        return (self.value is not None and value > self.value) or (self.low is not None and value < self.low)


@dataclass(frozen=True)
class Scale:
    """Concentrations and the indices that they stand for, with a straight line between each two.

    ``beyond`` is the index above the last point, None where there is none. ``digits``: values are rounded to so many
    before (GB/T 8170, half to even), None: not at all.
    """

    standard: str
    version: str
    factor: str
    minutes: int
    points: tuple[str, ...]
    indices: tuple[int, ...]
    valid_from: date
    citation: str
    beyond: int | None
    digits: int | None = None
    valid_to: date | None = None

    def index(self, value: Decimal | float | str) -> int | None:
        """The index of a value, rounded up; exact, as binary fractions would round 2.2 up wrongly."""
        amount = Decimal(str(value))
        if self.digits is not None:
            amount = amount.quantize(Decimal(1).scaleb(-self.digits), ROUND_HALF_EVEN)
        points = [Decimal(point) for point in self.points]
        if amount <= points[0]:
            return self.indices[0]
        for n in range(1, len(points)):
            if amount <= points[n]:
                rise = (self.indices[n] - self.indices[n - 1]) * (amount - points[n - 1])
                exact = rise / (points[n] - points[n - 1]) + self.indices[n - 1]
                return int(exact.quantize(Decimal("1e-9")).to_integral_value(ROUND_CEILING))
        return self.beyond


def day_of(at: datetime) -> date:
    """The day in China on which a moment lies."""
    return at.astimezone(ZONE).date()


def period_of(at: datetime) -> str:
    """``day`` from 06:00:00, ``night`` from 22:00:00, in China."""
    return DAY if DAY_FROM <= at.astimezone(ZONE).hour < NIGHT_FROM else NIGHT


def limit_at(
    rows: Iterable[Limit],
    factor: str,
    at: datetime,
    *,
    minutes: int | None = None,
    grade: str = "",
    stage: str = "",
    region: str = "",
    given: Mapping[str, float] | None = None,
) -> Limit | None:
    """The limit in force at the moment of measuring: the most particular that applies, of equals the stricter.

    Without ``minutes`` one of any span. A row with a class needs that class; a stage that is not known, or that no
    row names, takes the stricter one.
    """
    day, period, known = day_of(at), period_of(at), given or {}
    found = [
        row
        for row in rows
        if row.factor == factor
        and (minutes is None or row.minutes == minutes)
        and row.valid_from <= day
        and (row.valid_to is None or day < row.valid_to)
        and row.grade in ("", grade)
        and region.startswith(row.region)
        and row.period in ("", period)
        and (not row.given or (row.given in known and known[row.given] <= (row.given_most or 0)))
    ]
    if stage and any(row.stage == stage for row in found):
        found = [row for row in found if row.stage in ("", stage)]
    return min(found, key=_order, default=None)


def scale_at(rows: Iterable[Scale], factor: str, minutes: int, at: datetime) -> Scale | None:
    """The scale in force at the moment of measuring; of several the newest."""
    day = day_of(at)
    found = [
        row
        for row in rows
        if (row.factor, row.minutes) == (factor, minutes)
        and row.valid_from <= day
        and (row.valid_to is None or day < row.valid_to)
    ]
    return max(found, key=lambda row: row.valid_from, default=None)


def _order(row: Limit) -> tuple[int, bool, bool, bool, float, int]:
    """The longer region first, then what names class, period and condition, then the stricter, then the newer."""
    strict = row.value if row.value is not None else float("inf")
    return -len(row.region), not row.grade, not row.period, not row.given, strict, -row.valid_from.toordinal()
