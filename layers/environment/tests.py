"""Golden numbers of the air quality index and of the limits; the factors of a monitor have fields."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from layers.environment.models import Monitor
from layers.environment.rules import (
    CO,
    DAY,
    EIGHT_HOURS,
    HOUR,
    LIMITS,
    NO2,
    O3,
    PM10,
    PM10_BREAKS,
    PM25,
    SCALES,
    SO2,
    TSP,
    air_quality,
    band_of,
)  # fmt: skip
from layers.environment.seed import values
from services.limits.rows import ZONE, limit_at, scale_at

FACTORS = {field.name: code for field in Monitor._meta.fields if (code := getattr(field, "factor", ""))}


def test_every_factor_is_a_field_with_a_unit() -> None:
    for name in FACTORS:
        assert Monitor._meta.get_field(name).unit
    assert {
        "pm10": "a34002",
        "so2": "a21026",
        "no2": "a21004",
        "o3": "a05024",
        "co": "a21005",
    }.items() <= FACTORS.items()
    assert len(set(FACTORS.values())) == len(FACTORS)


def test_pm10_classes_are_those_of_hj_633_2026() -> None:
    assert PM10_BREAKS == (50, 120, 250, 350, 420)


def test_demo_readings_keep_fine_dust_below_coarse_dust() -> None:
    source = random.Random(1)
    city = SimpleNamespace(random=source, number=lambda low, high: source.uniform(low, high))
    for _reading in range(200):
        reading = values(city)
        assert set(reading) == set(FACTORS)
        assert 0 < reading["pm25"] < reading["pm10"] < reading["tsp"]


OLD, NEW = datetime(2026, 2, 28, 12, tzinfo=ZONE), datetime(2026, 3, 1, tzinfo=ZONE)
PARTICLES = {
    (PM25, 0): (0, 0), (PM25, 35): (50, 50), (PM25, 36): (52, 52), (PM25, 50): (69, 80), (PM25, 60): (82, 100),
    (PM25, 61): (83, 101), (PM25, 75): (100, 114), (PM25, 115): (150, 150), (PM25, 116): (152, 152),
    (PM25, 150): (200, 200), (PM25, 250): (300, 300), (PM25, 500): (500, 500), (PM25, 501): (500, 500),
    (PM10, 50): (50, 50), (PM10, 51): (51, 51), (PM10, 120): (85, 100), (PM10, 121): (86, 101), (PM10, 150): (100, 112),
    (PM10, 250): (150, 150), (PM10, 420): (300, 300), (PM10, 600): (500, 500),
}  # fmt: skip
"""(Factor, mean of a day) → index by the edition of 2012 and by that of 2026."""


def index(factor: str, value: object, at: datetime, minutes: int = DAY) -> int | None:
    found = air_quality(SCALES, {(factor, minutes): value}, at)  # type: ignore[dict-item]
    return found.aqi if found else None


@pytest.mark.parametrize(("measured", "indices"), PARTICLES.items())
def test_indices_of_particles_before_and_after_the_switch(measured: tuple[str, int], indices: tuple[int, int]) -> None:
    factor, value = measured
    assert (index(factor, value, OLD), index(factor, value, NEW)) == indices


def test_f34_the_edition_of_the_measuring_time_judges_whenever_one_asks() -> None:
    assert index(PM25, 60, datetime(2026, 2, 28, 23, 59, 59, tzinfo=ZONE)) == 82
    assert index(PM25, 60, datetime(2026, 3, 1, tzinfo=ZONE)) == 100
    day, limits = datetime(2030, 12, 31, 23, 59, 59, tzinfo=ZONE), {}
    for at in (OLD, NEW, day, day + timedelta(seconds=1)):
        limits[at] = [limit_at(LIMITS, factor, at, minutes=DAY, grade="2").value for factor in (PM25, PM10, SO2, NO2)]  # type: ignore[union-attr]
    assert list(limits.values()) == [[75, 150, 150, 80], [60, 120, 150, 80], [60, 120, 150, 80], [50, 100, 50, 50]]


def test_indices_are_exact_decimals() -> None:
    assert index(CO, "2.2", OLD) == 55
    assert index(CO, Decimal("2.2"), OLD) == 55
    assert index(CO, 2.2, OLD) == 55
    wrong = [n for n in range(601) if index(CO, Decimal(n) / 10, OLD) != index(CO, f"{n / 10}", OLD)]
    assert wrong == []


def test_2026_rounds_concentrations_first_and_2012_does_not() -> None:
    assert (index(PM25, "35.4", OLD), index(PM25, "35.4", NEW)) == (51, 50)
    assert (index(CO, "2.04", OLD), index(CO, "2.04", NEW)) == (51, 50)


def test_a_scale_that_ends_early() -> None:
    assert index(SO2, 801, OLD, HOUR) is None
    assert index(SO2, 801, NEW, HOUR) == 200
    assert index(O3, 801, OLD, EIGHT_HOURS) is None
    assert index(O3, 801, NEW, EIGHT_HOURS) == 300
    assert scale_at(SCALES, PM25, HOUR, OLD) is None
    assert index(PM25, 60, NEW, HOUR) == 100


def test_bands_and_the_primary_factor() -> None:
    found = air_quality(SCALES, {(PM25, DAY): 116, (PM10, DAY): 60, (NO2, DAY): 10, (CO, DAY): None}, NEW)
    assert found is not None
    assert (found.aqi, found.band.name, found.band.color, found.primary) == (152, "中度污染", "#FF0000", (PM25,))
    assert found.indices == {PM25: 152, PM10: 58, NO2: 13}
    good = air_quality(SCALES, {(PM25, DAY): 35}, NEW)
    assert good is not None
    assert good.primary == ()
    assert [band_of(aqi).name for aqi in (0, 50, 51, 150, 200, 201, 301, 500)] == [
        "优", "优", "良", "轻度污染", "中度污染", "重度污染", "严重污染", "严重污染",
    ]  # fmt: skip
    assert air_quality(SCALES, {(CO, DAY): None}, NEW) is None


@pytest.mark.parametrize(
    ("clock", "limit"),
    [("05:59:59", 55), ("06:00:00", 70), ("21:59:59", 70), ("22:00:00", 55), ("23:59:59", 55), ("00:00:00", 55)],
)
@pytest.mark.parametrize("day", ["2024-02-29", "2025-12-31", "2026-01-01", "2026-11-30"])
def test_f33_the_border_of_day_and_night_by_the_time_of_the_sample(day: str, clock: str, limit: float) -> None:
    at = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZONE)
    found = limit_at(LIMITS, "Leq", at)
    assert found is not None
    assert found.value == limit
    assert found.version == ("2025" if day >= "2026" else "2011")
    peak = limit_at(LIMITS, "LMx", at)
    assert (peak.value if peak else None) == (70 if limit == 55 else None)


def test_dust_limits_are_those_of_the_place_and_of_the_stage() -> None:
    def of(region: str, stage: str = "", factor: str = TSP) -> tuple[float | None, int, bool] | None:
        row = limit_at(
            [row for row in LIMITS if row.standard.startswith("DB")], factor, NEW, region=region, stage=stage
        )
        return (row.value, row.minutes, row.verified) if row else None

    assert of("511702", "拆除、土石方及回填") == (600, 15, False)
    assert of("511702") == (250, 15, False), "where the stage is not known the stricter limit holds"
    assert of("610100", "拆除、土石方及回填") == (800, 60, True)
    assert of("130100", factor=PM10) == (80, 60, False)
    assert of("330100") is None
