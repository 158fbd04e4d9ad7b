"""Golden numbers of batching: what is just allowed, what is a trace too much, and what was allowed when."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from layers.concrete.rules import CHARGE, LIMITS, TIME, TOTAL, Table, deviation
from services.limits.rows import Limit

NOW = datetime(2026, 11, 28, 2, tzinfo=UTC)
FORMULAS = {"charge": "deviation <= limit", "total": "deviation <= limit", "time": "seconds >= limit"}


def table(rows: tuple[Limit, ...] = LIMITS, at: datetime = NOW, region: str = "", **formulas: str) -> Table:
    return Table(rows, FORMULAS | formulas, at, region)


def changed(code: str, stage: str, **values: object) -> tuple[Limit, ...]:
    return tuple(replace(row, **values) if (row.factor, row.stage) == (code, stage) else row for row in LIMITS)


@pytest.mark.parametrize(
    ("material", "target", "actual", "within"),
    [
        ("cement", 300.0, 306.0, True),
        ("cement", 290.0, 295.8, True),  # 2.0000000000000053 % in binary floating point
        ("cement", 300.0, 306.01, False),
        ("cement", 300.0, 294.0, True),
        ("cement", 300.0, 293.99, False),
        ("slag", 70.0, 71.4, True),
        ("slag", 70.0, 71.41, False),
        ("sand", 800.0, 824.0, True),
        ("sand", 800.0, 824.1, False),
        ("stone", 1060.0, 1028.2, True),
        ("water", 168.0, 169.68, True),
        ("water", 168.0, 169.7, False),
        ("admixture", 7.7, 7.777, True),
        ("admixture", 7.7, 7.78, False),
        ("fly_ash", 0.0, 0.0, True),
        ("fly_ash", 0.0, 0.1, False),
        ("cement", 300.0, 0.0, False),
    ],
)
def test_a_weight_that_is_just_at_its_tolerance_complies(
    material: str, target: float, actual: float, within: bool
) -> None:
    assert table().weight("charge", material, target, actual, 2.0).within is within


@pytest.mark.parametrize(
    ("material", "deviating", "within"),
    [("cement", 1.0, True), ("cement", 1.01, False), ("sand", 2.0, True), ("sand", 2.01, False), ("water", 1.1, False)],
)
def test_the_whole_batch_is_held_to_the_narrower_tolerance(material: str, deviating: float, within: bool) -> None:
    assert table().weight("total", material, 1000.0, 1000.0 + 10 * deviating, 9.0).within is within


def test_a_deviation_has_a_sign_and_nothing_of_nothing_is_none() -> None:
    assert deviation(200.0, 195.0) == -2.5
    assert deviation(0.0, 0.0) == 0.0
    assert deviation(0.0, 1.0) is None


@pytest.mark.parametrize(("seconds", "within"), [(30.0, True), (29.9, False), (0.0, False), (None, True)])
def test_the_shortest_mixing_time_is_enough(seconds: float | None, within: bool) -> None:
    assert table().time(seconds, 2.0) is within


def test_what_was_in_force_then_judges() -> None:
    later = date(2026, 12, 1)
    rows = (
        *(replace(row, valid_to=later) if (row.factor, row.stage) == (CHARGE, "水") else row for row in LIMITS),
        *(replace(row, valid_from=later, value=2.0) for row in LIMITS if (row.factor, row.stage) == (CHARGE, "水")),
    )
    assert not table(rows).weight("charge", "water", 100.0, 101.5, 2.0).within
    assert table(rows, datetime(2026, 12, 1, tzinfo=UTC)).weight("charge", "water", 100.0, 101.5, 2.0).within


def test_a_province_may_be_stricter_for_its_own_plants() -> None:
    own = next(row for row in LIMITS if (row.factor, row.stage) == (TOTAL, "水泥"))
    rows = (*LIMITS, replace(own, region="51", value=0.5))
    assert not table(rows, region="511702").weight("total", "cement", 1000.0, 1008.0, 9.0).within
    assert table(rows, region="330106").weight("total", "cement", 1000.0, 1008.0, 9.0).within


def test_a_formula_of_the_office_judges() -> None:
    # Too little cement is worse than too much.
    stricter = table(charge="deviation <= limit && signed >= -1.0")
    assert stricter.weight("charge", "cement", 300.0, 305.0, 2.0).within
    assert not stricter.weight("charge", "cement", 300.0, 295.0, 2.0).within


def test_the_level_says_how_far() -> None:
    found = {
        percent: table().level(table().weight("charge", "cement", 1000.0, 1000.0 + 10 * percent, 2.0))
        for percent in (2.5, 3.0, 3.01, 5.0, 5.1, -9.0)
    }
    assert found == {2.5: "yellow", 3.0: "yellow", 3.01: "orange", 5.0: "orange", 5.1: "red", -9.0: "red"}
    assert table().level(table().weight("charge", "fly_ash", 0.0, 20.0, 2.0)) == "red"


def test_every_first_limit_says_where_it_is_from_and_that_nobody_checked_it() -> None:
    assert all(row.citation and not row.verified for row in LIMITS)
    assert changed(TIME, "", low=45.0) != LIMITS
    assert not table(changed(TIME, "", low=45.0)).time(40.0, 2.0)
