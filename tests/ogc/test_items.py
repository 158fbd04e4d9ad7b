"""Pages of features: paging, filters, CRSs, and what is refused."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.gis.geos import Point
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gis.crs import transformer
from layers.projects.models import Project
from tests.conftest import HOME
from tests.ogc.conftest import MINE

pytestmark = pytest.mark.django_db
ITEMS = "/collections/projects/items"
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"


def names(page: Any) -> list[str]:
    return [feature["properties"]["name"] for feature in page["features"]]


def test_pages_follow_one_another_and_show_every_row_once(door: Any, projects: Any) -> None:
    owner = door("owner")
    page = owner.json(ITEMS, filter=MINE, limit=10, sortby="-progress")
    seen = []
    while True:
        assert page["numberMatched"] == 25
        assert page["numberReturned"] == len(page["features"])
        seen += names(page)
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        page = owner.client.get(following[0], headers=owner.headers).json()
    assert seen == [p.name for p in reversed(projects[HOME])]
    assert [link["rel"] for link in page["links"]] == ["self", "alternate", "collection", "prev"]
    before = next(link["href"] for link in page["links"] if link["rel"] == "prev")
    assert names(owner.client.get(before, headers=owner.headers).json()) == seen[10:20]


def test_an_unsorted_page_is_stable(door: Any, projects: Any) -> None:
    pages = [names(door("owner").json(ITEMS, filter=MINE, limit=7, offset=offset)) for offset in (0, 7, 14, 21)]
    assert [name for page in pages for name in page] == [p.name for p in projects[HOME]]


def test_a_page_begins_where_the_one_before_ended_until_the_layer_changes(door: Any, projects: Any) -> None:
    owner = door("owner")

    def page(offset: int) -> tuple[list[str], str]:
        with CaptureQueriesContext(connection) as asked:
            found = names(owner.json(ITEMS, filter=MINE, limit=5, offset=offset))
        return found, next(query["sql"] for query in asked if "string_agg" in query["sql"])

    mine = [project.name for project in projects[HOME]]
    assert page(0)[0] == mine[:5]
    found, sql = page(5)
    assert found == mine[5:10]
    assert "OFFSET 5" not in sql, "no row is passed over again"
    assert names(door("neighbour").json(ITEMS, filter=MINE, limit=5, offset=5)) == [], "an end is of those who see it"
    projects[HOME][0].delete()
    found, sql = page(5)
    assert found == mine[6:11]
    assert "OFFSET 5" in sql, "what was known of the layer is not true any more"


def test_f51_a_box_across_the_180th_meridian_finds_both_sides(door: Any, projects: Any) -> None:
    west, east, far = projects[HOME][:3]
    for project, longitude in ((west, -179.5), (east, 179.5), (far, 0)):
        Project.objects.filter(pk=project.pk).update(geom=Point(longitude, 31.2, srid=4490))
    found = door("owner").json(ITEMS, filter=MINE, bbox="178,31,-178,32")
    assert sorted(names(found)) == sorted([west.name, east.name])


def test_the_envelope(door: Any, projects: Any) -> None:
    answer = door("owner").get(ITEMS, {"limit": 3})
    page = answer.json()
    assert answer.headers["Content-Type"] == "application/geo+json"
    assert answer.headers["Content-Crs"] == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert page["type"] == "FeatureCollection"
    assert page["numberReturned"] == 3
    assert page["timeStamp"].endswith("Z")
    assert door("owner").json(ITEMS, filter="name = 'none such'")["features"] == []


def test_values_keep_their_types(door: Any, projects: Any) -> None:
    first = door("owner").json(ITEMS, filter="name='测试工程3'")["features"][0]
    told = first["properties"]
    assert told["progress"] == 3
    assert told["floor_area"] == 301.5
    assert told["contract_price"] == 3
    assert told["start_date"] == "2026-01-04"
    assert told["region"] == HOME
    assert told["owner"] is None
    assert told["created_at"].endswith("Z")
    assert first["geometry"] == {"type": "Point", "coordinates": [107.5103, 31.21]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"state": "active"}, 12),
        ({"progress": "3"}, 1),
        ({"progress": "3", "state": "active"}, 1),
        ({"region": HOME}, 25),
        ({"bbox": "107.5095,31.2095,107.51055,31.2105"}, 6),
        ({"bbox": "107.5095,31.2095,-10,107.51055,31.2105,10"}, 6),
        ({"bbox": "107.5103,31.2095,107.5104,31.21"}, 2),
        ({"bbox": "107.51030002,31.2095,107.51039998,31.2105"}, 0),
        ({"bbox": "-180,-90,180,90"}, 25),
        ({"bbox": "179,-90,-179,90"}, 0),
        ({"bbox": "31.2095,107.5095,31.2105,107.51055", "bbox-crs": f"{EPSG}4326"}, 6),
        ({"bbox": "31.2095,107.5095,31.2105,107.51055", "bbox-crs": f"{EPSG}4490"}, 6),
        ({"datetime": "2026-01-03"}, 1),
        ({"datetime": "2026-01-03/2026-01-05"}, 3),
        ({"datetime": "2026-01-24/.."}, 2),
        ({"datetime": "../2026-01-02T12:00:00Z"}, 2),
        ({"datetime": "/2026-01-02"}, 2),
        ({"q": "测试工程1"}, 11),
        ({"filter": f"{MINE} AND progress BETWEEN 3 AND 5"}, 3),
        ({"filter": f"{MINE} AND S_INTERSECTS(geometry, BBOX(107.5095,31.2095,107.51055,31.2105))"}, 6),
        (
            {
                "filter": f"{MINE} AND S_INTERSECTS(geometry, BBOX(31.2095,107.5095,31.2105,107.51055))",
                "filter-crs": f"{EPSG}4326",
            },
            6,
        ),
        ({"filter": f"{MINE} AND T_AFTER(start_date, DATE('2026-01-20'))"}, 5),
        ({"filter": f"{MINE} AND CASEI(code) LIKE CASEI('t511702-0_')"}, 10),
        ({"filter": f"{MINE} AND floor_area IS NULL"}, 1),
        (
            {
                "filter": json.dumps({"op": "<", "args": [{"property": "progress"}, 4]}),
                "filter-lang": "cql2-json",
                "q": "测试工程",
            },
            4,
        ),
    ],
)
def test_narrowing(door: Any, projects: Any, query: dict[str, str], expected: int) -> None:
    query = query if "filter" in query else query | {"filter": MINE}
    page = door("owner").get(ITEMS, query | {"limit": 100}).json()
    assert page["numberMatched"] == page["numberReturned"] == len(page["features"]) == expected


@pytest.mark.parametrize("srid", [4326, 4490, 3857, 4545])
def test_coordinates_in_every_crs_come_back_to_the_same_place(door: Any, projects: Any, srid: int) -> None:
    owner = door("owner")
    answer = owner.get(ITEMS, {"filter": "name='测试工程3'", "crs": f"{EPSG}{srid}"})
    assert answer.headers["Content-Crs"] == f"<{EPSG}{srid}>"
    one, other = answer.json()["features"][0]["geometry"]["coordinates"]
    x, y = transformer(4490, srid).transform(107.5103, 31.21)
    # Latitude, and northing in Gauss–Krüger, comes first where the authority says so.
    expected = (x, y) if srid == 3857 else (y, x)
    assert (one, other) == pytest.approx(expected, abs=0.001)
    around = (
        f"{one - 1e-4},{other - 1e-4},{one + 1e-4},{other + 1e-4}"
        if srid in (4326, 4490)
        else (f"{one - 5},{other - 5},{one + 5},{other + 5}")
    )
    found = owner.json(ITEMS, filter=MINE, bbox=around, bbox_crs=f"{EPSG}{srid}")
    assert "测试工程3" in names(found)
    assert len(names(found)) < 4
    item = owner.json(f"{ITEMS}/{projects[HOME][3].pk}", crs=f"{EPSG}{srid}")
    assert item["geometry"]["coordinates"] == [one, other]


def test_shaping(door: Any, projects: Any) -> None:
    page = door("owner").json(ITEMS, filter=MINE, properties="name,progress", skipGeometry="true", sortby="progress")
    assert page["features"][0]["properties"] == {"name": "测试工程0", "progress": 0}
    assert page["features"][0]["geometry"] is None
    assert page["features"][0]["id"] == str(projects[HOME][0].pk)
    ordered = door("owner").json(ITEMS, filter=MINE, sortby="state,-progress")
    assert names(ordered)[0] == "测试工程23"


def test_a_large_limit_is_lowered_not_refused(door: Any, projects: Any) -> None:
    assert door("owner").get(ITEMS, {"limit": "1000000"}).status_code == 200


BAD = [
    ("limit", "0"),
    ("limit", "-1"),
    ("limit", "x"),
    ("limit", "1.5"),
    ("limit", "1" * 20),
    ("offset", "-1"),
    ("offset", "x"),
    ("bbox", "1,2,3"),
    ("bbox", "a,b,c,d"),
    ("bbox", "1,2,nan,4"),
    ("bbox", "1,2,inf,4"),
    ("bbox", "0,50,10,40"),
    ("bbox", "31,107,32,108"),
    ("bbox", "-200,0,10,10"),
    ("bbox", ""),
    ("bbox", "1e308,1e308,1e308,1e308"),
    ("bbox-crs", f"{EPSG}4326"),
    ("crs", f"{EPSG}9999"),
    ("crs", f"{EPSG}4513"),
    ("crs", ""),
    ("crs", "x"),
    ("datetime", "yesterday"),
    ("datetime", "2026-13-01"),
    ("datetime", "../.."),
    ("datetime", "2026-02-01/2026-01-01"),
    ("datetime", ""),
    ("filter", "name ="),
    ("filter", "nosuch = 1"),
    ("filter", "geom__isnull = 1"),
    ("filter", "x' OR 1=1"),
    ("filter-lang", "ecql"),
    ("filter-crs", "EPSG:1"),
    ("sortby", "nosuch"),
    ("sortby", "-owner__name"),
    ("properties", "nosuch"),
    ("skipGeometry", "maybe"),
    ("nosuch", "1"),
    ("name__icontains", "a"),
    ("password", "x"),
    ("progress", "many"),
    ("state", "nosuch"),
    ("start_date", "soon"),
    ("owner", "nobody"),
    ("f", "xml"),
    ("q\0", "x"),
    ("q", "a\0"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_parameter_is_named_with_what_is_allowed(door: Any, name: str, value: str) -> None:
    answer = door("owner").get(ITEMS, {name: value})
    assert answer.status_code == 400, answer.content[:300]
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 400
    assert next(iter(problem["errors"])) == name
    assert problem["errors"][name][0]
    assert "Traceback" not in answer.content.decode()


def test_a_parameter_given_twice_is_refused(door: Any) -> None:
    assert door("owner").get(f"{ITEMS}?{urlencode([('limit', 1), ('limit', 2)])}").status_code == 400


def test_what_only_the_database_can_tell_is_a_400(door: Any, projects: Any) -> None:
    for text in ("progress ^ 1000 ^ 1000 > 1", "CASEI(name) LIKE CASEI('测试工程\\')"):
        answer = door("owner").get(ITEMS, {"filter": text})
        assert answer.status_code == 400, text
        assert "filter" in answer.json()["errors"]


def test_a_division_by_zero_is_no_row_and_no_error(door: Any, projects: Any) -> None:
    assert door("owner").json(ITEMS, filter="1 / (progress - progress) > 0")["numberMatched"] == 0


def test_an_item_leads_to_its_panel_and_its_other_forms(door: Any, projects: Any) -> None:
    project = projects[HOME][0]
    item = door("owner").json(f"{ITEMS}/{project.pk}")
    found = {link["rel"]: link["href"] for link in item["links"]}
    address = f"http://testserver/ogc{ITEMS}/{project.pk}"
    assert item["id"] == str(project.pk)
    assert found["self"].startswith(address)
    assert found["alternate"] == f"{address}?f=html"
    assert found["collection"] == "http://testserver/ogc/collections/projects"
    assert found["related"] == f"http://testserver/desk/projects/{project.pk}"
    assert found["edit"] == address
    seen = door("inspector").json(f"{ITEMS}/{project.pk}")
    assert "edit" not in {link["rel"] for link in seen["links"]}


def test_pages_show_values_as_text(door: Any, projects: Any) -> None:
    project = projects[HOME][0]
    project.name = "<script>alert(1)</script>测试工程"
    project.save()
    for path in (f"{ITEMS}/{project.pk}", ITEMS):
        page = door("owner").get(path, {"f": "html"} | ({"q": "alert"} if path == ITEMS else {})).content.decode()
        assert "&lt;script&gt;alert(1)" in page
        assert "<script" not in page


def test_counting_stops_where_it_would_cost(door: Any, projects: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.ogc import items

    monkeypatch.setattr(items, "COUNTED", 20)
    page = door("owner").json(ITEMS, filter=MINE, limit=10)
    assert "numberMatched" not in page
    assert "next" in {link["rel"] for link in page["links"]}


def test_head_and_options(door: Any, projects: Any) -> None:
    owner = door("owner")
    assert owner.send("HEAD", ITEMS).status_code == 200
    assert "POST" in owner.send("OPTIONS", ITEMS).headers["Allow"]
    assert "PATCH" in owner.send("OPTIONS", f"{ITEMS}/{projects[HOME][0].pk}").headers["Allow"]
    assert owner.send("POST", "/collections").status_code == 405
    assert owner.send("POST", "/collections/layers/items", {"type": "Feature"}).status_code == 405
