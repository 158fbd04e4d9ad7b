"""Descriptions of a layer's tiles: the OGC tileset and TileJSON 3.0."""

from typing import Any

from gis.crs import crs_uri
from gis.fields import WEB_SRID
from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.ogc import extents
from services.tiles import engine

DEEPEST = 16
"""Clients draw the tiles of this zoom on all deeper ones: a unit of theirs is 15 cm."""
MATRIX_SET = "WebMercatorQuad"
MATRIX_SET_URI = f"http://www.opengis.net/def/tilematrixset/OGC/1.0/{MATRIX_SET}"


def metadata(principal: Principal, layer: Layer, base_url: str) -> dict[str, Any]:
    """The tileset of a layer (OGC 20-057, Tileset Metadata)."""
    bounds = extents.box(principal, layer)
    address = f"{base_url}/collections/{layer.key}/tiles/{MATRIX_SET}"
    found: dict[str, Any] = {
        "title": layer.title,
        "description": layer.description,
        "dataType": "vector",
        "crs": crs_uri(WEB_SRID),
        "tileMatrixSetURI": MATRIX_SET_URI,
        "layers": [
            {
                "id": layer.key,
                "dataType": "vector",
                "geometryDimension": {"point": 0, "line": 1, "polygon": 2}.get(layer.geometry_type, 2),
                "propertiesSchema": {"type": "object", "properties": _schemas(principal, layer)},
            }
        ],
        "links": [
            {"rel": "self", "type": "application/json", "title": layer.title, "href": address},
            {
                "rel": "item", "type": "application/vnd.mapbox-vector-tile", "templated": True, "title": layer.title,
                "href": f"{address}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}",
            },
            {"rel": "describedby", "type": "application/json", "title": "TileJSON", "href": f"{address}?f=tilejson"},
            {
                "rel": "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme", "type": "application/json",
                "title": MATRIX_SET, "href": f"{base_url}/TileMatrixSets/{MATRIX_SET}",
            },
        ],
    }  # fmt: skip
    if bounds:
        west, south, east, north = bounds
        found["boundingBox"] = {"lowerLeft": [west, south], "upperRight": [east, north]}
    return found


def tilejson(principal: Principal, layer: Layer, base_url: str) -> dict[str, Any]:
    """TileJSON 3.0.0 of a layer."""
    found: dict[str, Any] = {
        "tilejson": "3.0.0",
        "name": layer.title,
        "description": layer.description,
        "tiles": [f"{base_url}/collections/{layer.key}/tiles/{MATRIX_SET}/{{z}}/{{y}}/{{x}}"],
        "minzoom": layer.zoom,
        "maxzoom": DEEPEST,
        "vector_layers": [
            {"id": layer.key, "fields": {name: s["title"] for name, s in _schemas(principal, layer).items()}}
        ],
    }
    bounds = extents.box(principal, layer)
    return found | ({"bounds": list(bounds)} if bounds else {})


def _schemas(principal: Principal, layer: Layer) -> dict[str, dict[str, Any]]:
    known = {f.name: f for f in gate.fields(principal, layer)}
    fields = [known[name] for name in engine.fields(layer) if name in known]
    return {"id": {"title": "id", "type": "string"}} | {f.name: {"title": f.label} | f.schema for f in fields}
