"""Tiles: what is in them, what keeps them apart in the cache, and when they change."""

import gzip
from math import asinh, pi, radians, tan
from typing import Any

import mapbox_vector_tile
import pytest
from django.contrib.gis.geos import Point
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gis.errors import TileOutOfRange
from layers.projects.models import Participation, Project
from services.catalog.layer import registry
from services.catalog.versions import tables, version
from services.tiles import engine
from tests.conftest import HOME, SIBLING

pytestmark = pytest.mark.django_db
PROJECTS = registry.by_key["projects"]
LON, LAT = 107.5137, 31.2137


def address(z: int, lon: float = LON, lat: float = LAT) -> tuple[int, int, int]:
    return z, int((lon + 180) / 360 * 2**z), int((1 - asinh(tan(radians(lat))) / pi) / 2 * 2**z)


def features(body: bytes, name: str = "projects") -> list[dict[str, Any]]:
    layers = mapbox_vector_tile.decode(body) if body else {}
    return [feature["properties"] for feature in layers.get(name, {}).get("features", [])]


@pytest.fixture
def project(db: None) -> Project:
    return Project.objects.create(
        name="瓦片工程",
        code="TILE",
        state="active",
        region_id=HOME,
        address="不在瓦片里",
        geom=Point(LON, LAT, srid=4490),
    )


def test_a_tile_carries_id_name_state_and_what_the_style_reads(who: Any, project: Project) -> None:
    found = [f for f in features(engine.tile(who["owner"], PROJECTS, *address(16))) if f["id"] == str(project.pk)]
    assert found == [{"id": str(project.pk), "name": "瓦片工程", "state": "active"}]
    assert set(found[0]) == {"id", *engine.fields(PROJECTS)}


def test_low_zooms_are_clustered(who: Any, project: Project) -> None:
    Project.objects.bulk_create(
        Project(name=f"n{n}", region_id=HOME, geom=Point(LON + n * 1e-5, LAT, srid=4490)) for n in range(50)
    )
    found = features(engine.tile(who["owner"], PROJECTS, *address(8)))
    assert sum(f.get("point_count", 1) for f in found) >= 51
    assert len(found) < 51


def test_the_cache_is_kept_apart_by_scope(who: Any, project: Project) -> None:
    for _twice in range(2):
        seen = {
            name: features(engine.tile(who[name], PROJECTS, *address(16)))
            for name in ("owner", "neighbour", "stranger")
        }
        ids = {name: {f["id"] for f in found} for name, found in seen.items()}
        assert str(project.pk) in ids["owner"]
        assert str(project.pk) not in ids["neighbour"]
        assert ids["stranger"] == set()


def test_a_cached_tile_asks_the_database_for_its_version_only(who: Any, project: Project) -> None:
    z, x, y = address(16)
    for principal in ("owner", "stranger"):
        engine.tile(who[principal], PROJECTS, z, x, y)
        with CaptureQueriesContext(connection) as queries:
            engine.tile(who[principal], PROJECTS, z, x, y)
        assert len(queries) == 1, "an empty tile is kept too"
        assert "catalog_layerversion" in queries[0]["sql"]


def test_every_change_shows_at_once(who: Any, project: Project) -> None:
    def names() -> set[str]:
        return {f["name"] for f in features(engine.tile(who["owner"], PROJECTS, *address(16)))}

    assert "瓦片工程" in names()
    Project.objects.filter(pk=project.pk).update(name="改了")
    assert "改了" in names()
    with connection.cursor() as cursor:
        cursor.execute("update projects_project set name = 'SQL' where id = %s", [project.pk])
    assert "SQL" in names()
    Project.objects.filter(pk=project.pk).update(region_id=SIBLING)
    assert "SQL" not in names()
    before = version(PROJECTS)
    project.delete()
    assert version(PROJECTS) > before


def test_the_version_follows_the_tables_that_rights_read() -> None:
    assert "projects_participation" in tables(PROJECTS), "who takes part decides what an enterprise sees"
    before = version(PROJECTS)
    project = Project.objects.create(name="x", region_id=HOME)
    middle = version(PROJECTS)
    from layers.enterprises.models import Enterprise

    enterprise = Enterprise.objects.first()
    assert enterprise is not None
    Participation.objects.create(project=project, enterprise=enterprise, capacity="owner")
    assert before < middle < version(PROJECTS)


