"""Creating, replacing, changing and deleting features; tags, conflicts and refusals; nothing half written."""

from typing import Any

import pytest
from django.test import Client

from layers.projects.models import Project
from services.audit.models import Entry
from tests.conftest import HOME, PASSWORD, SIBLING

pytestmark = pytest.mark.django_db
ITEMS = "/collections/projects/items"
POINT = {"type": "Point", "coordinates": [107.512, 31.211]}


def feature(**properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": POINT, "properties": {"name": "新工程", "region": HOME} | properties}


def test_a_created_feature_is_where_its_location_says(door: Any, projects: Any) -> None:
    owner = door("owner")
    answer = owner.send(
        "POST", ITEMS, feature(code="N-1", state="active", progress=7, floor_area=12.5, start_date="2026-05-01")
    )
    assert answer.status_code == 201, answer.content
    assert answer.headers["Location"].startswith(f"http://testserver/ogc{ITEMS}/")
    item = owner.client.get(answer.headers["Location"], headers=owner.headers).json()
    assert item["geometry"] == POINT
    told = item["properties"]
    assert (told["code"], told["state"], told["progress"], told["floor_area"]) == ("N-1", "active", 7, 12.5)
    assert (told["start_date"], told["region"], told["summary"]) == ("2026-05-01", HOME, "")
    assert Entry.objects.filter(object_id=item["id"], action="create").exists()


def test_a_body_in_another_crs_lands_in_the_same_place(door: Any, projects: Any) -> None:
    body = feature() | {"geometry": {"type": "Point", "coordinates": [31.211, 107.512]}}
    crs = "<http://www.opengis.net/def/crs/EPSG/0/4490>"
    answer = door("owner").send("POST", ITEMS, body, **{"Content-Crs": crs})
    made = Project.objects.get(pk=answer.headers["Location"].rpartition("/")[2])
    assert made.geom.coords == pytest.approx((107.512, 31.211))
    assert door("owner").send("POST", ITEMS, body, **{"Content-Crs": "<x>"}).status_code == 400


def test_replace_returns_the_rest_to_its_default(door: Any, projects: Any) -> None:
    project = projects[HOME][3]
    owner = door("owner")
    answer = owner.send("PUT", f"{ITEMS}/{project.pk}", feature(name="换了"))
    assert answer.status_code == 204, answer.content
    project.refresh_from_db()
    assert (project.name, project.code, project.progress, project.floor_area) == ("换了", "", 0, None)
    assert project.geom.coords == pytest.approx((107.512, 31.211))


def test_update_changes_what_is_given(door: Any, projects: Any) -> None:
    project = projects[HOME][3]
    owner = door("owner")
    body = {"type": "Feature", "properties": {"progress": 55}}
    answer = owner.send("PATCH", f"{ITEMS}/{project.pk}", body)
    assert answer.status_code == 204, answer.content
    before = project.geom
    project.refresh_from_db()
    assert (project.progress, project.name, project.geom) == (55, "测试工程3", before)
    changed = Entry.objects.filter(object_id=project.pk, action="change").latest("pk")
    assert changed.changes == {"progress": [3, 55]}


def test_what_was_read_can_be_sent_back(door: Any, projects: Any) -> None:
    project = projects[HOME][3]
    project.name = "a<b & c>d"
    project.save()
    owner = door("owner")
    item = owner.json(f"{ITEMS}/{project.pk}")
    assert item["properties"]["name"] == "a<b & c>d"
    assert owner.send("PUT", f"{ITEMS}/{project.pk}", item).status_code == 204
    again = owner.json(f"{ITEMS}/{project.pk}")
    for name in ("created_at", "updated_at"):
        item["properties"].pop(name), again["properties"].pop(name)
    assert again == item


def test_delete(door: Any, projects: Any) -> None:
    address = f"{ITEMS}/{projects[HOME][3].pk}"
    assert door("owner").send("DELETE", address).status_code == 204
    assert door("owner").get(address).status_code == 404
    assert door("owner").send("DELETE", address).status_code == 404


def test_tags_and_preconditions(door: Any, projects: Any) -> None:
    owner = door("owner")
    address = f"{ITEMS}/{projects[HOME][3].pk}"
    read = owner.get(address)
    tag = read.headers["ETag"]
    assert tag.startswith('"')
    assert owner.get(address, **{"If-None-Match": tag}).status_code == 304
    other = owner.get(address, {"f": "html"}).headers["ETag"]
    assert other != tag, "two representations, two tags"
    body = {"type": "Feature", "properties": {"progress": 1}}
    changed = owner.send("PATCH", address, body, **{"If-Match": tag})
    assert changed.status_code == 204
    assert changed.headers["ETag"] != tag
    assert changed.headers["ETag"] == owner.get(address).headers["ETag"]
    for method, sent in (("PATCH", body), ("PUT", feature()), ("DELETE", None)):
        refused = owner.send(method, address, sent, **{"If-Match": tag})
        assert refused.status_code == 412, method
        assert refused.headers["Content-Type"] == "application/problem+json"
    assert owner.json(address)["properties"]["progress"] == 1
    assert owner.send("PATCH", address, body, **{"If-Match": "*"}).status_code == 204
    assert (
        owner.send(
            "PATCH", address, body, **{"If-Match": owner.get(address, {"f": "html"}).headers["ETag"]}
        ).status_code
        == 204
    )
    assert owner.send("DELETE", address, **{"If-Match": owner.get(address).headers["ETag"]}).status_code == 204


def test_who_may_not_write(door: Any, projects: Any) -> None:
    address = f"{ITEMS}/{projects[HOME][3].pk}"
    for method, path, body in (
        ("POST", ITEMS, feature()),
        ("PUT", address, feature()),
        ("PATCH", address, feature()),
        ("DELETE", address, None),
    ):
        assert door("inspector").send(method, path, body).status_code == 403, method
        assert door("public").send(method, path, body).status_code in (401, 404), method
        expected = 403 if method == "POST" else 404
        assert door("neighbour").send(method, path, body).status_code == expected, method
    count = Project.objects.filter(name="新工程").count()
    assert count == 0


def test_nobody_moves_a_feature_out_of_their_scope(door: Any, projects: Any) -> None:
    project = projects[HOME][3]
    body = {"type": "Feature", "properties": {"region": SIBLING}}
    assert door("owner").send("PATCH", f"{ITEMS}/{project.pk}", body).status_code == 403
    project.refresh_from_db()
    assert project.region_id == HOME


BAD = [
    (b"{", "body"),
    (b"", "body"),
    (b"[]", "type"),
    (b'"x"', "type"),
    (b'{"type":"FeatureCollection","features":[]}', "type"),
    ({"type": "Feature", "geometry": POINT, "properties": []}, "properties"),
    (feature(nosuch=1), "nosuch"),
    (feature(geom="x"), "geom"),
    (feature(id="x"), "id"),
    (feature(progress="7"), "progress"),
    (feature(progress=1.5), "progress"),
    (feature(progress=True), "progress"),
    (feature(progress=101), "progress"),
    (feature(progress=-1), "progress"),
    (feature(name=5), "name"),
    (feature(name=""), "name"),
    (feature(name="x" * 201), "name"),
    (feature(name={"a": 1}), "name"),
    (feature(name="a\0b"), "name"),
    (feature(state="nosuch"), "state"),
    (feature(start_date="soon"), "start_date"),
    (feature(start_date=5), "start_date"),
    (feature(region="999999"), "region"),
    (feature(owner="x"), "owner"),
    (feature(owner="01900000-0000-7000-8000-000000000000"), "owner"),
    (feature(floor_area="NaN"), "floor_area"),
    (feature(contract_price=1e30), "contract_price"),
]


@pytest.mark.parametrize(("body", "name"), BAD, ids=lambda value: str(value)[-60:])
def test_bad_values_are_named_and_nothing_is_written(door: Any, projects: Any, body: Any, name: str) -> None:
    before = Project.objects.count()
    answer = door("owner").send("POST", ITEMS, body)
    assert answer.status_code == 400, answer.content
    problem = answer.json()
    if body != b"":
        assert name in problem["errors"], problem
    assert Project.objects.count() == before
    address = f"{ITEMS}/{projects[HOME][3].pk}"
    for method in ("PUT", "PATCH"):
        refused = door("owner").send(method, address, body)
        assert refused.status_code == 400, (method, refused.content)
    projects[HOME][3].refresh_from_db()
    assert projects[HOME][3].name == "测试工程3"


@pytest.mark.parametrize(
    ("geometry", "status"),
    [
        ({"type": "Point", "coordinates": [500, 0]}, 422),
        ({"type": "Point", "coordinates": [31.2, 107.5]}, 422),
        ({"type": "Point", "coordinates": ["a", 1]}, 422),
        ({"type": "Point", "coordinates": [1, 2, 3]}, 422),
        ({"type": "Point", "coordinates": []}, 422),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}, 422),
        ({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, 422),
        ({"type": "Nothing"}, 422),
        ("POINT(1 2)", 422),
        ("/etc/passwd", 422),
        ({"type": "MultiPoint", "coordinates": [[107.5, 31.2]] * 50_001}, 413),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bad_places(door: Any, projects: Any, geometry: Any, status: int) -> None:
    before = Project.objects.count()
    answer = door("owner").send("POST", ITEMS, feature() | {"geometry": geometry})
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert Project.objects.count() == before


def test_numbers_that_are_none(door: Any, projects: Any) -> None:
    for text in (b"NaN", b"Infinity", b"1e999"):
        body = (
            b'{"type":"Feature","geometry":{"type":"Point","coordinates":[' + text + b',31]},"properties":{"name":"x"}}'
        )
        assert door("owner").send("POST", ITEMS, body).status_code in (400, 422)


def test_ten_megabytes_are_refused(door: Any, projects: Any) -> None:
    address = f"{ITEMS}/{projects[HOME][3].pk}"
    body = b'{"type":"Feature","properties":{"summary":"' + b"x" * 10_000_000 + b'"}}'
    for method, path in (
        ("POST", ITEMS),
        ("PUT", address),
        ("PATCH", address),
        ("POST", "/processes/buffer-count/execution"),
    ):
        answer = door("owner").send(method, path, body)
        assert answer.status_code == 413, method
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_deeply_nested_bodies_are_refused(door: Any) -> None:
    for body in (
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"type":"Feature","properties":{"name":' + b"[" * 2000 + b"]" * 2000 + b"}}",
    ):
        assert door("owner").send("POST", ITEMS, body).status_code == 400


def test_a_browser_session_needs_the_csrf_token(projects: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.login(username="owner", password=PASSWORD)
    address = f"/ogc{ITEMS}/{projects[HOME][3].pk}"
    body = '{"type":"Feature","properties":{"progress":1}}'
    refused = client.patch(address, body, content_type="application/geo+json")
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]
    assert client.get(address).status_code == 200
    client.cookies["csrftoken"] = "a" * 32
    allowed = client.patch(address, body, content_type="application/geo+json", headers={"X-CSRFToken": "a" * 32})
    assert allowed.status_code == 204


def test_a_layer_that_borrows_its_place_takes_no_geometry(door: Any, who: Any) -> None:
    from services.access import gate
    from services.catalog.layer import registry

    for layer in registry:
        if layer.owns_geometry:
            continue
        row = gate.restrict(who["admin"], layer).first()
        if row is None:
            continue
        address = f"/collections/{layer.key}/items/{row.pk}"
        item = door("admin").json(address)
        answer = door("admin").send("PUT", address, item)
        assert answer.status_code == 204, answer.content.decode()
        assert door("admin").json(address)["geometry"] == item["geometry"]
