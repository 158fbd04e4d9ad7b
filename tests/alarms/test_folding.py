"""Runs of exceedance out of series, without a database: duration, repetition, hysteresis, windows, schedules."""

from datetime import datetime, timedelta
from math import pi, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.environment.rules import LIMITS
from services.alarms.conditions import check
from services.alarms.folding import Judge, Reading, Run, State, fold, from_json, to_json
from services.limits.rows import ZONE, Limit, limit_at

NOON = datetime(2026, 11, 20, 12, tzinfo=ZONE)
BEFORE, FAR = NOON - timedelta(days=1), NOON + timedelta(days=400)
MINUTE = timedelta(minutes=1)
FIXED = Limit("", "", "x", 0, 70.0, NOON.date(), "")


def judge(condition: str = "value > limit", **more: object) -> Judge:
    return Judge(condition, limit=lambda at: FIXED, **more)  # type: ignore[arg-type]


def series(values: list[float | None], begin: datetime = NOON, step: timedelta = MINUTE) -> list[Reading]:
    return [
        Reading(begin + n * step, value, "good" if value is not None else "missing") for n, value in enumerate(values)
    ]


def runs(how: Judge, values: list[float | None], **more: object) -> list[Run]:
    return fold(how, State(), series(values, **more), BEFORE, FAR).runs  # type: ignore[arg-type]


def spans(found: list[Run]) -> list[tuple[int, int | None, int]]:
    """Begin and end in minutes after noon, and the count."""
    return [
        (
            round((run.began_at - NOON) / MINUTE),
            None if run.ended_at is None else round((run.ended_at - NOON) / MINUTE),
            run.count,
        )
        for run in found
    ]


def test_a_run_begins_with_the_first_exceedance_and_ends_with_the_first_clear_value() -> None:
    assert spans(runs(judge(), [60, 71, 72, 70, 60, 75])) == [(1, 3, 2), (5, None, 1)]


def test_a_limit_that_is_just_reached_is_kept_and_zero_is_a_value() -> None:
    assert runs(judge(), [70.0, 70.0]) == []
    assert spans(runs(judge("value <= 0.0"), [0.0, 1.0])) == [(0, 1, 1)]


def test_peak_last_value_and_worsening() -> None:
    (run,) = runs(judge(steps=(("red", "value > limit + 20.0"), ("orange", "value > limit + 5.0"))), [71, 76, 91, 72])
    assert (run.peak, run.value, run.level, run.count) == (91, 72, "red", 4)
    assert run.peak_at == NOON + 2 * MINUTE


def test_duration_and_repetition_must_last_and_a_pause_breaks_them() -> None:
    lasting = judge(for_time=5 * MINUTE)
    assert spans(runs(lasting, [71] * 5 + [60])) == []
    (run,) = runs(lasting, [71] * 6)
    assert (run.began_at, run.raised_at) == (NOON, NOON + 5 * MINUTE)
    assert spans(runs(judge(n_least=3), [71, 71, 60, 71, 71, 71, 60])) == [(3, 6, 3)]
    gap = [Reading(NOON, 71), Reading(NOON + timedelta(hours=3), 71)]
    assert fold(lasting, State(), gap, BEFORE, FAR).runs == []


@pytest.mark.parametrize("amplitude", [0.5, 2.0, 5.0])
def test_f32_a_sine_around_the_limit_is_one_episode(amplitude: float) -> None:
    values = [70 + amplitude * sin(2 * pi * n / 7) for n in range(500)] + [55.0] * 20
    plain = runs(judge(), list(values))
    assert len(plain) > 50
    (run,) = runs(judge(clear="value <= limit - 6.0", clear_time=5 * MINUTE), list(values))
    assert run.ended_at is not None
    assert run.count == sum(each.count for each in plain)
    # A time of watching alone does it, too: no pause of the sine is that long.
    assert len(runs(judge(clear_time=10 * MINUTE), list(values))) == 1


def test_values_that_do_not_count_neither_raise_nor_end() -> None:
    readings = [
        Reading(NOON, 88_000.0, "range"), Reading(NOON + MINUTE, 71.0), Reading(NOON + 2 * MINUTE, 0.0, "flag"),
        Reading(NOON + 3 * MINUTE, 72.0),
    ]  # fmt: skip
    (run,) = fold(judge(), State(), readings, BEFORE, FAR).runs
    assert (run.began_at, run.count, run.ended_at) == (NOON + MINUTE, 2, None)


def test_f28_a_step_by_a_thousand_raises_no_exceedance_but_the_task_for_the_device() -> None:
    bad = [Reading(NOON + n * MINUTE, 88_000.0, "range") for n in range(10)]
    assert fold(judge(), State(), bad, BEFORE, FAR).runs == []
    task = judge("n_bad >= 5", clear="n_bad == 0", bad_too=True)
    good = [Reading(NOON + (10 + n) * MINUTE, 88.0) for n in range(3)]
    (run,) = fold(task, State(), bad + good, BEFORE, FAR).runs
    assert (run.began_at, run.ended_at) == (NOON + 4 * MINUTE, NOON + 10 * MINUTE)


