"""From readings in the order of time to runs of exceedance: pure, so that a replay gives the same runs."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from math import log10
from typing import Any, NamedTuple

from services.alarms.conditions import COUNTED, holds, names
from services.limits.rows import NIGHT, ZONE, Limit, day_of, period_of

MOST_URGENT = ("red", "orange", "yellow", "blue")
LEAST_OF_WINDOW = 0.75
"""Share of its readings that an averaging window must hold to be judged."""


class Reading(NamedTuple):
    """A value at its moment; ``quality`` is ``good`` or the name of why it does not count."""

    at: datetime
    value: float | None
    quality: str = "good"


@dataclass(frozen=True)
class Judge:
    """A rule at a device, ready to judge readings."""

    condition: str
    clear: str = ""
    level: str = "yellow"
    steps: tuple[tuple[str, str], ...] = ()
    """(Level, condition), the most urgent first."""
    for_time: timedelta = timedelta(0)
    n_least: int = 1
    clear_time: timedelta = timedelta(0)
    window: timedelta = timedelta(0)
    expected: float = 1.0
    """Readings in a whole window."""
    energy: bool = False
    downward: bool = False
    bad_too: bool = False
    """Whether readings that do not count are judged as well."""
    period: str = ""
    weekdays: str = "1234567"
    gap: timedelta = timedelta(hours=1)
    """A longer pause breaks what must last."""
    limit: Callable[[datetime], Limit | None] | None = None

    @property
    def texts(self) -> list[str]:
        return [self.condition, *filter(None, [self.clear]), *(text for _level, text in self.steps)]

    @property
    def uses(self) -> set[str]:
        """The variables that its conditions use."""
        return set().union(*map(names, self.texts))

    def exceeds(self, limit: Limit, value: float) -> bool:
        """Whether a value crosses a limit, downwards where that is the bad direction."""
        return value < limit.value if self.downward and limit.value is not None else limit.exceeded(value)

    def scheduled(self, at: datetime) -> bool:
        """Whether it judges at this moment of the week."""
        here = at.astimezone(ZONE)
        return str(here.isoweekday()) in self.weekdays and self.period in ("", period_of(at))


@dataclass
class Run:
    """A time in which a condition held; ``raised_at`` is the reading with which it had held long enough."""

    began_at: datetime
    last_at: datetime
    value: float | None
    peak: float | None
    peak_at: datetime
    level: str
    limit: float | None
    count: int = 1
    raised_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def until(self) -> datetime:
        """Its end, or its last exceedance so far."""
        return self.ended_at or self.last_at


@dataclass
class State:
    """What must be remembered between two readings; a calm one need not be kept."""

    last_at: datetime | None = None
    over_since: datetime | None = None
    n_exceeded: int = 0
    day: str = ""
    n_today: int = 0
    n_bad: int = 0
    clear_since: datetime | None = None
    pending: Run | None = None
    run: Run | None = None

    @property
    def calm(self) -> bool:
        """Whether it is no other than that of a rule that has seen nothing."""
        return self.pending is None and self.run is None and not (self.n_exceeded or self.n_bad or self.n_today)


@dataclass
class Folded:
    """Where folding got to: finished runs, the state, and the state as it was at the settled moment."""

    finished: list[Run] = field(default_factory=list)
    state: State = field(default_factory=State)
    settled: State = field(default_factory=State)
    stirred: bool = False
    """Whether anything but calm was seen after the settled moment."""
    trouble: str = ""

    @property
    def runs(self) -> list[Run]:
        return [*self.finished, *([self.state.run] if self.state.run else [])]


def fold(judge: Judge, state: State, readings: Iterable[Reading], since: datetime, settle: datetime) -> Folded:
    """Judge the readings after ``since``; those before it only fill the averaging window.

    ``readings`` are in the order of time. ``settled`` is the state after the last reading up to ``settle``.
    """
    made = Folded(state=deepcopy(state))
    window: deque[Reading] = deque()
    uses, kept = judge.uses, False
    for reading in readings:
        good = reading.quality == "good" and reading.value is not None
        if judge.window and good:
            window.append(reading)
            while window[0].at <= reading.at - judge.window:
                window.popleft()
        if reading.at <= since or not (good or judge.bad_too):
            continue
        if not kept and reading.at > settle:
            made.settled, kept = deepcopy(made.state), True
        try:
            _step(judge, uses, made, reading, window)
        except ValueError as error:
            made.trouble = str(error)
        if kept and not (made.state.calm and made.settled.calm):
            made.stirred = True
    if not kept:
        made.settled = deepcopy(made.state)
    return made


def _step(judge: Judge, uses: set[str], made: Folded, reading: Reading, window: deque[Reading]) -> None:
    state, at = made.state, reading.at
    if state.last_at is not None and at - state.last_at > judge.gap:
        state.pending, state.over_since, state.n_exceeded, state.n_bad = None, None, 0, 0
    state.last_at = at
    value = _mean(judge, window) if judge.window else reading.value
    if value is None and not judge.bad_too:
        return
    limit = judge.limit(at) if judge.limit else None
    known = _known(judge, uses, state, reading, value, limit)
    scheduled = judge.scheduled(at)
    # Where no limit was in force nothing was exceeded.
    needs = (uses & {"limit", "low"}) - {name for name in ("limit", "low") if known[name] is not None}
    hot = scheduled and not needs and holds(judge.condition, known)
    if hot:
        _hot(judge, state, at, value, limit, _level(judge, known))
    elif state.run is None:
        state.pending = None
    elif not scheduled or needs or not judge.clear or holds(judge.clear, known):
        state.clear_since = state.clear_since or at
        if at - state.clear_since >= judge.clear_time:
            state.run.ended_at, state.clear_since = state.clear_since, None
            made.finished.append(state.run)
            state.run = None
    else:
        state.clear_since = None


def _hot(judge: Judge, state: State, at: datetime, value: float | None, limit: Limit | None, level: str) -> None:
    state.clear_since = None
    run = state.run or state.pending
    if run is None:
        bound = None if limit is None else limit.value if limit.value is not None else limit.low
        run = state.pending = Run(at, at, value, value, at, level, bound)
    else:
        run.last_at, run.value, run.count = at, value, run.count + 1
        if value is not None and (run.peak is None or (value < run.peak if judge.downward else value > run.peak)):
            run.peak, run.peak_at = value, at
        if MOST_URGENT.index(level) < MOST_URGENT.index(run.level):
            run.level = level
    if state.run is None and at - run.began_at >= judge.for_time and run.count >= judge.n_least:
        run.raised_at = at
        state.run, state.pending = run, None


def _known(
    judge: Judge, uses: set[str], state: State, reading: Reading, value: float | None, limit: Limit | None
) -> Mapping[str, Any]:
    """The variables of one reading; counts are kept only for rules that ask for them."""
    here = reading.at.astimezone(ZONE)
    if uses & COUNTED:
        over = limit is not None and value is not None and judge.exceeds(limit, value)
        state.n_exceeded = state.n_exceeded + 1 if over else 0
        state.over_since = (state.over_since or reading.at) if over else None
        state.n_bad = state.n_bad + 1 if reading.quality != "good" else 0
        if "n_today" in uses:
            today = day_of(reading.at).isoformat()
            state.n_today = (state.n_today if state.day == today else 0) + over
            state.day = today
    since = state.over_since
    return {
        "value": value, "latest": reading.value, "limit": limit.value if limit else None,
        "low": limit.low if limit else None, "allowed": limit.allowed if limit else 0,
        "n_exceeded": state.n_exceeded, "n_today": state.n_today, "n_bad": state.n_bad,
        "minutes": (reading.at - since).total_seconds() / 60 if since else 0.0, "quality": reading.quality,
        "night": period_of(reading.at) == NIGHT, "hour": here.hour, "weekday": here.isoweekday(), "month": here.month,
    }  # fmt: skip


def _mean(judge: Judge, window: deque[Reading]) -> float | None:
    """The mean of the window, of levels by energy; None where too little of it was measured."""
    if len(window) < LEAST_OF_WINDOW * judge.expected:
        return None
    values = [reading.value for reading in window if reading.value is not None]
    if judge.energy:
        return 10 * log10(sum(10 ** (min(value, 1000) / 10) for value in values) / len(values))
    return sum(values) / len(values)


def _level(judge: Judge, known: Mapping[str, Any]) -> str:
    return next((level for level, text in judge.steps if holds(text, known)), judge.level)


def to_json(state: State) -> dict[str, Any]:
    """A state as it is kept."""
    return _plain(asdict(state))  # type: ignore[no-any-return]


def from_json(data: Mapping[str, Any]) -> State:
    """A state as it was kept."""
    values = {**data}
    for name in ("last_at", "over_since", "clear_since"):
        values[name] = _moment(values[name])
    for name in ("pending", "run"):
        if values[name] is not None:
            times = {key: _moment(at) for key, at in values[name].items() if key.endswith("_at")}
            values[name] = Run(**{**values[name], **times})
    return State(**values)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.isoformat() if isinstance(value, datetime) else value