@pytest.mark.parametrize("layer", list(registry), ids=lambda layer: layer.key)
def test_every_layer_has_tiles_and_a_version_that_moves(layer: Any, who: Any) -> None:
    engine.tile(who["admin"], layer, *address(10))
    row = layer.rows().filter(**{f"{layer.geom}__isnull": False}).first()
    if row is None:
        pytest.skip("the demo city has none")
    place = row
    for step in layer.geom.split("__"):
        place = getattr(place, step)
    x, y = place.point_on_surface.coords
    assert str(row.pk) in {f["id"] for f in features(engine.tile(who["admin"], layer, *address(18, x, y)), layer.key)}
    before = version(layer)
    with connection.cursor() as cursor:
        cursor.execute(f"update {layer.model._meta.db_table} set name = name where id = %s", [row.pk])
    assert version(layer) > before


def test_the_door_filters_like_the_list_and_answers_304(token: Any, project: Project) -> None:
    z, x, y = address(16)
    client, headers = Client(), token("owner")
    path = f"/tiles/projects/{z}/{x}/{y}.mvt"
    plain = client.get(path, headers=headers)
    assert plain.headers["Content-Type"] == "application/vnd.mapbox-vector-tile"
    assert plain.headers["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= set(plain.headers["Vary"].replace(" ", "").split(","))
    zipped = client.get(path, headers=headers | {"Accept-Encoding": "gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.content) == plain.content
    assert client.get(path, headers=headers | {"If-None-Match": plain.headers["ETag"]}).status_code == 304
    Project.objects.filter(pk=project.pk).update(name="改了")
    assert client.get(path, headers=headers | {"If-None-Match": plain.headers["ETag"]}).status_code == 200
    for query, expected in (("state=active", 1), ("state=planned", 0), ("q=改了", 1), ("q=none", 0)):
        found = features(client.get(f"{path}?{query}", headers=headers).content)
        assert len([f for f in found if f["id"] == str(project.pk)]) == expected, query
    assert client.get(f"{path}?nosuch=1", headers=headers).status_code == 400


def test_the_door_refuses(token: Any, project: Project) -> None:
    client, headers = Client(), token("owner")
    for path, status in (
        ("/tiles/projects/23/0/0.mvt", 400),
        ("/tiles/projects/1/2/0.mvt", 400),
        ("/tiles/projects/1/0/2.mvt", 400),
        ("/tiles/nothing/0/0/0.mvt", 404),
        ("/tiles/projects/-1/0/0.mvt", 404),
        ("/tiles/regions/1/5/0.mvt", 400),
        (f"/tiles/projects/{10**30}/0/0.mvt", 400),
        ("/ogc/collections/projects/tiles/WebMercatorQuad/1/2/0", 400),
        ("/ogc/collections/projects/tiles/WebMercatorQuad/23/0/0", 400),
        ("/ogc/collections/projects/tiles/Other/1/0/0", 404),
    ):
        answer = client.get(path, headers=headers)
        assert answer.status_code == status, (path, answer.content[:200])
        if status == 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
    assert client.post("/tiles/projects/0/0/0.mvt", headers=headers).status_code in (403, 405)
    assert Client().get("/tiles/projects/0/0/0.mvt").status_code == 404


def test_the_two_doors_give_the_same_bytes(token: Any, project: Project) -> None:
    z, x, y = address(14)
    client, headers = Client(), token("owner")
    one = client.get(f"/tiles/projects/{z}/{x}/{y}.mvt", headers=headers)
    other = client.get(f"/ogc/collections/projects/tiles/WebMercatorQuad/{z}/{y}/{x}", headers=headers)
    assert one.content == other.content != b""


def test_the_base_map_has_its_levels_by_zoom(db: None) -> None:
    low, high = (mapbox_vector_tile.decode(engine.regions(*address(z))) for z in (3, 8))
    assert {name.partition("_")[0] for name in low} <= {"province"}
    assert {"city", "county"} <= set(high)
    names = [f["properties"] for f in high[f"county{engine.LABEL_SUFFIX}"]["features"]]
    assert {"id": "511702", "name": "通川区", "code": "511702"} in names
    answer = Client().get("/tiles/regions/{}/{}/{}.mvt".format(*address(8)))
    assert answer.content == engine.regions(*address(8))


def test_no_such_tile() -> None:
    with pytest.raises(TileOutOfRange):
        engine.regions(2, 4, 0)
