"""Classes of values and the colours they get."""

import itertools
import random
import statistics

import pytest

from services.charts.classes import breaks, place
from services.charts.colours import RAMPS, classed


def spread(values: list[float], ends: list[float]) -> float:
    """The squares of distances from the means of the classes, added up."""
    groups: dict[int, list[float]] = {}
    for value in values:
        groups.setdefault(place(value, ends), []).append(value)
    return sum(statistics.pvariance(group) * len(group) for group in groups.values())


def test_equal_intervals_and_quantiles() -> None:
    values = [float(n) for n in range(101)]
    assert breaks(values, 4, "equal") == [0, 25, 50, 75, 100]
    assert breaks([0.0, 0, 0, 0, 1, 2, 3, 100], 4, "quantile") == [0, 0, 0.5, 2.25, 100]
    assert breaks(values, 3, "own", [10, 60]) == [0, 10, 60, 100]


def test_natural_breaks_are_the_best_of_all() -> None:
    rng = random.Random(7)
    for _round in range(5):
        values = sorted(rng.choice((10, 50, 200)) + rng.random() * 9 for _n in range(14))
        best = min(
            spread(values, [values[0], *inner, values[-1]])
            for inner in itertools.combinations(values[:-1], 3)
        )  # fmt: skip
        found = breaks(values, 4, "natural")
        assert len(found) == 5
        assert spread(values, found) == pytest.approx(best)


def test_few_values_give_few_classes() -> None:
    assert breaks([], 5, "natural") == []
    assert breaks([3.0, 3.0], 5, "natural") == [3, 3]
    two = breaks([1.0, 1.0, 2.0], 5, "natural")
    assert [place(value, two) for value in (1.0, 2.0)] == [0, 1]


def test_many_values_take_no_longer_than_a_sample() -> None:
    rng = random.Random(3)
    found = breaks([rng.gauss(0, 1) for _n in range(20_000)], 7, "natural")
    assert len(found) == 8 and found == sorted(found)


@pytest.mark.parametrize("name", list(RAMPS))
def test_ramps_darken_all_the_way(name: str) -> None:
    """Lightness alone tells the classes apart, whatever colours an eye takes for one another."""

    def light(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for number in range(2, 10):
        levels = [light(colour) for colour in classed(name, number)]
        assert levels == sorted(levels, reverse=True) and len(set(levels)) == number
    assert classed(name, 5, backward=True) == classed(name, 5)[::-1]
