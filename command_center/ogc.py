"""Doors of the OGC API under ``/ogc``: JSON for machines, a plain page for people, from the same documents."""

from collections.abc import Callable
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe
from pygeoapi.api import coverages as covering
from pygeoapi.api import describe_collections, get_collection_schema, landing_page
from pygeoapi.api import itemtypes as features
from pygeoapi.api import processes as processing
from pygeoapi.api import tiles as tiling

from command_center import tiles
from services.access import gate
from services.access.errors import NotFound
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.ogc import (
    coverages,
    describe,
    engine,
    items,
    openapi,
    processes,
    query,
    schema,
    styles,
    tilesets,
    writing,
)
from services.ogc.engine import CATALOGUE
from services.tiles import engine as tile_engine
from styles import DESK_LIGHT, THEMES

JSON, GEOJSON, SCHEMA, PAGE = "application/json", "application/geo+json", "application/schema+json", "text/html"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
SUMMARY = ("code", "name", "state")


def answer(
    request: HttpRequest, document: Any, page: str = "document", media: str = JSON, kind: str = "", **context: Any
) -> HttpResponse:
    """A document as JSON, or as a page where a person asks for it."""
    if (kind or form(request)) == "html":
        told = {"document": document, "pretty": orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()}
        response = render(request, f"ogc/{page}.html", told | context)
    else:
        response = HttpResponse(orjson.dumps(document), content_type=media)
    return private(response)


def private(response: HttpResponse) -> HttpResponse:
    """Nobody else may be handed this answer."""
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept, Accept-Language, Authorization, Cookie"
    return response


def form(request: HttpRequest, *more: str) -> str:
    """``json``, ``html`` or another form the door knows: by ``f``, else by Accept, else JSON."""
    asked = request.GET.get("f")
    allowed = ("json", "html", *more)
    if asked is not None:
        if asked not in allowed:
            raise query.not_among("f", allowed)
        return asked
    return "html" if request.get_preferred_type([JSON, GEOJSON, SCHEMA, OPENAPI, PAGE]) == PAGE else "json"


def seen(request: HttpRequest, key: str) -> tuple[Principal, Layer]:
    """The principal, and the layer if they may see it."""
    principal: Principal = request.principal  # type: ignore[attr-defined]
    return principal, gate.layer_for(principal, key)


def base(request: HttpRequest) -> str:
    """The address of the API."""
    return request.build_absolute_uri("/ogc")


