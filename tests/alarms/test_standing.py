"""Dust of a site is judged by the stage of its works when it was measured, and over the background around it."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from layers.environment.models import Monitor
from layers.environment.rules import BUILDING, EARTH, STAGES
from layers.projects.models import ProgressReport, Project
from services.alarms.evaluate import evaluate
from services.alarms.models import Episode, Rule
from services.catalog.layer import registry
from services.limits import ledger
from services.limits.ledger import Judged
from services.limits.models import Limit
from services.limits.standing import standings
from services.telemetry import partitions
from services.telemetry.models import Device, Factor
from services.telemetry.spans import Span
from services.telemetry.store import Row
from tests.alarms.conftest import MINUTE, NOON, new_device, new_rule, rows
from tests.conftest import HOME, SIBLING

pytestmark = pytest.mark.django_db
Keep = Callable[[Iterable[Row]], Any]
HOUR = timedelta(hours=1)


def site(**values: Any) -> Monitor:
    """The monitor of a new project in the owner's county."""
    number = f"ST-{Project.objects.count()}"
    project = Project.objects.create(code=number, name=number, region_id=HOME, **values)
    return Monitor.objects.create(code=number, name=number, region_id=HOME, project=project)


def test_every_stage_of_a_project_is_one_of_the_limits() -> None:
    assert set(STAGES) == set(Project.Stage.values)


def test_the_stage_is_the_one_reported_before_the_moment() -> None:
    dug, plain, torn, bare = site(), site(stage="structure"), site(kind="demolition", stage="structure"), site()
    for day, stage in ((date(2026, 3, 1), "earthwork"), (date(2026, 6, 1), "foundation")):
        ProgressReport.objects.create(project=dug.project, reported_on=day, stage=stage, percent=10)
    found = standings(registry.by_key["monitors"], {m.pk for m in (dug, plain, torn, bare)})

    def stages(monitor: Monitor) -> list[str]:
        return [found[monitor.pk].stage(datetime.fromisoformat(f"2026-{day}T00:00:00+08:00")) for day in DAYS]

    assert stages(dug) == ["", EARTH, EARTH, BUILDING]
    assert stages(plain) == [BUILDING] * 4
    assert stages(torn) == [EARTH] * 4
    assert stages(bare) == [""] * 4


DAYS = ("02-28", "03-01", "05-31", "06-01")


@pytest.mark.parametrize(
    ("stage", "value", "limit"),
    [("earthwork", 590.0, None), ("earthwork", 610.0, 600), ("structure", 260.0, 250), ("", 260.0, 250)],
)
def test_an_alarm_takes_the_limit_of_the_stage(
    rule: Rule, keep: Keep, stage: str, value: float, limit: float | None
) -> None:
    device = new_device(feature=site(stage=stage).pk, interval=60)
    Rule.objects.filter(key="tsp").update(enabled=True)
    keep(rows(device, [value] * 20, factor="a34001"))
    evaluate(NOON + 21 * MINUTE)
    assert [episode.limit for episode in Episode.objects.filter(rule__key="tsp")] == ([limit] if limit else [])


def measured(values: dict[Device, float], at: datetime, factor: str = "a34002") -> None:
    """Write valid hours as roll-ups are written, and say that they came."""
    link, number = partitions.raw(), Factor.objects.get(code=factor).pk
    partitions.make(link, partitions.month_of(at))
    for device, mean in values.items():
        link.execute(
            "insert into telemetry_rollup (device, factor, span, at, mean, n_valid, n_expected, valid)"
            " values (%s, %s, %s, %s, %s, 60, 60, true)",
            [device.pk, number, Span.HOUR, at, mean],
        )
        link.execute(
            "insert into telemetry_arrival (device, span, low, high, late) values (%s, %s, %s, %s, false)",
            [device.pk, Span.HOUR, at, at],
        )


@pytest.fixture
def county(rule: Rule) -> dict[str, Device]:
    """Five monitors of a county, one of another, and a limit over the background, twice a day."""
    Limit.objects.filter(standard="DB13/2934").update(region="51")
    new_rule(
        name="background", standard="DB13/2934", minutes=60, threshold=None, span=Span.HOUR,
        condition="value > limit && n_today > allowed",
    )  # fmt: skip
    made = {name: new_device(feature=site().pk) for name in "abcde"}
    far = Monitor.objects.create(code="ST-far", name="far", region_id=SIBLING)
    return made | {"far": new_device(feature=far.pk)}


def test_over_a_background_is_what_is_over_it_more_often_than_allowed(county: dict[str, Device]) -> None:
    # The others' mean is 50: the limit is 130, reached at noon and exceeded in the three hours after it.
    for n, value in enumerate((130.0, 131.0, 140.0, 150.0)):
        at = NOON + n * HOUR
        measured({county["a"]: value, county["far"]: 900.0}, at)
        measured({county[name]: level for name, level in zip("bcde", (20.0, 40.0, 60.0, 80.0), strict=True)}, at)
        evaluate(at + HOUR + MINUTE)
    found = Episode.objects.get(rule__name="background", device=county["a"].pk)
    assert (found.began_at, found.limit, found.value) == (NOON + 3 * HOUR, 130.0, 150.0)


def test_without_enough_others_there_is_no_background_to_be_over(county: dict[str, Device], who: Any) -> None:
    judged = [Judged("a34002", Span.HOUR, "DB13/2934", 60)]
    layer = registry.by_key["monitors"]
    values = dict(zip("abcd", (300.0, 20.0, 40.0, 60.0), strict=True))
    measured({county[name]: value for name, value in values.items() if name != "d"}, NOON)
    measured({county[name]: value for name, value in values.items()}, NOON + HOUR)
    evaluate(NOON + 2 * HOUR)
    found = ledger.exceedances(who["admin"], layer, judged, NOON, NOON + timedelta(days=1))
    assert [(each.at, each.feature.pk, each.limit.value) for each in found] == [
        (NOON + HOUR, county["a"].feature, 120.0)
    ]
