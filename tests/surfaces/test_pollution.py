"""Surfaces against a second way of computing them, their errors against hand-made ones, and what does not count."""

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.gis.geos import Point
from django.db import connection

from gis.crs import transformer
from gis.fields import STORAGE_SRID
from gis.models import Region
from layers.environment.models import Monitor
from services.surfaces import layouts
from services.surfaces.models import Hearing, Network, Run, Surface
from services.telemetry import partitions, rollups
from services.telemetry.models import Device
from services.telemetry.store import Store
from tests.conftest import SIBLING
from tests.surfaces.conftest import NOON, PLACES, City
from tests.telemetry.conftest import series

pytestmark = pytest.mark.django_db
Ran = Callable[..., Run]


def brute(run: Run, known: dict[tuple[float, float], float]) -> np.ndarray:
    """The surface cell by cell in plain Python: power 2, at most 12 stations, no limit of distance."""
    assert run.layout is not None
    of = layouts.lattice(run.layout)
    to_plane = transformer(STORAGE_SRID, of.srid)
    stations = [(*to_plane.transform(*place), value) for place, value in known.items()]
    found = np.full(of.shape, np.nan)
    for (row, column), is_in in np.ndenumerate(layouts.inside(run.layout)):
        if not is_in:
            continue
        x, y = of.west + (column + 0.5) * of.cell, of.north - (row + 0.5) * of.cell
        near = sorted((max(math.hypot(x - sx, y - sy), 1.0), value) for sx, sy, value in stations)[:12]
        found[row, column] = sum(v / d**2 for d, v in near) / sum(1 / d**2 for d, v in near)
    return found


def values(run: Run) -> np.ndarray:
    assert run.layout is not None and run.values is not None
    return layouts.spread_out(run.layout, run.values)


def test_a_surface_equals_brute_force(city: City, ran: Ran) -> None:
    numbers = (10.0, 80.0, 0.0, 45.5, 160.0, 33.0)
    city.hour(dict(zip(city.stations(), numbers, strict=True)))
    run = ran()
    assert (run.state, run.n_stations, run.n_used) == (Run.State.DONE, 6, 6)
    expected = brute(run, dict(zip(PLACES, numbers, strict=True)))
    np.testing.assert_allclose(values(run), expected, rtol=1e-5)
    assert (run.low, run.high) == (pytest.approx(np.nanmin(expected)), pytest.approx(np.nanmax(expected)))
    assert run.mean == pytest.approx(np.nanmean(expected))
    assert run.path.startswith("weights · PostGIS 3.")