def changing(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A door for unsafe methods: tokens need no CSRF token, a browser's session does."""

    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        by_session = not request.headers.get("Authorization") and not request.principal.is_public  # type: ignore[attr-defined]
        if by_session and request.method not in ("GET", "HEAD", "OPTIONS"):
            check = CsrfViewMiddleware(lambda request: HttpResponse())
            check.process_request(request)
            if check.process_view(request, seen, (), {}) is not None:
                raise writing.unproven()
        return view(request, *args, **kwargs)

    return csrf_exempt(guarded)


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """The landing page."""
    return answer(request, describe.landing(engine.run(request, landing_page).document, base(request)), "landing")


@require_safe
def conformance(request: HttpRequest) -> HttpResponse:
    """The conformance classes."""
    return answer(request, {"conformsTo": list(describe.CONFORMANCE)})


@require_safe
def api(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document of what the principal may see."""
    return answer(request, openapi.document(request.principal, base(request)), "api", OPENAPI)  # type: ignore[attr-defined]


@require_safe
def collections(request: HttpRequest) -> HttpResponse:
    """The collections the principal may see."""
    document = describe.finished(engine.run(request, describe_collections).document)
    document["collections"] = [
        describe.collection(request.principal, found) for found in document["collections"]  # type: ignore[attr-defined]
    ]  # fmt: skip
    return answer(request, document, "collections")


@require_safe
def collection(request: HttpRequest, key: str) -> HttpResponse:
    """One collection."""
    found = engine.run(request, describe_collections, key).document
    return answer(request, describe.collection(request.principal, found), "collection")  # type: ignore[attr-defined]


@require_safe
def queryables(request: HttpRequest, key: str) -> HttpResponse:
    """What a filter may name."""
    if key == CATALOGUE or key.startswith(coverages.PREFIX):
        return _record(request, features.get_collection_queryables, key)
    principal, layer = seen(request, key)
    return answer(request, schema.queryables(principal, layer, f"{base(request)}/collections/{key}"), media=SCHEMA)


@require_safe
def feature_schema(request: HttpRequest, key: str) -> HttpResponse:
    """What a feature holds."""
    if key == CATALOGUE or key.startswith(coverages.PREFIX):
        return _record(request, get_collection_schema, key)
    principal, layer = seen(request, key)
    return answer(request, schema.feature_schema(principal, layer, f"{base(request)}/collections/{key}"), media=SCHEMA)


@require_safe
def coverage(request: HttpRequest, key: str) -> HttpResponse:
    """A surface as GeoTIFF, or as CoverageJSON where a client asks for JSON."""
    asked = request.GET.get("f")
    if asked not in (None, *coverages.MEDIA):
        raise query.not_among("f", tuple(coverages.MEDIA))
    coverages.checked(request.GET.dict())
    plain = asked is None and request.get_preferred_type([coverages.MEDIA[coverages.GEOTIFF], JSON]) == JSON
    kind = asked or (coverages.COVERAGE_JSON if plain else coverages.GEOTIFF)
    with engine.answering(request) as (api, question):
        question.form = question._format = kind
        headers, status, content = covering.get_collection_coverage(api, question, key)
    response = private(HttpResponse(content, status=int(status), content_type=coverages.MEDIA[kind]))
    if "Content-Disposition" in headers:
        response.headers["Content-Disposition"] = headers["Content-Disposition"]
    return response


@changing
@require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
def item_list(request: HttpRequest, key: str) -> HttpResponse:
    """A page of features; POST creates one."""
    if key == CATALOGUE:
        return _record(request, features.get_collection_items, key)
    principal, layer = seen(request, key)
    if request.method == "OPTIONS":
        return HttpResponse(headers={"Allow": "GET, HEAD, POST, OPTIONS"})
    if request.method == "POST":
        return _written(engine.run(request, features.manage_collection_item, "create", key))
    asked = query.parse(principal, layer, request.GET)
    body = items.page(principal, layer, asked, request.GET, base(request))
    if form(request) == "html":
        columns, document = _columns(layer, asked), orjson.loads(body)
        rows = [
            {"id": each["id"], "cells": [column.display(each["properties"][column.name]) for column in columns]}
            for each in document["features"]
        ]
        return answer(request, document, "items", layer=layer, columns=columns, rows=rows)
    response = private(HttpResponse(body, content_type=GEOJSON))
    response.headers["Content-Crs"] = f"<{asked.crs.uri}>"
    return response


@changing
@require_http_methods(["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def item(request: HttpRequest, key: str, pk: str) -> HttpResponse:
    """One feature: read, replace, change, delete."""
    if key == CATALOGUE:
        return _record(request, features.get_collection_item, key, pk)
    principal, layer = seen(request, key)
    match request.method:
        case "OPTIONS":
            return HttpResponse(headers={"Allow": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS", "Accept-Patch": GEOJSON})
        case "PUT":
            engine.run(request, features.manage_collection_item, "update", key, pk)
        case "DELETE":
            engine.run(request, features.manage_collection_item, "delete", key, pk)
            return private(HttpResponse(status=204))
        case "PATCH":
            crs = writing.content_crs(request.headers.get("Content-Crs", ""))
            writing.update(principal, layer, pk, request.body, crs, request.headers.get("If-Match", ""))
        case _:
            return _one(request, layer, pk)
    changed = private(HttpResponse(status=204))
    changed.headers["ETag"] = writing.etag(gate.fetch(principal, layer, pk))
    return changed


def _one(request: HttpRequest, layer: Layer, pk: str) -> HttpResponse:
    crs = query.crs_of(request.GET.dict(), "crs")
    principal: Principal = request.principal  # type: ignore[attr-defined]
    feature = gate.fetch(principal, layer, pk)
    kind = "" if form(request) == "json" and crs is query.CRS84 else f"{form(request)}{crs.srid}"
    etag = writing.etag(feature, kind)
    if etag in request.headers.get("If-None-Match", ""):
        response: HttpResponse = private(HttpResponseNotModified())
    else:
        found = items.single(principal, layer, feature, crs, base(request))
        told = found["properties"].items()
        values = [(layer.field[name].label, layer.field[name].display(value)) for name, value in told]
        response = answer(request, found, "item", GEOJSON, layer=layer, values=values)
    response.headers["ETag"] = etag
    response.headers["Content-Crs"] = f"<{crs.uri}>"
    return response


@require_safe
def _record(request: HttpRequest, function: Callable[..., Any], *args: str) -> HttpResponse:
    """Records of the catalogue: read only."""
    return answer(request, describe.finished(engine.run(request, function, *args).document), media=GEOJSON)


def _written(found: engine.Answer) -> HttpResponse:
    return private(HttpResponse(status=found.status, headers=found.headers))


def _columns(layer: Layer, asked: query.Query) -> list[Any]:
    """The columns of the page of features: those of the layer's list that were asked for."""
    names = dict.fromkeys((*SUMMARY, *layer.listed))
    shown = {f.name: f for f in asked.fields}
    return [shown[name] for name in names if name in shown][:8]


@require_safe
def tile_sets(request: HttpRequest, key: str) -> HttpResponse:
    """The tilesets of a layer."""
    seen(request, key)
    return answer(request, describe.finished(engine.run(request, tiling.get_collection_tiles, key).document))


@require_safe
def tile_set(request: HttpRequest, key: str, matrix: str) -> HttpResponse:
    """The tileset, or its TileJSON."""
    seen(request, key)
    _known(matrix)
    kind = form(request, "tilejson")
    asked = "tilejson" if kind == "tilejson" else "json"
    return answer(
        request, engine.run(request, tiling.get_collection_tiles_metadata, key, matrix, form=asked).document, kind=kind
    )


@require_safe
def tile(request: HttpRequest, key: str, matrix: str, z: int, y: int, x: int) -> HttpResponse:
    """A vector tile; row before column, as the standard has it."""
    principal, layer = seen(request, key)
    _known(matrix)
    form(request, "mvt")
    name = tile_engine.tag(principal, layer, z, x, y)
    return tiles.answer(
        request, name, lambda zipped: tile_engine.tile(principal, layer, z, x, y, name=name, zipped=zipped)
    )


@require_safe
def matrix_sets(request: HttpRequest) -> HttpResponse:
    """The tile matrix sets: one."""
    found = describe.finished(engine.run(request, tiling.tilematrixsets).document)
    found["tileMatrixSets"] = [each for each in found["tileMatrixSets"] if each["id"] == tilesets.MATRIX_SET]
    return answer(request, found)


@require_safe
def matrix_set(request: HttpRequest, matrix: str) -> HttpResponse:
    """The definition of the tile matrix set."""
    _known(matrix)
    return answer(request, describe.finished(engine.run(request, tiling.tilematrixset, matrix).document))


def _known(matrix: str) -> None:
    if matrix != tilesets.MATRIX_SET:
        raise NotFound(f"There is no tile matrix set {matrix}; there is {tilesets.MATRIX_SET}.")


@require_safe
def style_list(request: HttpRequest, key: str | None = None) -> HttpResponse:
    """The styles of all layers, or of one."""
    principal: Principal = request.principal  # type: ignore[attr-defined]
    layer = gate.layer_for(principal, key) if key else None
    return answer(request, styles.listed(principal, base(request), layer))


@require_safe
def style(request: HttpRequest, key: str, name: str = "") -> HttpResponse:
    """A stylesheet: MapLibre, or SLD."""
    principal, layer = seen(request, key)
    if name not in ("", key):
        raise NotFound(f"There is no style {name}.")
    kind = form(request, *styles.MEDIA_TYPES)
    if kind == "sld11":
        return private(HttpResponse(styles.sld(layer), content_type=styles.MEDIA_TYPES[kind]))
    theme = THEMES.get(request.GET.get("theme", ""), DESK_LIGHT)
    return answer(
        request, styles.mapbox(principal, layer, base(request), theme), "document", styles.MEDIA_TYPES["mapbox"], kind
    )


@require_safe
def style_metadata(request: HttpRequest, key: str) -> HttpResponse:
    """What a style is."""
    _principal, layer = seen(request, key)
    return answer(request, styles.summary(layer, base(request)))


@require_safe
def legend(request: HttpRequest, key: str) -> HttpResponse:
    """The legend of a layer."""
    _principal, layer = seen(request, key)
    return answer(request, {"title": layer.title, "items": styles.legend(layer)}, "legend")


@require_safe
def process_list(request: HttpRequest, name: str | None = None) -> HttpResponse:
    """The processes, or one."""
    return answer(request, describe.finished(engine.run(request, processing.describe_processes, name).document))


@changing
@require_http_methods(["POST"])
def execution(request: HttpRequest, name: str) -> HttpResponse:
    """Execute a process, at once or as a job."""
    processes.check_body(request.body)
    found = engine.run(request, processing.execute_process, name)
    response = private(HttpResponse(orjson.dumps(found.document), content_type=JSON, status=found.status))
    if found.status == 201:
        for header, value in found.headers.items():
            response.headers[header] = value
    return response


@require_safe
def job_list(request: HttpRequest) -> HttpResponse:
    """The principal's own jobs."""
    return answer(request, describe.finished(engine.run(request, processing.get_jobs).document))


@changing
@require_http_methods(["GET", "HEAD", "DELETE"])
def job(request: HttpRequest, pk: str) -> HttpResponse:
    """A job: its status; DELETE dismisses it."""
    function = processing.delete_job if request.method == "DELETE" else processing.get_jobs
    return answer(request, describe.finished(engine.run(request, function, pk).document))


@require_safe
def job_results(request: HttpRequest, pk: str) -> HttpResponse:
    """What came of a job."""
    return answer(request, engine.run(request, processing.get_job_result, pk).document)
