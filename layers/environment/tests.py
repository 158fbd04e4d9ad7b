"""The factors of a monitor have fields, and the classes of the map rise."""

import random
from types import SimpleNamespace

from layers.environment.models import Monitor
from layers.environment.rules import PM10_BREAKS
from layers.environment.seed import values

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