def test_the_window_takes_the_energy_mean_of_levels() -> None:
    how = judge(window=2 * MINUTE, expected=2.0, energy=True)
    (run,) = runs(how, [60.0, 75.0])
    assert run.value == pytest.approx(72.13, abs=0.01)
    assert runs(judge(window=2 * MINUTE, expected=2.0), [60.0, 75.0]) == []
    assert runs(judge(window=20 * MINUTE, expected=20.0), [90.0] * 14) == [], "too little of the window was measured"
    assert len(runs(judge(window=20 * MINUTE, expected=20.0), [90.0] * 15)) == 1


def test_a_rule_of_the_night_ends_in_the_morning() -> None:
    begin = datetime(2026, 11, 20, 21, 50, tzinfo=ZONE)
    how = judge(period="night")
    found = fold(how, State(), series([80.0] * 600, begin), BEFORE, FAR).runs
    assert [(run.began_at.hour, run.ended_at.hour) for run in found if run.ended_at] == [(22, 6)]
    weekend = judge(weekdays="67")
    assert fold(weekend, State(), series([80.0] * 5), BEFORE, FAR).runs == []


def test_f33_by_day_sixty_is_quiet_and_by_night_it_is_not() -> None:
    begin = datetime(2026, 11, 20, 21, 58, tzinfo=ZONE)
    how = Judge("value > limit", limit=lambda at: limit_at(LIMITS, "LA", at))
    (run,) = fold(how, State(), series([60.0] * 5, begin), BEFORE, FAR).runs
    assert run.began_at == begin.replace(hour=22, minute=0)
    assert run.limit == 55


def test_counts_as_variables() -> None:
    assert spans(runs(judge("n_exceeded >= 3"), [71, 71, 71, 71, 60])) == [(2, 4, 2)]
    assert spans(runs(judge("minutes >= 2.0"), [71, 71, 71, 60])) == [(2, 3, 1)]
    assert spans(runs(judge("n_today > 2"), [71, 60, 71, 60, 71, 60])) == [(4, None, 2)]


def test_no_limit_in_force_means_nothing_exceeded() -> None:
    how = Judge("value > limit", limit=lambda at: None)
    assert fold(how, State(), series([900.0] * 3), BEFORE, FAR).runs == []
    assert spans(runs(judge("value < limit", downward=True), [69, 71])) == [(0, 1, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "value >", "value > nothing", "value", "value > limit * 2", "size('x') > 0", "[1, 2].exists(x, x > 1)",
        "value > 'a'", "import('os')", "value.matches('a')", "",
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_is_refused(text: str) -> None:
    assert check(text)


@pytest.mark.parametrize(
    "text",
    ["value > limit", "value > limit * 1.5 && (night || hour in [6, 7])", "n_bad >= 5", "!night && minutes > 30.0",
     "weekday < 6 ? value > 70 : value > 80", "quality == 'range'", "value >= 70"],
)  # fmt: skip
def test_a_condition_that_can_be_is_taken(text: str) -> None:
    assert check(text) == ""


values = st.lists(st.sampled_from([50.0, 65.0, 69.0, 70.5, 72.0, 90.0, None]), min_size=1, max_size=60)
judges = st.builds(
    judge,
    condition=st.sampled_from(["value > limit", "n_exceeded >= 2", "minutes >= 3.0"]),
    clear=st.sampled_from(["", "value < limit - 3.0"]),
    for_time=st.sampled_from([timedelta(0), 3 * MINUTE]),
    n_least=st.integers(1, 3),
    clear_time=st.sampled_from([timedelta(0), 4 * MINUTE]),
    steps=st.sampled_from([(), (("red", "value > 80.0"),)]),
)


@settings(max_examples=300, deadline=None)
@given(how=judges, numbers=values, cut=st.integers(0, 60))
def test_folding_in_two_parts_gives_what_folding_at_once_gives(
    how: Judge, numbers: list[float | None], cut: int
) -> None:
    readings = series(numbers)
    whole = fold(how, State(), readings, BEFORE, FAR)
    edge = NOON + cut * MINUTE
    first = fold(how, State(), readings, BEFORE, edge)
    assert (first.finished, first.state) == (whole.finished, whole.state)
    kept = from_json(to_json(first.settled))
    assert kept == first.settled
    second = fold(how, kept, readings, edge, FAR)
    early = fold(how, State(), [r for r in readings if r.at <= edge], BEFORE, FAR)
    assert early.finished + second.finished == whole.finished
    assert second.state == whole.state
