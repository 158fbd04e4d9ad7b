"""Real clients against a real server: GDAL, OWSLib; and what QGIS sends, replayed."""

import json
import urllib.request
from typing import Any
from urllib.parse import urlencode

import pyogrio
import pytest

from services.accounts.models import ApiToken
from services.ogc.describe import CONFORMANCE
from tests.conftest import Server, connect

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def credentials(server: Server) -> dict[str, str]:
    """A token of the owner, known to the server's database."""
    secret = "real-client-token"
    with connect(server.database) as link:
        (pk,) = link.execute("select id from accounts_user where username = 'owner'").fetchone()  # type: ignore[misc]
        columns = [c.column for c in ApiToken._meta.concrete_fields]
        assert {"user_id", "digest"} <= set(columns)
        link.execute(
            "insert into accounts_apitoken (user_id, name, digest, created_at) values (%s, 'client', %s, now())",
            [pk, ApiToken.hash(secret)],
        )
    return {"Authorization": f"Bearer {secret}"}


def ask(server: Server, credentials: dict[str, str], path: str, query: Any = None, **options: Any) -> Any:
    url = f"{server.url}/ogc{path}" + (f"?{urlencode(query)}" if query else "")
    request = urllib.request.Request(url, headers=credentials | options.pop("headers", {}), **options)
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
        return json.loads(body) if body else answer.headers


def test_gdal_reads_a_collection_and_pushes_its_filter_down(server: Server, credentials: dict[str, str]) -> None:
    expected = server.sql("select name from projects_project where region_id like '511702%%' order by name")
    options = {"USERPWD": f"token:{credentials['Authorization'].partition(' ')[2]}"}
    source = f"OAPIF:{server.url}/ogc/collections/projects"
    frame = pyogrio.read_dataframe(source, **options)
    assert sorted(frame["name"]) == sorted(name for (name,) in expected)
    assert frame.crs.to_epsg() in (4326, 4490) or "CRS84" in str(frame.crs)
    some = pyogrio.read_dataframe(source, where="state = 'active'", **options)
    assert 0 < len(some) < len(frame)
    assert set(some["state"]) == {"active"}
    x, y = frame.geometry.iloc[0].x, frame.geometry.iloc[0].y
    near = pyogrio.read_dataframe(source, bbox=(x - 1e-6, y - 1e-6, x + 1e-6, y + 1e-6), **options)
    assert len(near) >= 1
    whole = pyogrio.read_info(f"OAPIF:{server.url}/ogc", layer="projects", **options)
    assert {"name", "state", "progress"} <= set(whole["fields"])


def test_owslib_reads_the_api(server: Server, credentials: dict[str, str]) -> None:
    from owslib.ogcapi.features import Features
    from owslib.ogcapi.records import Records

    client = Features(f"{server.url}/ogc/", headers=credentials)
    assert client.conformance()["conformsTo"] == list(CONFORMANCE)
    assert "projects" in client.feature_collections()
    assert "layers" in Records(f"{server.url}/ogc/", headers=credentials).records()
    assert client.collection("projects")["id"] == "projects"
    page = client.collection_items("projects", limit=2, filter="state IN ('active','planned')")
    assert page["numberReturned"] == 2
    one = client.collection_item("projects", page["features"][0]["id"])
    assert one["properties"] == page["features"][0]["properties"]
    assert "name" in client.collection_queryables("projects")["properties"]
    assert "name" in client.collection_schema("projects")["properties"]
    body = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [107.5, 31.21]},
        "properties": {"name": "OWSLib", "region": "511702"},
    }
    client.collection_item_create("projects", json.dumps(body))
    made = client.collection_items("projects", filter="name = 'OWSLib'")["features"][0]["id"]
    client.collection_item_update(
        "projects", made, json.dumps(body | {"properties": {"name": "OWSLib 2", "region": "511702"}})
    )
    assert client.collection_item("projects", made)["properties"]["name"] == "OWSLib 2"
    client.collection_item_delete("projects", made)
    assert client.collection_items("projects", filter="name LIKE 'OWSLib%'")["features"] == []


