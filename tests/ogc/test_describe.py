"""What the API says of itself: landing page, conformance, collections, schemas, in two languages and two forms."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from services.catalog.layer import registry
from services.ogc.describe import CONFORMANCE

pytestmark = pytest.mark.django_db


def links(document: Any) -> Iterator[dict[str, Any]]:
    """Every link of a document, at whatever depth."""
    if isinstance(document, dict):
        for value in document.get("links", []) if isinstance(document.get("links"), list) else []:
            yield value
        for name, value in document.items():
            if name != "links":
                yield from links(value)
    elif isinstance(document, list):
        for value in document:
            yield from links(value)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/collections", "/collections/projects", "/collections/layers", "/collections/layers/items",
        "/collections/projects/items", "/collections/projects/tiles", "/collections/projects/tiles/WebMercatorQuad",
        "/collections/projects/styles", "/styles", "/processes", "/processes/buffer-count", "/jobs", "/TileMatrixSets",
    ],
)  # fmt: skip
def test_every_link_leads_somewhere(door: Any, path: str) -> None:
    owner = door("owner")
    found = list(links(owner.json(path)))
    assert found
    for link in found:
        if link.get("templated") or "/execution" in link["href"]:
            continue
        address = urlsplit(link["href"])
        assert address.netloc == "testserver", link
        answer = owner.client.get(link["href"], headers=owner.headers)
        assert answer.status_code == 200, (link, answer.content[:300])
        if link["type"] == "text/html":
            assert answer.headers["Content-Type"].startswith("text/html"), link


@pytest.mark.parametrize(
    "path",
    [
        "", "/conformance", "/openapi", "/collections", "/collections/projects", "/collections/projects/queryables",
        "/collections/projects/schema", "/collections/projects/items", "/collections/projects/tiles",
        "/collections/projects/tiles/WebMercatorQuad", "/collections/projects/styles", "/styles", "/styles/projects",
        "/styles/projects/legend", "/styles/projects/metadata", "/processes", "/processes/buffer-count", "/jobs",
        "/TileMatrixSets", "/TileMatrixSets/WebMercatorQuad",
    ],
)  # fmt: skip
def test_every_document_is_also_a_page(door: Any, path: str) -> None:
    owner = door("owner")
    page = owner.get(path, Accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert page.status_code == 200, page.content[:300]
    assert page.headers["Content-Type"].startswith("text/html")
    text = page.content.decode()
    assert (
        "http://" not in text.replace("http://testserver", "").replace("http://www.opengis.net", "").split("<pre>")[0]
    )
    assert "<script" not in text
    assert owner.get(path, Accept="*/*").headers["Content-Type"].startswith("application/")


def test_conformance_lists_each_class_once_and_does_not_grow(door: Any) -> None:
    public = door("public")
    first = public.json("/conformance")["conformsTo"]
    public.json("/")
    public.json("/collections")
    assert first == public.json("/conformance")["conformsTo"] == list(CONFORMANCE)
    assert len(first) == len(set(first))


def test_collections_are_those_of_the_registry(door: Any) -> None:
    keys = {c["id"] for c in door("admin").json("/collections")["collections"]}
    assert keys == {layer.key for layer in registry} | {"layers"}


def test_a_collection_states_extent_crs_and_links(door: Any, projects: Any) -> None:
    found = door("owner").json("/collections/projects")
    west, south, east, north = found["extent"]["spatial"]["bbox"][0]
    assert -180 <= west <= 107.51 <= east <= 180
    assert south <= 31.21 <= north
    assert found["extent"]["temporal"]["interval"][0][0] <= "2026-01-01"
    assert found["crs"] == [
        "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        *(f"http://www.opengis.net/def/crs/EPSG/0/{srid}" for srid in (4326, 4490, 3857, 4545)),
    ]
    assert found["storageCrs"] == "http://www.opengis.net/def/crs/EPSG/0/4490"
    assert {"items", "self", "alternate"} <= {link["rel"] for link in found["links"]}


def test_titles_and_descriptions_follow_the_language(door: Any) -> None:
    public = door("admin")
    chinese, english = (public.json("/collections/projects", lang=lang) for lang in ("zh", "en"))
    assert chinese["title"] == "工程"
    assert chinese["title"] != english["title"] or not _translated("工程")
    accepted = public.get("/collections/projects", **{"Accept-Language": "en"})
    assert accepted.headers["Content-Language"] == "en"
    assert accepted.json()["title"] == english["title"]


def _translated(text: str) -> bool:
    from django.utils.translation import gettext, override

    with override("en"):
        return gettext(text) != text


def test_the_schema_states_labels_units_choices_and_roles(door: Any) -> None:
    found = door("owner").json("/collections/projects/schema")
    properties = found["properties"]
    assert properties["geometry"] == {
        "title": "位置", "x-ogc-role": "primary-geometry", "format": "geometry-point",
    }  # fmt: skip
    assert properties["floor_area"]["x-ogc-unit"] == "m²"
    assert properties["state"]["enum"][0] == "planned"
    assert properties["state"]["title"] == "状态"
    assert properties["start_date"]["x-ogc-role"] == "primary-instant"
    assert properties["updated_at"]["readOnly"]
    assert found["required"] == ["name"]
    queryables = door("owner").json("/collections/projects/queryables")
    assert set(queryables["properties"]) == set(properties) - {"id"}
    assert queryables["additionalProperties"] is False


def test_what_is_not_there_answers_404(door: Any) -> None:
    for path in (
        "/nothing", "/collections/nothing", "/collections/nothing/items", "/collections/nothing/schema",
        "/collections/nothing/tiles", "/styles/nothing", "/processes/nothing", "/jobs/nothing",
        "/TileMatrixSets/nothing", "/collections/projects/tiles/nothing", "/collections/projects/items/nothing",
        "/collections/projects/items/x' OR '1'='1", "/collections/projects/styles/nothing",
        "/jobs/00000000-0000-0000-0000-000000000000/results",
    ):  # fmt: skip
        assert door("owner").get(path).status_code == 404, path


def test_unknown_formats_name_those_that_are_served(door: Any) -> None:
    for path in ("", "/collections", "/collections/projects/items", "/styles/projects", "/openapi"):
        answer = door("owner").get(path, {"f": "jsonld"})
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "json" in answer.json()["errors"]["f"][0]


def test_requests_log_no_warnings(door: Any, caplog: pytest.LogCaptureFixture) -> None:
    owner = door("owner")
    for path in ("", "/collections", "/collections/projects/items", "/jobs", "/processes", "/collections/layers/items"):
        owner.json(path)
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


def test_the_local_zone_is_that_of_the_city() -> None:
    from services.ogc.engine import local_zone_srid

    assert settings.PRODUCT_REGION == "511700"
    assert local_zone_srid() == 4545, "Dazhou lies around 108° E"
