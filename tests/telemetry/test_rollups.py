"""Hours, days and months: their formulas, their validity, and that late data touch only their own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from services.telemetry import rollups
from services.telemetry.spans import Span
from services.telemetry.store import Row, Store
from tests.telemetry.conftest import CHINA, NOON, reading, series

pytestmark = pytest.mark.django_db
Device = Callable[..., int]
LATER = NOON + timedelta(days=40)


@pytest.fixture(autouse=True, params=[rollups.WIDE, 1], ids=["few", "many"])
def wide(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of few devices is read by device, that of many as a whole: what comes out is the same."""
    monkeypatch.setattr(rollups, "WIDE", request.param)


@pytest.fixture
def compute(link: psycopg.Connection) -> Callable[..., dict[Span, int]]:
    """Compute over the committing connection, at a time when everything is over unless said otherwise."""
    return lambda **options: rollups.compute(link, **({"now": LATER} | options))


def rolled(link: psycopg.Connection, device: int, span: Span, code: str = "a34002") -> list[tuple[Any, ...]]:
    """Time, mean, low, high, total, valid, expected and whether it is valid, of each."""
    return link.execute(
        "select at, round(mean::numeric, 2)::float8, low, high, total, n_valid, n_expected, valid"
        " from telemetry_rollup r"
        " join telemetry_factor f on f.id = r.factor where device = %s and span = %s and code = %s order by at",
        [device, span, code],
    ).fetchall()


def hours(device: int, values: list[float], begin: datetime, **more: Any) -> list[Row]:
    """One value an hour, of a device whose base is the hour."""
    return series(device, values, begin, 3600, **({"span": "hour", "received_at": begin + timedelta(days=2)} | more))


@pytest.mark.parametrize(("levels", "leq"), [([60.0, 70.0], 67.40), ([50.0] * 59 + [90.0], 72.24), ([70.0] * 60, 70.0)])
def test_noise_is_averaged_by_energy(
    store: Store, link: psycopg.Connection, device: Device, compute: Any, levels: list[float], leq: float
) -> None:
    one = device()
    store.write(series(one, levels, factor="LA"))
    compute()
    assert rolled(link, one, Span.HOUR, "LA") == [
        (NOON, leq, min(levels), max(levels), None, len(levels), 60, len(levels) >= 45)
    ]


def test_f33_a_night_runs_across_midnight_and_belongs_to_the_day_it_begins_on(
    store: Store, link: psycopg.Connection, device: Device, compute: Any
) -> None:
    one = device(base=Span.HOUR)
    day = datetime(2026, 11, 19, tzinfo=CHINA)
    # From 06:00 to 21:59 70 dB, from 22:00 to 05:59 of the next day 55 dB, before and after 99 dB.
    levels = [99.0] * 6 + [70.0] * 16 + [55.0] * 8 + [99.0] * 2
    store.write(hours(one, levels, day, factor="LA"))
    compute()
    assert (day, 70.0, 70.0, 70.0, None, 16, 16, True) in rolled(link, one, Span.DAYTIME, "LA")
    assert (day, 55.0, 55.0, 55.0, None, 8, 8, True) in rolled(link, one, Span.NIGHT, "LA")
    before = rolled(link, one, Span.NIGHT, "LA")[0]
    assert before[0] == day - timedelta(days=1)
    assert before[5:] == (6, 8, False)
    ldn = {row[0]: (row[1], row[7]) for row in rolled(link, one, Span.LDN, "LA")}
    assert ldn[day] == (68.88, True)


def test_the_wind_is_averaged_as_a_vector_weighted_by_its_speed(
    store: Store, link: psycopg.Connection, device: Device, compute: Any
) -> None:
    around, weighed, calm, opposed = device(), device(), device(), device()
    store.write([
        *series(around, [350.0, 10.0], factor="a01008"),
        *series(weighed, [0.0, 90.0], factor="a01008"), *series(weighed, [1.0, 3.0], factor="a01007"),
        *series(calm, [80.0, 100.0], factor="a01008"), *series(calm, [0.0, 0.0], factor="a01007"),
        *series(opposed, [0.0, 180.0], factor="a01008"),
    ])  # fmt: skip
    compute()
    means = [rolled(link, one, Span.HOUR, "a01008")[0][1] for one in (around, weighed, calm, opposed)]
    assert means == [0.0, 71.57, 90.0, None]
    assert rolled(link, weighed, Span.HOUR, "a01008")[0][2:5] == (None, None, None)


