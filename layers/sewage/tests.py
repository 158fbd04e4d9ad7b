"""Golden numbers of the discharge limits (GB 18918-2002)."""

from datetime import date

import pytest

from layers.sewage.rules import exceeded, limits

DAY = date(2026, 11, 1)


def test_limits_of_the_three_classes() -> None:
    assert limits("1A", DAY) == {
        "cod": 50, "bod": 10, "solids": 10, "ammonia": 5, "nitrogen": 15, "phosphorus": 0.5, "ph": 9,
    }  # fmt: skip
    assert limits("1B", DAY) == {
        "cod": 60, "bod": 20, "solids": 20, "ammonia": 8, "nitrogen": 20, "phosphorus": 1, "ph": 9,
    }  # fmt: skip
    assert limits("2", DAY) == {"cod": 100, "bod": 30, "solids": 30, "ammonia": 25, "phosphorus": 3, "ph": 9}


@pytest.mark.parametrize(("temperature", "limit"), [(12.1, 5), (12.0, 8), (4.0, 8), (None, 5)])
def test_ammonia_depends_on_the_water_temperature(temperature: float | None, limit: float) -> None:
    assert limits("1A", DAY, temperature)["ammonia"] == limit


def test_a_limit_that_is_reached_is_kept_and_a_missing_value_is_not_zero() -> None:
    assert exceeded({"cod": 50.0, "ammonia": 5.0, "phosphorus": None}, "1A", DAY) == []
    assert exceeded({"cod": 50.1, "nitrogen": 15.5}, "1A", DAY) == ["cod", "nitrogen"]


def test_no_limit_holds_before_the_standard_came_into_force() -> None:
    assert limits("1A", date(2003, 6, 30)) == {}
