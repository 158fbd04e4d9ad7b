"""The catalogue: a record for each layer the principal may see (OGC API Records, Part 1)."""

from typing import Any

from django.utils.translation import get_language

from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.ogc import extents

type Record = dict[str, Any]

FIELDS: dict[str, dict[str, Any]] = {
    "title": {"type": "string"},
    "description": {"type": "string"},
    "type": {"type": "string"},
    "language": {"type": "string"},
}


def search(principal: Principal, base_url: str, *, bbox: list[float] | None = None, text: str = "") -> list[Record]:
    """The records whose place meets a box and whose words hold every word of a text, by title."""
    found = [record(principal, layer, base_url) for layer in gate.layers(principal)]
    if bbox:
        west, south, east, north = bbox if len(bbox) == 4 else (*bbox[:2], *bbox[3:5])
        found = [r for r in found if r["geometry"] and _meets(r["geometry"], west, south, east, north)]
    for word in text.lower().split():
        found = [r for r in found if word in _words(r)]
    return sorted(found, key=lambda r: str(r["properties"]["title"]))


def record(principal: Principal, layer: Layer, base_url: str) -> Record:
    """One layer as a GeoJSON record."""
    address = f"{base_url}/collections/{layer.key}"
    bounds = extents.box(principal, layer)
    extent = extents.extent(principal, layer)
    geojson, mvt = "application/geo+json", "application/vnd.mapbox-vector-tile"
    return {
        "type": "Feature",
        "id": layer.key,
        "conformsTo": ["http://www.opengis.net/spec/ogcapi-records-1/1.0/req/record-core"],
        "geometry": _rectangle(*bounds) if bounds else None,
        "time": {"interval": extent["temporal"]["interval"][0]} if extent and "temporal" in extent else None,
        "properties": {
            "type": "dataset",
            "title": layer.title,
            "description": layer.description,
            "language": {"code": get_language() or ""},
            "keywords": [layer.singular, *([str(layer.group)] if layer.group else [])],
            "themes": [{"concepts": [{"id": layer.domain}], "scheme": f"{base_url}/collections"}],
            "formats": [{"mediaType": geojson}, {"mediaType": mvt}],
        },
        "links": [
            {"rel": "self", "type": geojson, "href": f"{base_url}/collections/layers/items/{layer.key}"},
            {"rel": "item", "type": "application/json", "title": layer.title, "href": address},
            {"rel": "items", "type": geojson, "href": f"{address}/items"},
            {"rel": "tiles", "type": mvt, "href": f"{address}/tiles"},
            {"rel": "styles", "type": "application/json", "href": f"{address}/styles"},
            {"rel": "alternate", "type": "text/html", "href": f"{address}?f=html"},
        ],
    }


def _words(found: Record) -> str:
    told = found["properties"]
    return " ".join([found["id"], told["title"], told["description"], *told["keywords"]]).lower()


def _rectangle(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def _meets(rectangle: dict[str, Any], west: float, south: float, east: float, north: float) -> bool:
    (left, bottom), (right, top) = (rectangle["coordinates"][0][corner] for corner in (0, 2))
    across = left <= east and right >= west if west <= east else left <= east or right >= west
    return across and bottom <= north and top >= south