def test_a_concentration_is_weighted_by_the_flow(
    store: Store, link: psycopg.Connection, device: Device, compute: Any
) -> None:
    one, still = device(), device()
    store.write([
        *series(one, [10.0, 40.0], factor="w01018"), *series(one, [300.0, 100.0], factor="w00000", total=5.0),
        *series(still, [10.0, 40.0], factor="w01018"), *series(still, [0.0, 0.0], factor="w00000"),
    ])  # fmt: skip
    compute()
    assert rolled(link, one, Span.HOUR, "w01018")[0][1:4] == (17.5, 10.0, 40.0)
    assert rolled(link, still, Span.HOUR, "w01018")[0][1] == 25.0
    assert rolled(link, one, Span.HOUR, "w00000")[0][1:5] == (200.0, 100.0, 300.0, 10.0)


def test_only_good_values_count_and_zero_is_one(
    store: Store, link: psycopg.Connection, device: Device, compute: Any
) -> None:
    one, none = device(), device()
    store.write([
        *series(one, [0.0] * 30 + [10.0] * 15),
        *series(one, [999.0] * 5, NOON + timedelta(minutes=45), flag="M", quality="flag"),
        *series(one, [999.0] * 5, NOON + timedelta(minutes=50), quality="range"),
        reading(none, value=999.0, flag="D", quality="flag"),
    ])  # fmt: skip
    compute()
    assert rolled(link, one, Span.HOUR) == [(NOON, 3.33, 0.0, 10.0, None, 45, 60, True)]
    assert rolled(link, none, Span.HOUR) == [(NOON, None, None, None, None, 0, 60, False)]


@pytest.mark.parametrize(("count", "valid"), [(44, False), (45, True)])
def test_an_hour_needs_three_quarters_of_its_minutes(
    store: Store, link: psycopg.Connection, device: Device, compute: Any, count: int, valid: bool
) -> None:
    one = device()
    store.write(series(one, [5.0] * count))
    compute()
    assert rolled(link, one, Span.HOUR)[0][5:] == (count, 60, valid)


@pytest.mark.parametrize(("count", "valid"), [(19, False), (20, True)])
def test_a_day_of_china_needs_twenty_valid_hours(
    store: Store, link: psycopg.Connection, device: Device, compute: Any, count: int, valid: bool
) -> None:
    one = device(base=Span.HOUR)
    day = datetime(2026, 11, 19, tzinfo=CHINA)
    store.write(hours(one, [1000.0, *[float(n) for n in range(1, count + 1)]], day - timedelta(hours=1)))
    compute()
    assert rolled(link, one, Span.DAY)[1] == (day, (count + 1) / 2, 1.0, float(count), None, count, 24, valid)


@pytest.mark.parametrize(("month", "days", "valid"), [(11, 26, False), (11, 27, True), (2, 24, False), (2, 25, True)])
def test_f33_a_month_needs_27_valid_days_and_february_25(
    store: Store, link: psycopg.Connection, device: Device, compute: Any, month: int, days: int, valid: bool
) -> None:
    one = device(base=Span.HOUR, back_days=400)
    begin = datetime(2026, month, 1, tzinfo=CHINA)
    store.write(hours(one, [7.0] * 24 * days, begin, received_at=begin + timedelta(days=30)))
    compute()
    whole = 30 if month == 11 else 28
    assert rolled(link, one, Span.MONTH) == [(begin, 7.0, 7.0, 7.0, None, days, whole, valid)]


def test_a_counter_adds_up_over_hours_gaps_and_a_reset(
    store: Store, link: psycopg.Connection, device: Device, compute: Any
) -> None:
    one = device()
    morning = NOON.replace(hour=8)
    at = [morning, *(morning + timedelta(minutes=m) for m in (30, 90, 240, 250, 260))]
    counts = [100.0, 110.0, 125.0, 160.0, 3.0, 8.0]
    store.write([reading(one, when, count, factor="energy") for when, count in zip(at, counts, strict=True)])
    compute()
    found = rolled(link, one, Span.HOUR, "energy")
    assert [row[4] for row in found] == [10.0, 15.0, 35.0 + 5.0]
    assert [row[4] for row in rolled(link, one, Span.DAY, "energy")] == [65.0]
    # A reading that comes late moves consumption from the next hour that has any into its own.
    store.write([reading(one, morning + timedelta(minutes=150), 140.0, factor="energy", received_at=NOON)])
    compute()
    assert [row[4] for row in rolled(link, one, Span.HOUR, "energy")] == [10.0, 15.0, 15.0, 20.0 + 5.0]
    assert [row[4] for row in rolled(link, one, Span.DAY, "energy")] == [65.0]


