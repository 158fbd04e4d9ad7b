"""Tables, comparisons and roses: numbers worked out by hand, marks of validity, rights, and how many queries."""

from collections.abc import Callable
from datetime import datetime, timedelta
from math import log10
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from layers.environment.models import Monitor
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.telemetry import roses, tables
from services.telemetry.comparison import Step, compare
from services.telemetry.models import Device, Factor
from services.telemetry.rollups import compute
from services.telemetry.spans import Span
from services.telemetry.store import Store
from tests.conftest import HOME
from tests.telemetry.conftest import CHINA, series

pytestmark = pytest.mark.django_db(transaction=False)
DAY = datetime(2026, 11, 10, tzinfo=CHINA)
People = dict[str, Principal]


@pytest.fixture
def points(who: People) -> list[tuple[UUID, int]]:
    """Three monitors at home, each with a device that sends every ten minutes."""
    found = []
    for n in range(3):
        monitor = Monitor.objects.create(code=f"T{n}", name=f"监测点{n}", region_id=HOME)
        device = Device.objects.create(
            protocol="hj212", number=f"T{n}", feature=monitor.pk, state="active", interval=600, back_days=400
        )
        found.append((monitor.pk, device.pk))
    return found


@pytest.fixture
def fill(points: list[tuple[UUID, int]]) -> Callable[..., None]:
    """``fill(0, "LA", values, begin)``: readings every ten minutes of the first monitor, all computed."""
    from services.telemetry import partitions

    def write(place: int, code: str, values: list[float | None], begin: datetime = DAY, **more: Any) -> None:
        rows = series(points[place][1], values, begin, 600, factor=code, **more)  # type: ignore[arg-type]
        rows = [row._replace(quality="" if row.value is not None else "missing") for row in rows]
        Store(partitions.raw()).write(rows)
        compute(partitions.raw())

    return write


def test_a_table_of_hours_has_means_counts_and_marks(who: People, points: Any, fill: Any) -> None:
    fill(0, "a34002", [float(n) for n in range(6)] + [10.0] * 3)
    found = tables.table(who["owner"], points[0][0], ["a34002", "a34004"], Span.HOUR, DAY, DAY + timedelta(days=1))
    assert [column.factor.code for column in found.columns] == ["a34002"], "nobody measures the other"
    (later, (second,)), (earlier, (first,)) = found.rows
    assert (earlier, later) == (DAY, DAY + timedelta(hours=1))
    assert first is not None and second is not None
    assert (first.mean, first.n_valid, first.n_expected, first.valid) == (2.5, 6, 6, True)
    assert (second.mean, second.n_valid, second.valid) == (10.0, 3, False)
    (summary,) = found.summary
    assert summary is not None
    assert (summary.mean, summary.least, summary.greatest, summary.low, summary.high) == (2.5, 2.5, 2.5, 0, 5), (
        "an hour below its bar counts nowhere"
    )
    assert (summary.valid, summary.spans) == (1, 2)


def test_zero_is_shown_as_zero(who: People, points: Any, fill: Any) -> None:
    fill(0, "a34002", [0.0] * 6)
    found = tables.table(who["owner"], points[0][0], ["a34002"], Span.HOUR, DAY, DAY + timedelta(days=1))
    assert found.rows[0][1][0].mean == 0 and found.summary[0].mean == 0  # type: ignore[union-attr]


@pytest.mark.covers("DZ-078", "DZ-079", "DZ-080")
def test_a_noise_day_has_its_day_night_and_ldn(who: People, points: Any, fill: Any) -> None:
    # 70 from 6 to 22, 55 from 22 to 6 of the next day: the example of the standards page.
    levels = [70.0 if 36 <= n % 144 < 132 else 55.0 for n in range(36, 36 + 144)]
    fill(0, "LA", levels, DAY + timedelta(hours=6))
    args = (who["owner"], points[0][0], ["LA"])
    found = tables.table(*args, Span.DAY, DAY, DAY + timedelta(days=1))
    assert [column.span for column in found.columns] == [Span.DAY, Span.DAYTIME, Span.NIGHT, Span.LDN]
    ((at, cells),) = found.rows
    assert at == DAY
    _day, daytime, night, ldn = (cell.mean if cell else None for cell in cells)
    assert (daytime, night) == (pytest.approx(70), pytest.approx(55)), "the night runs on to six of the next day"
    assert ldn == pytest.approx(68.88, abs=0.005)
    assert cells[1].n_valid + cells[2].n_valid == 24, "day and night cover the day without overlap"  # type: ignore[union-attr]
    for span, level in ((Span.DAYTIME, 70), (Span.NIGHT, 55)):
        alone = tables.table(*args, span, DAY, DAY + timedelta(days=1))
        assert alone.rows[0][1][0].mean == pytest.approx(level)  # type: ignore[union-attr]
    assert tables.table(who["owner"], points[0][0], ["a34002"], Span.NIGHT, DAY, DAY + timedelta(days=1)).rows == []