def test_of_many_stations_a_cell_uses_its_nearest_twelve(city: City, ran: Ran) -> None:
    known = {(107.34 + 0.04 * (n % 6), 31.28 + 0.04 * (n // 6)): float(n * 7 % 31) for n in range(36)}
    city.hour({city.station(*place): value for place, value in known.items()})
    run = ran()
    inside = {(i.place.x, i.place.y): i.value for i in run.inputs.all()}
    assert 24 < len(inside) == run.n_used, "more than what a cell keeps"
    np.testing.assert_allclose(values(run), brute(run, inside), rtol=1e-5)
    # When so many fail that what a cell keeps does not suffice, the outcome is still that of the nearest twelve valid.
    dead = [m for m in city.made if m.geom.x < 107.45]
    city.hour(dict.fromkeys(dead, (1.0, False)))
    again = ran()
    left = {place: value for place, value in inside.items() if place[0] > 107.45}
    assert again.n_used == len(left) < run.n_used
    np.testing.assert_allclose(values(again), brute(again, left), rtol=1e-5)


def test_power_radius_and_count_are_parameters(city: City, ran: Ran) -> None:
    city.hour(dict(zip(city.stations(), (10.0, 80.0, 0.0, 45.5, 160.0, 33.0), strict=True)))
    plain = values(ran())
    assert not np.array_equal(plain, values(ran(power=4.0)), equal_nan=True)
    one = ran(most=1)
    assert set(np.unique(values(one)[np.isfinite(values(one))])) <= {np.float32(v) for v in (10, 80, 0, 45.5, 160, 33)}
    near = ran(radius_m=3000)
    assert np.isnan(values(near)[layouts.inside(near.layout)]).any(), "cells that hear nobody stay empty"
    assert (near.standard, near.parameters["radius_m"]) == (False, 3000)
    assert Run.objects.filter(standard=True).count() == 1


def test_leave_one_out_by_hand(city: City, ran: Ran) -> None:
    a, b, c = (city.station(*place) for place in ((107.50, 31.24), (107.50, 31.29), (107.50, 31.33)))
    city.hour({a: 10.0, b: 20.0, c: 60.0})
    run = ran()
    assert run.layout is not None
    at = {m: transformer(STORAGE_SRID, run.layout.srid).transform(m.geom.x, m.geom.y) for m in (a, b, c)}

    def away(one: Monitor, other: Monitor) -> float:
        return math.dist(at[one], at[other])

    def guess(one: Monitor, p: tuple[Monitor, float], q: tuple[Monitor, float]) -> float:
        wp, wq = away(one, p[0]) ** -2, away(one, q[0]) ** -2
        return (wp * p[1] + wq * q[1]) / (wp + wq)

    expected = {a: guess(a, (b, 20), (c, 60)), b: guess(b, (a, 10), (c, 60)), c: guess(c, (a, 10), (b, 20))}
    told = {i.feature: i.estimate for i in run.inputs.all()}
    assert told == {m.pk: pytest.approx(v) for m, v in expected.items()}
    off = [expected[a] - 10, expected[b] - 20, expected[c] - 60]
    assert run.rmse == pytest.approx(math.sqrt(sum(e * e for e in off) / 3))
    assert run.mae == pytest.approx(sum(map(abs, off)) / 3)
    assert run.bias == pytest.approx(sum(off) / 3)


def test_only_what_lies_inside_the_region_is_drawn_and_used(city: City, ran: Ran, home: Region) -> None:
    mine = city.stations(4)
    foreign = city.station(107.46, 31.19, SIBLING)
    astray = city.station(104.06, 30.65)  # says it is of the county, and lies in Chengdu
    city.hour(dict.fromkeys(mine, 20.0) | {foreign: 900.0, astray: 900.0})
    run = ran()
    assert {i.feature for i in run.inputs.all()} == {m.pk for m in mine}
    assert np.nanmax(values(run)) == pytest.approx(20.0)
    of, inside = layouts.lattice(run.layout), layouts.inside(run.layout)
    assert np.isfinite(values(run)).sum() == inside.sum() == run.layout.cells
    back = transformer(of.srid, STORAGE_SRID)
    for (row, column), is_in in list(np.ndenumerate(inside))[::97]:
        lon, lat = back.transform(of.west + (column + 0.5) * of.cell, of.north - (row + 0.5) * of.cell)
        assert home.geom.contains(Point(lon, lat, srid=STORAGE_SRID)) is bool(is_in)


def test_hours_that_are_not_valid_do_not_count_and_zero_does(city: City, ran: Ran) -> None:
    a, b, c, d = city.stations(4)
    city.hour({a: 0.0, b: 0.0, c: 0.0, d: (500.0, False)})
    run = ran()
    assert (run.n_stations, run.n_used, run.low, run.high) == (4, 3, 0.0, 0.0)
    unused = run.inputs.get(feature=d.pk)
    assert (unused.used, unused.n_valid, unused.estimate) == (False, 10, None)


@pytest.mark.parametrize("valid", [0, 2])
def test_too_few_stations_make_no_picture(city: City, ran: Ran, valid: int) -> None:
    city.hour({m: (30.0, n < valid) for n, m in enumerate(city.stations(3))})
    run = ran()
    assert (run.state, run.values, run.layout, run.rmse, run.n_used) == (Run.State.FEW, None, None, None, valid)
    assert run.inputs.count() == 3


def test_f28_f29_what_is_marked_as_faulty_never_reaches_a_surface(city: City, ran: Ran) -> None:
    a, b, c, d = city.stations(4)
    device = {m: Device.objects.get(feature=m.pk).pk for m in (a, b, c, d)}
    store = Store(partitions.raw())
    for monitor in (a, b, c):
        store.write(series(device[monitor], [30.0] * 60))
    # A thousand times too high for half an hour, then a flat line that a detector marked: too little is left.
    store.write([
        *series(device[d], [30_000.0] * 30, quality="range"),
        *series(device[d], [7.0] * 30, NOON + timedelta(minutes=30), quality="flag"),
    ])  # fmt: skip
    rollups.compute(now=NOON + timedelta(days=1))
    run = ran()
    assert (run.n_stations, run.n_used, run.low, run.high) == (4, 3, pytest.approx(30.0), pytest.approx(30.0))
    assert run.inputs.get(feature=d.pk).used is False


def test_equal_inputs_give_equal_bytes(city: City, ran: Ran) -> None:
    city.hour(dict(zip(city.stations(), (10.0, 80.0, 0.0, 45.5, 160.0, 33.0), strict=True)))
    first = ran()
    Network.objects.all().delete()
    Hearing.objects.all().delete()
    Run.objects.update(inputs_key="")
    second = ran()
    assert bytes(first.values) == bytes(second.values)
    assert (second.pk, second.revision, second.rmse) == (first.pk, 1, first.rmse)


def test_weights_are_made_once_for_a_set_of_stations(city: City, ran: Ran, surface: Surface) -> None:
    made = city.stations()
    for hours in range(3):
        city.hour(dict.fromkeys(made, 20.0 + hours), NOON + timedelta(hours=hours))
        ran(NOON + timedelta(hours=hours))
    assert Network.objects.count() == 1
    late = city.station(107.55, 31.25)
    city.hour(dict.fromkeys([*made, late], 20.0))
    ran()
    assert Network.objects.count() == 2


def test_the_number_of_queries_does_not_grow_with_the_stations(
    city: City, ran: Ran, django_assert_max_num_queries: Any
) -> None:  # fmt: skip
    many = [city.station(107.42 + 0.01 * (n % 8), 31.24 + 0.01 * (n // 8)) for n in range(32)]
    city.hour(dict.fromkeys(many[:4], 20.0))
    ran()
    city.hour(dict.fromkeys(many, 20.0))
    with django_assert_max_num_queries(32):
        ran()


def test_the_database_answers_for_its_version() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select PostGIS_Lib_Version()")
        assert cursor.fetchone()[0] >= "3.3"