def test_what_qgis_sends(server: Server, credentials: dict[str, str]) -> None:
    """The requests of QGIS's OGC API – Features provider, in its order: from adding the layer to editing it."""
    landing = ask(server, credentials, "/", headers={"Accept": "application/json"})
    rels = {link["rel"]: link["href"] for link in landing["links"] if link["type"] != "text/html"}
    assert {"service-desc", "conformance", "data"} <= set(rels)
    conformance = ask(server, credentials, "/conformance", headers={"Accept": "application/json"})["conformsTo"]
    # Without these QGIS filters on its own side.
    for needed in (
        "ogcapi-features-3/1.0/conf/filter",
        "ogcapi-features-3/1.0/conf/features-filter",
        "cql2/1.0/conf/cql2-text",
        "cql2/1.0/conf/basic-cql2",
        "cql2/1.0/conf/advanced-comparison-operators",
        "cql2/1.0/conf/case-insensitive-comparison",
        "cql2/1.0/conf/basic-spatial-functions",
        "cql2/1.0/conf/spatial-functions",
        "cql2/1.0/conf/arithmetic",
    ):
        assert f"http://www.opengis.net/spec/{needed}" in conformance
    api = ask(server, credentials, "/openapi", headers={"Accept": "application/vnd.oai.openapi+json;version=3.0"})
    limit = api["components"]["parameters"]["limit"]["schema"]
    assert limit["maximum"] >= 1000
    assert {"get", "post"} <= set(api["paths"]["/collections/projects/items"])
    collection = ask(server, credentials, "/collections/projects")
    assert collection["extent"]["spatial"]["bbox"]
    assert "http://www.opengis.net/def/rel/ogc/1.0/queryables" in {link["rel"] for link in collection["links"]}
    queryables = ask(server, credentials, "/collections/projects/queryables")["properties"]
    geometry = next(name for name, of in queryables.items() if of.get("x-ogc-role") == "primary-geometry")
    sample = ask(server, credentials, "/collections/projects/items", {"limit": 10})
    assert sample["features"][0]["geometry"]["type"] == "Point"
    crs = "http://www.opengis.net/def/crs/EPSG/0/4545"
    filters = (
        "\"state\" = 'active'",
        "CASEI(\"name\") LIKE CASEI('%项目%')",
        '("progress" >= 10) AND ("progress" < 90)',
        "\"state\" IN ('active','planned')",
        '"progress" BETWEEN 1 AND 90',
        'NOT ("code" IS NULL)',
        "start_date >= DATE('2020-01-01')",
        f"S_INTERSECTS({geometry},BBOX(107,31,108,32))",
        f"S_INTERSECTS({geometry},POLYGON((107 31,108 31,108 32,107 32,107 31)))",
    )
    for text in filters:
        query = {"filter": text, "filter-lang": "cql2-text", "limit": 1000, "bbox": "107,30,109,33", "crs": crs}
        page = ask(server, credentials, "/collections/projects/items", query)
        assert page["numberReturned"] == page["numberMatched"] > 0, text
    northing, easting = page["features"][0]["geometry"]["coordinates"]
    assert northing > 3_000_000 > easting, "EPSG:4545 has northing first"
    assert "name" in ask(server, credentials, "/collections/projects/schema")["properties"]
    body = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [107.51, 31.21]},
        "properties": {"name": "QGIS", "region": "511702"},
    }
    sent = {"headers": {"Content-Type": "application/geo+json"}}
    made = ask(
        server, credentials, "/collections/projects/items", method="POST", data=json.dumps(body).encode(), **sent
    )
    path = made["Location"].partition("/ogc")[2]
    item = ask(server, credentials, path)
    item["properties"]["name"] = "QGIS 2"
    ask(server, credentials, path, method="PUT", data=json.dumps(item).encode(), **sent)
    change = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [31.22, 107.52]}}
    in_4490 = {
        "headers": {
            "Content-Type": "application/geo+json",
            "Content-Crs": "<http://www.opengis.net/def/crs/EPSG/0/4490>",
        }
    }
    ask(server, credentials, path, method="PATCH", data=json.dumps(change).encode(), **in_4490)
    item = ask(server, credentials, path)
    assert item["properties"]["name"] == "QGIS 2"
    assert item["geometry"]["coordinates"] == [107.52, 31.22]
    ask(server, credentials, path, method="DELETE")