def test_levels_are_summed_up_by_energy_and_marked_nights_do_not_count(who: People, points: Any, fill: Any) -> None:
    fill(0, "LA", [60.0] * 6 + [70.0] * 6 + [90.0] * 2)
    found = tables.table(who["owner"], points[0][0], ["LA"], Span.HOUR, DAY, DAY + timedelta(days=1))
    assert found.summary[0].mean == pytest.approx(67.40, abs=0.005)  # type: ignore[union-attr]
    assert found.summary[0].greatest == pytest.approx(70)  # type: ignore[union-attr]


def test_pages_hold_every_row_once_and_lines_agree(who: People, points: Any, fill: Any) -> None:
    fill(0, "a34002", [50.0] * 6 * 100)
    args = (who["owner"], points[0][0], ["a34002"], Span.HOUR, DAY, DAY + timedelta(days=30))
    pages = [tables.table(*args, page=n) for n in (1, 2, 3)]
    assert [len(page.rows) for page in pages] == [48, 48, 4]
    assert {page.total for page in pages} == {100}
    times = [at for page in pages for at, _cells in page.rows]
    assert times == sorted(times, reverse=True) and len(set(times)) == 100
    _columns, lines = tables.lines(*args)
    assert [at for at, _cells in lines] == times[::-1]
    assert tables.table(*args, page=99).page == 3


def test_every_stored_reading_comes_out(who: People, points: Any, fill: Any, monkeypatch: Any) -> None:
    fill(0, "a34002", [1.0, None, 3.0, 0.0, 5.0])
    monkeypatch.setattr(tables, "PAGE", 2)
    count, found = tables.readings(who["owner"], points[0][0], ["a34002"], DAY, DAY + timedelta(days=1))
    kept = list(found)
    assert count == len(kept) == 5
    assert [reading.value for _device, _factor, reading in kept] == [1.0, None, 3.0, 0.0, 5.0]


@pytest.mark.parametrize("name", ["neighbour", "stranger", "public"])
def test_f43_what_is_foreign_is_not_there(who: People, points: Any, fill: Any, name: str) -> None:
    fill(0, "a34002", [50.0] * 6)
    feature, end = points[0][0], DAY + timedelta(days=1)
    with pytest.raises(NotFound):
        tables.table(who[name], feature, ["a34002"], Span.HOUR, DAY, end)
    with pytest.raises(NotFound):
        tables.readings(who[name], feature, ["a34002"], DAY, end)
    with pytest.raises(NotFound):
        roses.rose(who[name], feature, DAY, end)
    assert compare(who[name], [feature], "a34002", DAY, end).series[0].points == []


def test_a_comparison_has_one_step_and_says_what_is_missing(who: People, points: Any, fill: Any) -> None:
    fill(0, "a34002", [30.0, 60.0] * 12)
    fill(1, "a34002", [10.0] * 6 + [None] * 6)
    keys = [feature for feature, _device in points]
    end = DAY + timedelta(hours=4)
    found = compare(who["owner"], keys, "a34002", DAY, end, Step(Span.HOUR))
    first, second, third = found.series
    assert [point.value for point in first.points] == [45.0] * 4
    assert (first.mean, first.valid, first.expected) == (45.0, 4, 4)
    assert [point.value for point in second.points] == [10.0, None]
    assert (second.mean, second.valid, second.expected) == (10.0, 1, 4)
    assert (third.device, third.mean, third.points) == (None, None, [])
    minutes = compare(who["owner"], keys, "a34002", DAY, end, Step(Span.MINUTE, 30)).series[0]
    assert [point.value for point in minutes.points] == [40.0, 50.0] * 4
    assert minutes.greatest is not None and minutes.greatest.at == DAY + timedelta(minutes=30)
    real = compare(who["owner"], keys, "a34002", DAY, end)
    assert real.step.span == Span.REAL and len(real.series[0].points) == 24
    assert compare(who["owner"], keys, "a34002", DAY, DAY + timedelta(days=365)).step.span == Span.DAY


