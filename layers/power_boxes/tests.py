"""Golden numbers of the limits of temporary power, by the day of the check and the kind of the box."""

from datetime import date, timedelta

import pytest

from layers.power_boxes.models import PowerBox, PowerCheck
from layers.power_boxes.rules import (
    EARTHING,
    INSULATION,
    LIMITS,
    NEW,
    OLD,
    PLACES,
    RESIDUAL,
    SWITCH,
    TRIP_CURRENT,
    TRIP_PRODUCT,
    TRIP_TIME,
    judge,
    limit_of,
)  # fmt: skip

TODAY = date(2026, 11, 20)


def beyond(box: str = "switch", day: date = TODAY, **values: float | str) -> list[str]:
    return [found.factor for found in judge(LIMITS, day, box, **values)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("box", "values", "found"),
    [
        ("total", {"earthing": "working", "resistance": 4.0}, []),
        ("total", {"earthing": "working", "resistance": 4.1}, [EARTHING]),
        ("branch", {"earthing": "repeated", "resistance": 10.0}, []),
        ("branch", {"earthing": "repeated", "resistance": 10.1}, [EARTHING]),
        ("switch", {"insulation": 0.5}, []),
        ("switch", {"insulation": 0.0}, [INSULATION]),
        ("switch", {"trip_current": 30.0, "trip_time": 100.0}, []),
        ("switch", {"trip_current": 30.1, "trip_time": 101.0}, [TRIP_CURRENT, TRIP_TIME]),
        ("switch", {"trip_current": 12.0, "rated_current": 10.0}, [TRIP_CURRENT]),
        ("switch", {"rated_current": 50.0, "rated_time": 200.0}, [TRIP_CURRENT, TRIP_TIME]),
        ("total", {"rated_current": 150.0, "rated_time": 200.0}, []),
        ("total", {"rated_current": 150.0, "rated_time": 201.0}, [TRIP_PRODUCT]),
        ("total", {"rated_current": 30.0, "rated_time": 100.0}, [TRIP_CURRENT, TRIP_TIME]),
        ("total", {"trip_current": 20.0, "trip_time": 40.0}, []),
        ("branch", {"rated_current": 75.0, "rated_time": 100.0, "trip_current": 60.0, "trip_time": 150.0}, []),
        ("switch", {}, []),
    ],
)
def test_values_at_and_beyond_their_limits(box: str, values: dict[str, float | str], found: list[str]) -> None:
    assert beyond(box, **values) == found


def test_a_check_is_judged_by_the_edition_of_its_day() -> None:
    def source(day: date) -> str:
        limit = limit_of(LIMITS, TRIP_CURRENT, SWITCH, day)
        return limit.citation.split()[1] if limit else ""

    days = (OLD - timedelta(days=1), OLD, NEW - timedelta(days=1), NEW)
    assert [source(day) for day in days] == ["", "46-2005", "46-2005", "46-2024"]
    assert beyond(day=OLD - timedelta(days=1), trip_current=500.0) == []


def test_every_kind_of_box_has_a_limit_of_its_residual_current() -> None:
    found = {kind: limit_of(LIMITS, RESIDUAL, place, TODAY) for kind, place in PLACES.items()}
    assert {kind: limit and limit.value for kind, limit in found.items()} == {"total": 300, "branch": 300, "switch": 30}
    assert set(found) == set(PowerBox.Kind.values)


def test_what_was_not_read_in_a_source_says_so() -> None:
    assert not [row for row in LIMITS if row.verified]
    assert all(row.citation for row in LIMITS)


def test_earthings_are_those_that_limits_name() -> None:
    for kind in PowerCheck.Earthing.values:
        assert beyond(earthing=kind, resistance=1000.0) == [EARTHING]
