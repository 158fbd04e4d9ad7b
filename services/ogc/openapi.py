"""The OpenAPI 3.0 document of the doors a principal may use; it refers to nothing outside itself."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.ogc import coverages, edr, observations, schema
from services.ogc.cql2 import LANGUAGES
from services.ogc.engine import CATALOGUE, DEFAULT_ITEMS, MOST_ITEMS, crs_uris
from services.ogc.jobs import PROCESSES
from services.ogc.tilesets import MATRIX_SET

type Operation = dict[str, Any]
MANY = "FeatureCollection"
JSON, GEOJSON = "application/json", "application/geo+json"


def document(principal: Principal, base_url: str) -> dict[str, Any]:
    """The document, with a path for every collection of the principal."""
    paths: dict[str, Any] = _common()
    for layer in gate.layers(principal):
        paths |= _layer(principal, layer)
    for key, resource in coverages.resources(principal).items():
        paths |= _coverage(key, resource["title"])
    return {
        "openapi": "3.0.3",
        "info": {"title": str(settings.PRODUCT), "version": "1", "description": _("建设工程空间图层的 OGC API。")},
        "servers": [{"url": base_url}],
        "paths": paths,
        "components": {
            "parameters": _parameters(),
            "responses": {
                "Problem": {
                    "description": "RFC 9457",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
            "schemas": {
                "Problem": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                        "detail": {"type": "string"}, "errors": {"type": "object"},
                    },
                },
                "Feature": {
                    "type": "object",
                    "required": ["type", "geometry", "properties"],
                    "properties": {
                        "type": {"type": "string", "enum": ["Feature"]},
                        "id": {"type": "string"},
                        "geometry": {"type": "object", "nullable": True},
                        "properties": {"type": "object", "nullable": True},
                    },
                },
                "FeatureCollection": {
                    "type": "object",
                    "required": ["type", "features"],
                    "properties": {
                        "type": {"type": "string", "enum": ["FeatureCollection"]},
                        "features": {"type": "array", "items": {"$ref": "#/components/schemas/Feature"}},
                        "links": {"type": "array", "items": {"type": "object"}},
                        "numberMatched": {"type": "integer", "minimum": 0},
                        "numberReturned": {"type": "integer", "minimum": 0},
                        "timeStamp": {"type": "string", "format": "date-time"},
                    },
                },
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic", "description": _("密码处填写 API 令牌。")},
            },
        },
        "security": [{}, {"token": []}, {"basic": []}],
    }  # fmt: skip


def _parameters() -> dict[str, Any]:
    crs = {"type": "string", "enum": list(crs_uris())}

    def asked(name: str, of: dict[str, Any], told: str = "") -> dict[str, Any]:
        return {"name": name, "in": "query", "required": False, "description": told, "schema": of}

    text = {"type": "string"}
    return {
        "f": asked("f", {"type": "string", "enum": ["json", "html"]}),
        "lang": asked("lang", {"type": "string", "enum": ["zh", "en"]}),
        "limit": asked("limit", {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS, "default": DEFAULT_ITEMS}),
        "offset": asked("offset", {"type": "integer", "minimum": 0, "maximum": 999_999_999, "default": 0}),
        "bbox": asked("bbox", {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6})
        | {"style": "form", "explode": False},
        "bbox-crs": asked("bbox-crs", crs),
        "crs": asked("crs", crs),
        "datetime": asked("datetime", text, _("时间或时间段，例如 2026-01-01/..")),
        "filter": asked("filter", text, "CQL2"),
        "filter-lang": asked("filter-lang", {"type": "string", "enum": list(LANGUAGES), "default": LANGUAGES[0]}),
        "filter-crs": asked("filter-crs", crs),
        "region": asked("region", text, _("区划代码；不给时为您可看的最上一级。")),
        "q": asked("q", text),
        "sortby": asked("sortby", text),
        "properties": asked("properties", {"type": "array", "items": text}) | {"style": "form", "explode": False},
        "skipGeometry": asked("skipGeometry", {"type": "boolean", "default": False}),
        "If-Match": {"name": "If-Match", "in": "header", "required": False, "schema": text},
        "coords": asked("coords", text, "WKT, CRS84"),
        "within": asked("within", {"type": "number", "minimum": 0}),
        "within-units": asked("within-units", {"type": "string", "enum": list(observations.UNITS)}),
        "parameter-name": asked("parameter-name", text),
        "span": asked("span", {"type": "string", "enum": list(observations.SPANS)}),
        "id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}},
    }


def _get(summary: str, tag: str, name: str, *parameters: str, media: str = JSON, of: str = "") -> Operation:
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{of}"} if of else {"type": "object"}}
    return {
        "summary": summary,
        "operationId": name,
        "tags": [tag],
        "parameters": [{"$ref": f"#/components/parameters/{each}"} for each in ("f", "lang", *parameters)],
        "responses": {
            "200": {"description": "OK", "content": {media: content, "text/html": {"schema": {"type": "string"}}}},
            **_problems("304", "400", "401", "404"),
        },
    }


def _problems(*codes: str) -> dict[str, Any]:
    problem = {"$ref": "#/components/responses/Problem"}
    return {code: {"description": "Not Modified"} if code == "304" else problem for code in codes}


def _common() -> dict[str, Any]:
    tag = "api"
    text = {"type": "string"}
    named = {"name": "job", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    matrix = {"name": "matrix", "in": "path", "required": True, "schema": text | {"enum": [MATRIX_SET]}}
    execute: Operation = {
        "summary": _("周边统计"),
        "operationId": "execute",
        "tags": ["processes"],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object", "required": ["inputs"], "properties": {"inputs": {"type": "object"}}}
                }
            },
        },
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": {"type": "object"}}}},
            "201": {"description": "Accepted", "content": {"application/json": {"schema": {"type": "object"}}}},
            **_problems("400", "401", "403", "404", "413", "422"),
        },
    }
    job = _get(_("任务"), "processes", "job")
    dismiss = _get(_("取消任务"), "processes", "dismiss")
    results = _get(_("任务结果"), "processes", "results")
    return {
        "/": {"get": _get(_("首页"), tag, "landing")},
        "/conformance": {"get": _get(_("所符合的标准"), tag, "conformance")},
        "/collections": {"get": _get(_("集合"), tag, "collections")},
        f"/collections/{CATALOGUE}": {"get": _get(_("图层目录"), CATALOGUE, "catalogue")},
        f"/collections/{CATALOGUE}/items": {
            "get": _get(_("图层目录"), CATALOGUE, "records", "limit", "offset", "bbox", "q", media=GEOJSON, of=MANY)
        },
        "/styles": {"get": _get(_("样式"), "styles", "styles")},
        "/TileMatrixSets": {"get": _get(_("瓦片网格"), "tiles", "tileMatrixSets")},
        "/TileMatrixSets/{matrix}": {"parameters": [matrix], "get": _get(_("瓦片网格"), "tiles", "tileMatrixSet")},
        "/processes": {"get": _get(pgettext("plural", "处理过程"), "processes", "processes")},
        **{f"/processes/{n}": {"get": _get(_("处理过程"), "processes", f"process.{n}")} for n in PROCESSES},
        **{f"/processes/{n}/execution": {"post": execute | {"operationId": f"execute.{n}"}} for n in PROCESSES},
        "/jobs": {"get": _get(pgettext("plural", "任务"), "processes", "jobs")},
        "/jobs/{job}": {"parameters": [named], "get": job, "delete": dismiss},
        "/jobs/{job}/results": {"parameters": [named], "get": results},
    }


def _layer(principal: Principal, layer: Layer) -> dict[str, Any]:
    key = layer.key
    address = f"/collections/{key}"

    def get(name: str, *parameters: str, **more: str) -> Operation:
        return _get(f"{layer.title}: {name}", key, f"{key}.{name}", *parameters, **more)

    listed = get(
        "items", "limit", "offset", "bbox", "bbox-crs", "crs", "datetime", "filter", "filter-lang", "filter-crs", "q",
        "sortby", "properties", "skipGeometry", media=GEOJSON, of=MANY,
    )  # fmt: skip
    listed["parameters"] += [
        {"name": f.name, "in": "query", "required": False, "description": f.label, "schema": _equalled(f.schema)}
        for f in gate.fields(principal, layer)
        if f.schema["type"] != "object"
    ]
    one = get("item", "crs", media=GEOJSON, of="Feature")
    paths: dict[str, Any] = {
        address: {"get": get("collection")},
        f"{address}/schema": {"get": get("schema", media="application/schema+json")},
        f"{address}/queryables": {"get": get("queryables", media="application/schema+json")},
        f"{address}/items": {"get": listed},
        f"{address}/items/{{id}}": {"parameters": [{"$ref": "#/components/parameters/id"}], "get": one},
        f"{address}/tiles": {"get": get("tiles")},
        f"{address}/tiles/{MATRIX_SET}": {"get": get("tileset")},
        f"{address}/tiles/{MATRIX_SET}/{{z}}/{{y}}/{{x}}": {"get": _tile(key)},
        f"{address}/styles": {"get": get("styles")},
    }
    if observations.measures(principal, layer):
        for kind in observations.QUERIES:
            asked = {"radius": ("coords", "within", "within-units"), "locations": ()}.get(kind, ("coords",))
            door = f"{address}/{kind}" + ("/{id}" if kind == "locations" else "")
            paths[door] = {"get": _data(get(kind, "datetime", "parameter-name", "span", *asked))}
        paths[f"{address}/locations/{{id}}"]["parameters"] = [{"$ref": "#/components/parameters/id"}]
        paths[f"{address}/locations"] = {"get": get("stations", media=GEOJSON, of=MANY)}
    items, item = paths[f"{address}/items"], paths[f"{address}/items/{{id}}"]
    if gate.may(principal, layer, "create"):
        items["post"] = _write(principal, layer, "create", "201")
    if gate.may(principal, layer, "change"):
        item["put"] = _write(principal, layer, "replace", "204")
        item["patch"] = _write(principal, layer, "update", "204")
    if gate.may(principal, layer, "delete"):
        item["delete"] = _write(principal, layer, "delete", "204")
    return paths


def _coverage(key: str, title: str) -> dict[str, Any]:
    address = f"/collections/{key}"
    got = _get(f"{title}: coverage", key, f"{key}.coverage", "bbox", "bbox-crs", "datetime", "region")
    got["parameters"] = [p for p in got["parameters"] if not p["$ref"].endswith("/f")]
    got["parameters"].append(
        {"name": "f", "in": "query", "required": False, "schema": {"type": "string", "enum": list(coverages.MEDIA)}}
    )
    binary = {"schema": {"type": "string", "format": "binary"}}
    got["responses"]["200"]["content"] = {
        coverages.MEDIA[coverages.GEOTIFF]: binary,
        coverages.MEDIA[coverages.COVERAGE_JSON]: {"schema": {"type": "object"}},
    }
    return {
        address: {"get": _get(title, key, f"{key}.collection")},
        f"{address}/schema": {"get": _get(title, key, f"{key}.schema", media="application/schema+json")},
        f"{address}/coverage": {"get": got},
    }


def _data(of: Operation) -> Operation:
    """A query of values: its formats in place of a page, and the refusal of what is too much."""
    formats = {"name": "f", "in": "query", "required": False, "schema": {"type": "string", "enum": list(edr.FORMATS)}}
    kept = [each for each in of["parameters"] if each["$ref"] != "#/components/parameters/f"]
    content = {media: {"schema": {"type": "object"}} for media in (edr.COVERAGE, edr.GEOJSON)}
    content["text/csv"] = {"schema": {"type": "string"}}
    responses = of["responses"] | {"200": {"description": "OK", "content": content}, **_problems("413")}
    return of | {"parameters": [formats, *kept], "responses": responses}


def _equalled(of: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in of.items() if name in ("type", "format")}


def _tile(key: str) -> Operation:
    numbers = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}} for name in "zyx"
    ]
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "summary": f"{key}: tile",
        "operationId": f"{key}.tile",
        "tags": [key],
        "parameters": numbers,
        "responses": {
            "200": {"description": "OK", "content": {"application/vnd.mapbox-vector-tile": binary}},
            **_problems("304", "400", "401", "404"),
        },
    }


def _write(principal: Principal, layer: Layer, name: str, success: str) -> Operation:
    found: Operation = {
        "summary": f"{layer.title}: {name}",
        "operationId": f"{layer.key}.{name}",
        "tags": [layer.key],
        "parameters": [] if name == "create" else [{"$ref": "#/components/parameters/If-Match"}],
        "responses": {
            success: {"description": "OK"},
            **_problems("400", "401", "403", "404", "409", "412", "413", "422"),
        },
    }
    if name != "delete":
        properties = schema.feature_schema(principal, layer, "")["properties"]
        writable = {n: _nullable(of) for n, of in properties.items() if not of.get("readOnly") and n != schema.GEOMETRY}
        body = {
            "type": "object",
            "required": ["type"] if name == "update" else ["type", "geometry", "properties"],
            "properties": {
                "type": {"type": "string", "enum": ["Feature"]},
                "geometry": {"type": "object", "nullable": True},
                "properties": {"type": "object", "properties": writable, "additionalProperties": False},
            },
        }
        found["requestBody"] = {"required": True, "content": {GEOJSON: {"schema": body}}}
    return found


def _nullable(of: dict[str, Any]) -> dict[str, Any]:
    """A property of the schema in the words of OpenAPI 3.0."""
    return {name: value for name, value in of.items() if not name.startswith("x-ogc")} | {"nullable": True}