def test_f17_late_data_touch_only_their_own_hours_days_and_months(
    store: Store, link: psycopg.Connection, device: Device, compute: Any
) -> None:
    one, other = device(), device()
    begin = NOON - timedelta(days=25)
    for which in (one, other):
        for days in (0, 1, 25):
            store.write(series(which, [10.0] * 30, begin + timedelta(days=days), received_at=NOON + timedelta(hours=1)))
    compute()
    ask = "select device, span, at, xmin::text, revised from telemetry_rollup order by device, span, at"
    before = set(link.execute(ask).fetchall())
    store.write(series(one, [30.0] * 30, begin + timedelta(minutes=30), received_at=NOON + timedelta(hours=1)))
    compute()
    changed = {row[:3] + row[4:] for row in set(link.execute(ask).fetchall()) - before}
    midnight = begin.replace(hour=0)
    # The day has no valid hour before and one after; its month still has no valid day, and is left as it was.
    assert changed == {(one, Span.HOUR, begin, True), (one, Span.DAY, midnight, True)}
    assert rolled(link, one, Span.HOUR)[0] == (begin, 20.0, 10.0, 30.0, None, 60, 60, True)


def test_what_is_computed_again_without_a_change_is_not_touched(
    store: Store, link: psycopg.Connection, device: Device, compute: Any
) -> None:
    one = device()
    store.write(series(one, [1.0, 2.0]))
    compute()
    before = link.execute("select xmin::text, r.* from telemetry_rollup r order by span").fetchall()
    rollups.mark(link, [one], NOON - timedelta(hours=3), NOON + timedelta(hours=3))
    assert compute() == {Span.HOUR: 0, Span.DAY: 0, Span.MONTH: 0}
    assert link.execute("select xmin::text, r.* from telemetry_rollup r order by span").fetchall() == before
    assert link.execute("select count(*) from telemetry_mark").fetchone() == (0,)


def test_an_hour_that_is_not_over_waits_unless_it_is_asked_for(
    store: Store, link: psycopg.Connection, device: Device, compute: Any
) -> None:
    one = device()
    store.write(series(one, [1.0, 2.0]))
    assert compute(now=NOON + timedelta(minutes=59))[Span.HOUR] == 0
    assert compute(now=NOON + timedelta(hours=1, seconds=29))[Span.HOUR] == 0
    assert compute(now=NOON + timedelta(minutes=5), running=True)[Span.HOUR] == 1
    store.write(series(one, [6.0], NOON + timedelta(minutes=2)))
    assert compute(now=NOON + timedelta(hours=1, seconds=31))[Span.HOUR] == 1
    assert rolled(link, one, Span.HOUR)[0][1] == 3.0


def test_f03_a_worker_that_dies_leaves_its_marks_to_the_next(
    store: Store, link: psycopg.Connection, another: psycopg.Connection, device: Device, compute: Any
) -> None:
    one = device()
    store.write(series(one, [1.0, 2.0]))
    with link.transaction(), ThreadPoolExecutor(1) as aside:
        link.execute("lock telemetry_rollup in share mode")
        rules = rollups._Rules()
        working = aside.submit(rollups._take, another, rules, Span.HOUR, None)
        pid = another.info.backend_pid
        while not link.execute("select 1 from pg_locks where pid = %s and not granted", [pid]).fetchone():
            assert not working.done()
        link.execute("select pg_terminate_backend(%s)", [pid])
        with pytest.raises(psycopg.OperationalError):
            working.result(20)
    assert link.execute("select count(*) from telemetry_mark").fetchone() == (1,)
    compute()
    assert rolled(link, one, Span.HOUR)[0][1] == 1.5


def test_two_workers_at_once_compute_everything_once_and_right(
    store: Store, link: psycopg.Connection, another: psycopg.Connection, device: Device, compute: Any
) -> None:
    devices = [device() for _n in range(40)]
    for n, one in enumerate(devices):
        store.write(series(one, [float(n), float(n + 2)]))
    rules = rollups._Rules()

    def work(connection: psycopg.Connection) -> int:
        return sum(rollups._take(connection, rules, Span.HOUR, None)[1] for _r in range(5))

    with ThreadPoolExecutor(2) as both:
        assert sum(both.map(work, (link, another))) == 40
    assert [rolled(link, one, Span.HOUR)[0][1] for one in devices] == [n + 1.0 for n in range(40)]


def test_storing_never_waits_for_whoever_computes(
    store: Store, link: psycopg.Connection, another: psycopg.Connection, device: Device
) -> None:
    one = device()
    store.write(series(one, [1.0, 2.0]))
    rules = rollups._Rules()
    link.execute("set lock_timeout = '2s'")
    with another.transaction():
        rollups._take(another, rules, Span.HOUR, None)
        assert store.write(series(one, [9.0], NOON + timedelta(minutes=2))).new == 1
    # What was stored while the hour was computed has its own mark.
    assert rollups._take(link, rules, Span.HOUR, None)[1] == 1
    assert rolled(link, one, Span.HOUR)[0][1] == 4.0


def test_bars_are_dated(link: psycopg.Connection) -> None:
    rules = rollups._Rules()
    assert rules.least(Span.DAY, NOON.date()) == 20
    assert [rules.least(Span.MONTH, datetime(2028, month, 29).date()) for month in (2, 3)] == [25, 27]
