"""Lists and panels of every layer: complete, within rights, and with a fixed number of queries."""

import json
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from layers.environment.models import Monitor
from layers.projects.models import Project
from layers.video.models import Camera
from services.access import gate
from services.access.errors import NotFound
from services.access.principal import Principal
from services.catalog.layer import Layer, Tab, registry
from services.panels.listing import listing
from services.panels.panel import nearby, panel, tab

pytestmark = pytest.mark.django_db
each_layer = pytest.mark.parametrize("layer", list(registry), ids=lambda layer: layer.key)

COUNTS = Path(__file__).with_name("query_counts.json")
"""Recorded numbers of queries: a change of any of them is a change to look at."""


def first(layer: Layer, principal: Principal) -> object:
    """The key of a feature the principal sees; skips where the demo city has none."""
    row = gate.restrict(principal, layer).order_by("pk").first()
    if row is None:
        pytest.skip(f"the demo city has no {layer.key}")
    return row.pk


@each_layer
def test_a_list_makes_the_same_queries_whatever_its_length(layer: Layer, who: dict[str, Principal]) -> None:
    numbers = set()
    listing(who["admin"], layer, {})  # counts the rows, which is kept until the layer changes
    for size in (1, 100):
        with CaptureQueriesContext(connection) as queries:
            page = listing(who["admin"], layer, {"size": size})
        numbers.add(len(queries))
        assert len(page.rows) == min(size, page.total)
        assert all(len(row.cells) == len(page.columns) for row in page.rows)
    assert numbers == {3}


@each_layer
def test_a_panel_makes_the_recorded_number_of_queries(layer: Layer, who: dict[str, Principal]) -> None:
    recorded = json.loads(COUNTS.read_text())
    pk = first(layer, who["admin"])
    with CaptureQueriesContext(connection) as queries:
        opened = panel(who["admin"], layer, str(pk))
    assert opened.title
    shown = [head.key for head in opened.tabs]
    assert shown == [
        t.key for t in layer.tabs if not isinstance(t, Tab) or not t.model.topic or layer.tab(t.model.topic) is None
    ]
    assert len(queries) == recorded[layer.key], f"record it: {layer.key}: {len(queries)}"


@each_layer
def test_every_tab_opens_and_counts_what_it_shows(layer: Layer, who: dict[str, Principal]) -> None:
    pk = first(layer, who["admin"])
    heads = {head.key: head for head in panel(who["admin"], layer, str(pk)).tabs}
    for declared in layer.tabs:
        content = tab(who["admin"], layer, str(pk), declared.key)
        assert content.title
        if declared.key in heads:
            assert content.total == (heads[declared.key].count or 0)
        if isinstance(declared, Tab):
            assert content.sections[0].add == ("" if declared.model.by_flow else declared.key)
    with pytest.raises(NotFound):
        tab(who["admin"], layer, str(pk), "no-such-tab")


@each_layer
def test_private_fields_are_in_no_list_and_no_panel_of_who_may_not_read_them(
    layer: Layer, who: dict[str, Principal]
) -> None:
    for name in ("commander", "owner", "inspector"):
        if not gate.may(who[name], layer):
            continue
        hidden = set(layer.private) - {f.name for f in gate.fields(who[name], layer)}
        labels = {layer.field[field].label for field in hidden}
        page = listing(who[name], layer, {"columns": ",".join(layer.field)})
        assert not labels & {column.label for column in page.columns}
        row = gate.restrict(who[name], layer).first()
        if row is not None:
            assert not labels & {value.label for value in panel(who[name], layer, row.pk).values}


def test_the_project_panel_shows_topics_that_fill_from_other_domains(who: dict[str, Principal]) -> None:
    layer = registry.by_key["projects"]
    project = Project.objects.create(name="专题", region_id="511702", summary="简介在此")
    Camera.objects.create(code="51170200441310000001", name="东门摄像机", project=project, region_id="511702")
    Monitor.objects.create(code="MN-TOPIC-1", name="东门监测点", project=project, region_id="511702")
    heads = {head.key: head.count for head in panel(who["owner"], layer, project.pk).tabs}
    assert len([t for t in layer.tabs if not isinstance(t, Tab)]) == 13
    assert (heads["video"], heads["dust"]) == (1, 1)
    video = tab(who["owner"], layer, project.pk, "video")
    assert "东门摄像机" in str(video.sections[0].rows)
    assert tab(who["owner"], layer, project.pk, "introduction").values[0].text == "简介在此"
    assert tab(who["inspector"], layer, project.pk, "dust").total == 1
    with pytest.raises(NotFound):
        tab(who["neighbour"], layer, project.pk, "video")


def test_nearby_is_sorted_by_distance_and_within_rights(who: dict[str, Principal]) -> None:
    layer = registry.by_key["projects"]
    project = gate.restrict(who["owner"], layer).exclude(geom=None).first()
    assert project is not None
    found = nearby(who["owner"], project.pk, 10)
    assert found
    distances = [metres for _row, _layer, metres in found]
    assert distances == sorted(distances)
    assert all(row.region_code.startswith("511702") for row, _layer, _metres in found)
