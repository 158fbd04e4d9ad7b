"""Who sees what through the API: rows, counts, extents, fields, tiles and records, for each of four people."""

from typing import Any

import mapbox_vector_tile
import pytest

from layers.projects.models import Project
from services.catalog.layer import registry
from services.ogc import extents
from tests.conftest import HOME, SIBLING
from tests.ogc.conftest import MINE

pytestmark = pytest.mark.django_db
ITEMS = "/collections/projects/items"
# The counties lie in different tiles of zoom 15.
TILES = {HOME: "/collections/projects/tiles/WebMercatorQuad/14/6705/13085", SIBLING: ""}


def tile_of(lon: float, lat: float, z: int) -> tuple[int, int]:
    from math import asinh, pi, radians, tan

    return int((lon + 180) / 360 * 2**z), int((1 - asinh(tan(radians(lat))) / pi) / 2 * 2**z)


@pytest.mark.parametrize(
    ("name", "seen"), [("owner", {HOME}), ("neighbour", {SIBLING}), ("stranger", set()), ("commander", {HOME, SIBLING})]
)
def test_rows_counts_extents_and_tiles(door: Any, who: Any, projects: Any, name: str, seen: set[str]) -> None:
    expected = {p.name: str(p.pk) for region in seen for p in projects[region]}
    page = door(name).json(ITEMS, filter=MINE, limit=100)
    ids = {feature["id"] for feature in page["features"]}
    assert ids == {str(p.pk) for region in seen for p in projects[region]}
    assert page["numberMatched"] == len(ids)
    assert len(expected) <= len(ids)
    box = extents.box(who[name], registry.by_key["projects"])
    own = Project.objects.filter(region_id__in=seen) if name != "commander" else Project.objects.all()
    assert (box is None) == (not own.exists())
    drawn: set[str] = set()
    for region in (HOME, SIBLING):
        for project in projects[region][:1] + projects[region][-1:]:
            x, y = tile_of(project.geom.x, project.geom.y, 15)
            answer = door(name).get(f"/collections/projects/tiles/WebMercatorQuad/15/{y}/{x}")
            assert answer.status_code == 200
            layers = mapbox_vector_tile.decode(answer.content) if answer.content else {}
            drawn |= {f["properties"]["id"] for f in layers.get("projects", {}).get("features", [])}
    tested = {str(p.pk) for region in projects for p in projects[region]}
    assert drawn & tested == ids


def test_a_foreign_item_is_not_there(door: Any, projects: Any) -> None:
    foreign = projects[SIBLING][0]
    address = f"{ITEMS}/{foreign.pk}"
    absent = f"{ITEMS}/01900000-0000-7000-8000-000000000000"
    body = {"type": "Feature", "geometry": None, "properties": {"name": "mine now"}}
    for method, sent in (("GET", None), ("PUT", body), ("PATCH", body), ("DELETE", None)):
        answers = [door("owner").send(method, path, sent) for path in (address, absent)]
        assert [answer.status_code for answer in answers] == [404, 404]
        texts = [answer.content.decode().replace(str(foreign.pk), "ID") for answer in answers]
        assert texts[0] == texts[1].replace("01900000-0000-7000-8000-000000000000", "ID")
    foreign.refresh_from_db()
    assert foreign.name == "测试工程0"


def test_the_public_sees_no_layer_that_is_not_granted_to_it(door: Any, who: Any, projects: Any) -> None:
    public = door("public")
    open_layers = {layer.key for layer in registry if "public" in layer.grants}
    assert {c["id"] for c in public.json("/collections")["collections"]} == open_layers | {"layers"}
    assert {r["id"] for r in public.json("/collections/layers/items")["features"]} == open_layers
    assert {s["id"] for s in public.json("/styles")["styles"]} == open_layers
    closed = next(layer.key for layer in registry if layer.key not in open_layers)
    for path in (
        "", "/items", "/items/x", "/schema", "/queryables", "/tiles", "/tiles/WebMercatorQuad",
        "/tiles/WebMercatorQuad/0/0/0", "/styles",
    ):  # fmt: skip
        assert public.get(f"/collections/{closed}{path}").status_code == 404, path
    assert public.get(f"/styles/{closed}").status_code == 404
    assert f"/collections/{closed}" not in public.json("/openapi")["paths"]
    body = {"type": "Feature", "geometry": None, "properties": {"name": "x"}}
    assert public.send("POST", f"/collections/{closed}/items", body).status_code in (401, 404)


@pytest.mark.parametrize("layer", [layer for layer in registry if layer.private], ids=lambda layer: layer.key)
def test_private_fields_are_unknown_without_the_right(door: Any, who: Any, layer: Any) -> None:
    from services.access import gate

    for name in ("inspector", "owner", "commander"):
        if not gate.may(who[name], layer) or gate.reads_private(who[name], layer):
            continue
        reader = door(name)
        private = layer.private[0]
        assert private not in reader.json(f"/collections/{layer.key}/schema")["properties"]
        assert private not in reader.json(f"/collections/{layer.key}/queryables")["properties"]
        for query in ({private: "x"}, {"filter": f"{private} IS NULL"}, {"sortby": private}, {"properties": private}):
            answer = reader.get(f"/collections/{layer.key}/items", query)
            assert answer.status_code == 400
        for feature in reader.json(f"/collections/{layer.key}/items", limit=5)["features"]:
            assert private not in feature["properties"]


def test_an_expired_or_unknown_token_is_401_as_a_problem(door: Any, db: None) -> None:
    from django.utils import timezone

    from services.accounts.models import ApiToken

    headers = door("owner").headers
    ApiToken.objects.update(expires_at=timezone.now())
    for given in (headers, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic !!"}):
        for path in ("", "/collections", ITEMS, "/collections/projects/tiles/WebMercatorQuad/0/0/0"):
            answer = door("public").get(path, **given)
            assert answer.status_code == 401, path
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert "WWW-Authenticate" in answer.headers
