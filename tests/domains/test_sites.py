"""Cameras and monitors: on the map, opened, and only for those who may."""

import pytest
from django.contrib.gis.geos import Point

from services.access import actions, gate
from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Holding, Principal
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.panels.panel import panel

pytestmark = pytest.mark.django_db
CAMERAS, MONITORS = registry.by_key["cameras"], registry.by_key["monitors"]
FACTORS = ("pm10", "pm25", "tsp", "noise", "temperature", "humidity", "pressure", "wind_speed", "wind_direction")


@pytest.mark.covers("DZ-110", "DZ-072")
@pytest.mark.parametrize("key", ["cameras", "monitors"])
def test_every_device_has_its_place_on_the_map(key: str) -> None:
    layer = registry.by_key[key]
    for row in layer.rows():
        shown = FeatureIndex.objects.get(pk=row.pk)
        assert shown.layer == key
        assert shown.geom == row.geom
    assert layer.rows().exists()


@pytest.mark.covers("DZ-073", "DZ-077")
def test_a_monitor_opens_with_all_its_values_and_their_time(who: dict[str, Principal]) -> None:
    row = MONITORS.rows().filter(state="online", region__code__startswith="511702").first()
    assert row
    opened = panel(who["owner"], MONITORS, row.pk)
    values = {value.label: value.text for value in opened.values}
    for factor in FACTORS:
        described = MONITORS.field[factor]
        assert values[described.label] == described.display(getattr(row, factor))
        assert described.unit in values[described.label]
    assert values["监测时间"] == MONITORS.field["measured_at"].display(row.measured_at)
    assert row.project.name in values["所属工程"]


@pytest.mark.covers("DZ-099")
def test_a_unit_sees_and_operates_only_its_own_devices(who: dict[str, Principal]) -> None:
    mine, other = (MONITORS.rows().filter(region__code__startswith=code).first() for code in ("511702", "511703"))
    assert mine and other
    assert panel(who["owner"], MONITORS, mine.pk).feature.pk == mine.pk
    actions.change(who["owner"], MONITORS, mine.pk, {"maker": "甲"})
    with pytest.raises(NotFound):
        panel(who["owner"], MONITORS, other.pk)
    with pytest.raises(NotFound):
        actions.change(who["owner"], MONITORS, other.pk, {"maker": "甲"})
    firm = mine.project.participations.first().enterprise_id
    contractor = Principal(None, "contractor", (Holding("contractor", organisation=firm),))
    seen = set(gate.restrict(contractor, MONITORS).values_list("pk", flat=True))
    assert mine.pk in seen
    assert seen == set(
        MONITORS.rows().filter(project__participations__enterprise=firm).values_list("pk", flat=True).distinct()
    )
    with pytest.raises(Refused):
        actions.change(
            Principal(who["admin"].id, "contractor", contractor.holdings), MONITORS, mine.pk, {"maker": "乙"}
        )


def test_zero_is_a_value_and_a_missing_one_is_not() -> None:
    assert MONITORS.field["pm10"].display(0.0).startswith("0")
    assert MONITORS.field["pm10"].display(None) == "—"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"code": "34020000001180000001"}, "code"),
        ({"code": "51170200441320999999", "bearing": 361}, "bearing"),
    ],
)
def test_a_wrong_camera_is_refused_by_name(who: dict[str, Principal], values: dict[str, object], field: str) -> None:
    given = {"name": "演示", "region": "511702", "geom": Point(107.5, 31.2, srid=4490)} | values
    with pytest.raises(Invalid) as caught:
        actions.create(who["admin"], CAMERAS, given)
    assert field in caught.value.fields
