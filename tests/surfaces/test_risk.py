"""The risk grid: weights that are rows, fading by half-lives, sharing with neighbours, from 0 to 100."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.gis.geos import Point

from gis.fields import STORAGE_SRID
from gis.models import Region
from layers.projects.models import Project
from services.alarms.models import Episode, Rule
from services.surfaces import risk, sources
from services.surfaces.models import Run, Source, Surface
from services.telemetry import partitions
from services.telemetry.models import Device
from tests.conftest import HOME
from tests.surfaces.conftest import NOON, City

pytestmark = pytest.mark.django_db
Ran = Callable[..., Run]


@pytest.fixture
def surface(db: None) -> Surface:
    """Risk without any source."""
    Surface.objects.filter(key="risk").update(cell_m=1000)
    found = Surface.objects.get(key="risk")
    found.sources.all().delete()
    return found


def add(surface: Surface, source: str = "exceedances", **more: object) -> Source:
    given = {"label": "x", "options": {"factor": "a34002", "above": 100.0}} | more
    return Source.objects.create(surface=surface, source=source, **given)


def test_an_exceedance_weighs_by_its_row_and_fades(city: City, surface: Surface, ran: Ran) -> None:
    row = add(surface, weight=2.0, half_life_h=6.0)
    monitor = city.station(107.50, 31.28)
    city.hour({monitor: 300.0}, NOON - timedelta(hours=5))  # ended five hours ago; counted from its begin
    city.hour({monitor: 90.0}, NOON)
    run = ran(of=surface)
    raw = 2.0 * 3.0 * 0.5 ** (6 / 6)
    own = max(run.hexagons.all(), key=lambda cell: cell.score)
    assert own.score == pytest.approx(100 * raw / surface.full)
    assert own.parts == {str(row.pk): pytest.approx(raw)}
    assert own.geom.contains(Point(107.50, 31.28, srid=STORAGE_SRID))
    beside = [cell for cell in run.hexagons.all() if cell.pk != own.pk]
    assert len(beside) == 6
    assert all(cell.score == pytest.approx(100 * raw * surface.spread / surface.full) for cell in beside)
    assert all(cell.geom.touches(own.geom) or cell.geom.distance(own.geom) < 1e-9 for cell in beside)
    told = run.inputs.get()
    assert (told.feature, told.source, told.value) == (monitor.pk, row.pk, pytest.approx(raw))


@pytest.mark.parametrize(
    ("factor", "standard", "minutes", "cases"),
    [
        # GB 3095, class 2, the day's limit: 150 until the end of February 2026, 120 since, 100 from 2031 on.
        (
            "a34002", "GB 3095", 1440,
            [
                ("2026-02-28T23:00:00+08:00", 149.0, 0.0), ("2026-02-28T23:00:00+08:00", 151.0, 151 / 150),
                ("2026-03-01T00:00:00+08:00", 119.0, 0.0), ("2026-03-01T00:00:00+08:00", 121.0, 121 / 120),
                ("2031-01-01T00:00:00+08:00", 101.0, 101 / 100),
            ],
        ),
        # GB 12523: 70 by day, 55 by night.
        (
            "LA", "GB 12523", 20,
            [
                ("2026-11-20T21:00:00+08:00", 69.0, 0.0), ("2026-11-20T22:00:00+08:00", 69.0, 69 / 55),
                ("2026-11-21T05:00:00+08:00", 56.0, 56 / 55), ("2026-11-21T06:00:00+08:00", 56.0, 0.0),
            ],
        ),
    ],
)  # fmt: skip
def test_f33_f34_an_hour_is_judged_by_the_limit_in_force_when_it_was_measured(
    city: City, home: Region, factor: str, standard: str, minutes: int, cases: list[tuple[str, float, float]]
) -> None:
    monitor = city.station(107.50, 31.28)
    options = {"factor": factor, "standard": standard, "minutes": minutes, "grade": "2"}
    for moment, value, magnitude in cases:
        at = datetime.fromisoformat(moment)
        partitions.make(partitions.raw(), partitions.month_of(at))
        city.hour({monitor: value}, at, factor)
        window = sources.Window(home, at, at + timedelta(hours=1), options)
        found = [event.magnitude for event in sources.registered["exceedances"].events(window)]
        assert found == ([pytest.approx(magnitude)] if magnitude else []), moment


def test_a_score_ends_at_a_hundred_and_old_hours_are_forgotten(city: City, surface: Surface, ran: Ran) -> None:
    add(surface, weight=1000.0, window_h=3)
    monitor = city.station(107.50, 31.28)
    city.hour({monitor: 300.0}, NOON - timedelta(hours=3))
    assert ran(of=surface).hexagons.count() == 0
    city.hour({monitor: 300.0}, NOON - timedelta(hours=2))
    run = ran(of=surface)
    assert run.high == 100.0
    assert {cell.score for cell in run.hexagons.all()} == {100.0}


def test_hours_that_are_not_valid_are_no_exceedance(city: City, surface: Surface, ran: Ran) -> None:
    add(surface)
    city.hour({city.station(107.50, 31.28): (900.0, False)})
    assert ran(of=surface).hexagons.count() == 0


def test_features_of_any_layer_weigh_by_filter(city: City, surface: Surface, ran: Ran) -> None:
    Project.objects.filter(region_id=HOME).update(state="active")
    where = Point(107.46, 31.36, srid=STORAGE_SRID)
    Project.objects.create(code="R-1", name="待整改", region_id=HOME, geom=where, state="rectifying")
    Project.objects.create(code="R-2", name="别处", region_id="511703", geom=where, state="rectifying")
    row = add(surface, "layer", weight=4.0, options={"layer": "projects", "filter": {"state": "rectifying"}})
    run = ran(of=surface)
    own = max(run.hexagons.all(), key=lambda cell: cell.score)
    assert own.geom.contains(where) and own.parts == {str(row.pk): pytest.approx(4.0)}


def test_alarms_weigh_by_level_and_false_ones_do_not(city: City, surface: Surface, ran: Ran) -> None:
    row = add(surface, "alarms", weight=0.5, options={}, window_h=48)
    rule = Rule.objects.filter(layer="monitors").first()
    assert rule is not None
    for number, (level, state, at) in enumerate(
        (
            ("red", "open", NOON), ("blue", "closed", NOON - timedelta(hours=40)), ("red", "false", NOON),
            ("red", "open", NOON - timedelta(hours=50)), ("red", "open", NOON + timedelta(hours=2)),
        )
    ):  # fmt: skip
        monitor = city.station(107.40 + 0.04 * number, 31.36)
        device = Device.objects.get(feature=monitor.pk)
        Episode.objects.create(
            rule=rule, device=device, feature_id=monitor.pk, level=level, state=state, began_at=at, last_at=at,
            ended_at=at,
        )  # fmt: skip
    run = ran(of=surface)
    assert sorted(i.value for i in run.inputs.all()) == [0.5 * 1, 0.5 * 4]
    assert {i.source for i in run.inputs.all()} == {row.pk}


def test_others_may_register_a_source(city: City, surface: Surface, ran: Ran, home: Region) -> None:
    monitor = city.station(107.50, 31.28)
    seen: list[sources.Window] = []

    def calls(window: sources.Window) -> list[sources.Event]:
        seen.append(window)
        return [sources.Event(monitor.pk, window.end, 1.0)]

    sources.register(sources.RiskSource("calls", "来电", calls))
    try:
        add(surface, "calls", weight=5.0, window_h=8, options={"kind": "night"})
        run = ran(of=surface)
    finally:
        del sources.registered["calls"]
    assert run.high == pytest.approx(50.0)
    assert (seen[0].region.pk, seen[0].options) == (home.pk, {"kind": "night"})
    assert (seen[0].begin, seen[0].end) == (NOON - timedelta(hours=7), NOON + timedelta(hours=1))


def test_equal_events_give_equal_hexagons(city: City, surface: Surface, ran: Ran) -> None:
    add(surface)
    for n in range(8):
        city.hour({city.station(107.44 + 0.02 * n, 31.27 + 0.01 * n): 150.0 + n})
    first = [(c.i, c.j, c.score) for c in ran(of=surface).hexagons.order_by("i", "j")]
    Run.objects.update(inputs_key="")
    assert [(c.i, c.j, c.score) for c in ran(of=surface).hexagons.order_by("i", "j")] == first


def test_neighbours_of_a_hexagon_are_mutual() -> None:
    for own in ((0, 0), (3, -2), (-3, 5), (-2, 0)):
        beside = risk.around(*own)
        assert len(set(beside)) == 6 and own not in beside
        assert all(own in risk.around(*each) for each in beside)