def test_levels_are_compared_by_energy_and_directions_as_vectors(who: People, points: Any, fill: Any) -> None:
    fill(0, "LA", [60.0] * 3 + [70.0] * 3)
    fill(0, "a01008", [350.0, 10.0] * 3)
    end = DAY + timedelta(hours=1)
    level = compare(who["owner"], [points[0][0]], "LA", DAY, end).series[0]
    assert level.mean == pytest.approx(10 * log10((10**6 + 10**7) / 2))
    hour = compare(who["owner"], [points[0][0]], "LA", DAY, end, Step(Span.MINUTE, 30)).series[0]
    assert [point.value for point in hour.points] == [pytest.approx(60), pytest.approx(70)]
    direction = compare(who["owner"], [points[0][0]], "a01008", DAY, end).series[0].mean
    assert min(direction, 360 - direction) == pytest.approx(0, abs=1e-6)  # type: ignore[type-var,operator]


def test_too_many_points_and_unknown_factors_are_refused(who: People, points: Any) -> None:
    with pytest.raises(Invalid):
        compare(who["owner"], [points[0][0]] * 9, "a34002", DAY, DAY + timedelta(days=1))
    with pytest.raises(NotFound):
        compare(who["owner"], [points[0][0]], "nonsense", DAY, DAY + timedelta(days=1))
    with pytest.raises(Invalid):
        tables.table(who["owner"], points[0][0], ["a34002"], Span.REAL, DAY, DAY + timedelta(days=1))


def test_a_rose_counts_sectors_classes_and_calm(who: People, points: Any, fill: Any) -> None:
    directions = [0.0, 11.0, 11.5, 348.75, 348.0, 180.0, 90.0, 90.0]
    speeds = [1.0, 2.0, 4.0, 6.0, 9.0, 0.2, 0.3, 1.6]
    fill(0, "a01008", directions)
    fill(0, "a01007", speeds)
    fill(0, "a34002", [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, None])
    found = roses.rose(who["owner"], points[0][0], DAY, DAY + timedelta(days=1), "a34002")
    assert found is not None
    assert (found.total, found.calm, found.span) == (8, 1, Span.REAL)
    assert found.counts[0] == [1, 1, 0, 1, 0], "north: 348.75 to 11.25"
    assert found.counts[1] == [0, 0, 1, 0, 0]
    assert found.counts[15] == [0, 0, 0, 0, 1]
    assert found.counts[4] == [1, 1, 0, 0, 0], "a bound belongs to the class above it"
    assert found.calm + sum(map(sum, found.counts)) == found.total
    assert found.means[0] == pytest.approx((10 + 20 + 40) / 3)
    assert found.means[4] == 70, "what was not measured is not zero"
    assert found.means[8] is None and found.calm_mean == 60
    hours = roses.rose(who["owner"], points[0][0], DAY, DAY + timedelta(days=10))
    assert hours is not None and (hours.span, hours.total) == (Span.HOUR, 1)


def test_a_rose_of_noise_is_by_energy(who: People, points: Any, fill: Any) -> None:
    fill(0, "a01008", [0.0, 0.0, 90.0])
    fill(0, "a01007", [1.0, 1.0, 1.0])
    fill(0, "LA", [60.0, 70.0, None])
    found = roses.rose(who["owner"], points[0][0], DAY, DAY + timedelta(days=1), "LA")
    assert found is not None and found.means[0] == pytest.approx(67.40, abs=0.005) and found.means[4] is None
    assert roses.rose(who["owner"], points[1][0], DAY, DAY + timedelta(days=1)) is None


def test_the_number_of_queries_does_not_grow(who: People, points: Any, fill: Any) -> None:
    for place in range(3):
        fill(place, "a34002", [50.0] * 6 * 60)
    numbers = []
    for count, days in ((1, 1), (3, 3)):
        keys = [feature for feature, _device in points[:count]]
        with CaptureQueriesContext(connection) as queries:
            compare(who["owner"], keys, "a34002", DAY, DAY + timedelta(days=days), Step(Span.HOUR))
        compared = len(queries)
        with CaptureQueriesContext(connection) as queries:
            tables.table(who["owner"], keys[0], ["a34002"], Span.HOUR, DAY, DAY + timedelta(days=days))
        numbers.append((compared, len(queries)))
    assert numbers == [(3, 6), (3, 6)]


def test_factors_are_those_of_the_table(link: psycopg.Connection) -> None:
    assert Factor.objects.filter(code="a01008", averaging=Factor.Averaging.DIRECTION, weight__code="a01007").exists()
