"""The feature index follows every write, whoever makes it."""

from typing import Any

import pytest
from django.contrib.gis.geos import Point
from django.db import connection

from layers.projects.models import Project
from services.catalog import index
from services.catalog.layer import Layer, registry
from services.catalog.models import FeatureIndex

pytestmark = pytest.mark.django_db

INSIDE = Point(107.50, 31.21, srid=4490)


@pytest.mark.parametrize("layer", list(registry), ids=lambda layer: layer.key)
def test_the_index_holds_exactly_the_features_of_each_layer(layer: Layer) -> None:
    indexed = set(FeatureIndex.objects.filter(layer=layer.key).values_list("pk", "title", "code"))
    assert indexed == set(layer.rows().values_list("pk", "name", "code"))


def test_a_row_that_sql_inserts_gets_key_times_region_and_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into projects_project (code, name, state, kind, stage, address, supervision_number, summary,"
            " progress, open_problems, geom) values ('SQL-1', '由SQL写入', 'active', 'building', '', '', '', '', 0, 0,"
            " ST_SetSRID(ST_Point(107.50, 31.21), 4490)) returning id"
        )
        pk = cursor.fetchone()[0]
    row = Project.objects.get(pk=pk)
    found = FeatureIndex.objects.get(pk=pk)
    assert pk.version == 7
    assert row.created_at
    assert row.region_id
    assert row.region_id.startswith("5117")
    assert (found.title, found.state, found.region_code) == ("由SQL写入", "active", row.region_id)


def test_the_index_follows_changes_and_deletion() -> None:
    project = Project.objects.create(code="X-1", name="before", geom=INSIDE)
    first = Project.objects.get(pk=project.pk).updated_at
    Project.objects.filter(pk=project.pk).update(name="after", state=Project.State.SUSPENDED, geom=Point(107.6, 31.3))
    found = FeatureIndex.objects.get(pk=project.pk)
    assert (found.title, found.state, found.geom.x) == ("after", "suspended", 107.6)
    assert "AFTER" in found.text
    assert Project.objects.get(pk=project.pk).updated_at > first
    project.delete()
    assert not FeatureIndex.objects.filter(pk=project.pk).exists()


def test_a_borrowed_place_follows_its_lender() -> None:
    borrowing = [layer for layer in registry if not layer.owns_geometry]
    assert borrowing
    for layer in borrowing:
        row: Any = layer.rows().exclude(**{layer.geom: None}).first()
        lender = row
        for step in layer.geom.split("__")[:-1]:
            lender = getattr(lender, step)
        type(lender).objects.filter(pk=lender.pk).update(geom=Point(107.123, 31.456, srid=4490))
        assert FeatureIndex.objects.get(pk=row.pk).geom.coords == pytest.approx((107.123, 31.456))


def test_a_rebuild_mends_what_went_astray() -> None:
    layer = next(iter(registry))
    with connection.cursor() as cursor:
        cursor.execute("update catalog_featureindex set title = 'wrong' where layer = %s", [layer.key])
    assert index.rebuild() == FeatureIndex.objects.count()
    assert not FeatureIndex.objects.filter(title="wrong").exists()
