"""Periods of China's calendar, their parts, and what they are compared with: pure, without a database."""

from datetime import date
from itertools import pairwise

import pytest

from services.access.errors import Invalid
from services.stats.frames import Frame, Window, frame

LATER = date(2040, 1, 1)


def days(first: str, last: str) -> Window:
    """From one day to another, both included."""
    return Window(date.fromisoformat(first), date.fromordinal(date.fromisoformat(last).toordinal() + 1))


@pytest.mark.parametrize(
    ("kind", "day", "own", "before", "last_year", "step", "parts"),
    [
        ("week", "2026-11-27", ("2026-11-23", "2026-11-29"), ("2026-11-16", "2026-11-22"), ("2025-11-24", "2025-11-30"),
         "day", 7),
        # ISO week 53 of 2026 begins in it and ends in 2027; 2025 has 52 weeks.
        ("week", "2027-01-01", ("2026-12-28", "2027-01-03"), ("2026-12-21", "2026-12-27"), ("2025-12-22", "2025-12-28"),
         "day", 7),
        # Week 1 of 2025 begins in 2024, and the week before it is week 52.
        ("week", "2024-12-31", ("2024-12-30", "2025-01-05"), ("2024-12-23", "2024-12-29"), ("2024-01-01", "2024-01-07"),
         "day", 7),
        # Week 53 of 2020 is held against week 52 of 2019.
        ("week", "2021-01-03", ("2020-12-28", "2021-01-03"), ("2020-12-21", "2020-12-27"), ("2019-12-23", "2019-12-29"),
         "day", 7),
        ("month", "2024-02-15", ("2024-02-01", "2024-02-29"), ("2024-01-01", "2024-01-31"),
         ("2023-02-01", "2023-02-28"), "day", 29),
        ("month", "2026-01-31", ("2026-01-01", "2026-01-31"), ("2025-12-01", "2025-12-31"),
         ("2025-01-01", "2025-01-31"), "day", 31),
        ("quarter", "2026-05-01", ("2026-04-01", "2026-06-30"), ("2026-01-01", "2026-03-31"),
         ("2025-04-01", "2025-06-30"), "week", 14),
        ("year", "2026-05-01", ("2026-01-01", "2026-12-31"), ("2025-01-01", "2025-12-31"), None, "month", 12),
    ],
)  # fmt: skip
def test_a_period_its_parts_and_what_it_is_compared_with(
    kind: str, day: str, own: tuple[str, str], before: tuple[str, str], last_year: tuple[str, str] | None, step: str,
    parts: int,
) -> None:  # fmt: skip
    found = frame(kind, date.fromisoformat(day), today=LATER)
    assert found.window == days(*own)
    assert found.before == days(*before)
    assert found.last_year == (days(*last_year) if last_year else None)
    assert (found.step, len(found.buckets)) == (step, parts)
    covered(found)


@pytest.mark.parametrize(
    ("first", "last", "before", "last_year", "step"),
    [
        ("2026-11-03", "2026-11-05", ("2026-10-31", "2026-11-02"), ("2025-11-03", "2025-11-05"), "day"),
        ("2024-02-20", "2024-02-29", ("2024-02-10", "2024-02-19"), ("2023-02-20", "2023-02-28"), "day"),
        ("2026-03-04", "2026-06-09", ("2025-11-26", "2026-03-03"), ("2025-03-04", "2025-06-09"), "week"),
        ("2024-01-01", "2026-06-30", ("2021-07-03", "2023-12-31"), ("2023-01-01", "2025-06-30"), "month"),
    ],
)
def test_days_of_ones_own(
    first: str, last: str, before: tuple[str, str], last_year: tuple[str, str], step: str
) -> None:
    found = frame("free", date.fromisoformat(first), date.fromisoformat(last), today=LATER)
    assert found.window == days(first, last)
    assert (found.before, found.last_year) == (days(*before), days(*last_year))
    assert found.step == step
    covered(found)


def covered(found: Frame) -> None:
    """The parts make up the whole, without gap or overlap."""
    parts = [found.part(bucket) for bucket in found.buckets]
    assert parts[0].first == found.window.first
    assert parts[-1].end == found.window.end
    assert all(one.end == other.first for one, other in pairwise(parts))


def test_a_running_period_is_held_against_as_many_days() -> None:
    found = frame("month", date(2026, 11, 28), today=date(2026, 11, 28))
    assert found.running
    assert found.before == days("2026-10-01", "2026-10-28")
    assert found.last_year == days("2025-11-01", "2025-11-28")
    assert [found.to_come(bucket) for bucket in found.buckets[-3:]] == [False, True, True]
    # On its last day it has had all of them; of a shorter month there are no more than it has.
    assert frame("month", today=date(2026, 11, 30)).before == days("2026-10-01", "2026-10-31")
    assert frame("month", date(2026, 3, 30), today=date(2026, 3, 30)).before == days("2026-02-01", "2026-02-28")


def test_a_day_begins_at_midnight_in_china() -> None:
    assert days("2026-11-23", "2026-11-29").begins_at.isoformat() == "2026-11-23T00:00:00+08:00"
    assert days("2026-11-23", "2026-11-29").ends_at.isoformat() == "2026-11-30T00:00:00+08:00"


def test_what_is_no_period_is_refused() -> None:
    with pytest.raises(Invalid):
        frame("fortnight")
    with pytest.raises(Invalid):
        frame("free", date(2026, 2, 1), date(2026, 1, 1))
    with pytest.raises(Invalid):
        frame("free", date(2000, 1, 1), date(2026, 1, 1))
