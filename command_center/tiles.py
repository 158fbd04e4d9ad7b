"""Doors to vector tiles: layers with the same filters as their lists, and the base map."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.views.decorators.http import require_safe

from services.access import gate
from services.search import filters
from services.tiles import engine

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"


@require_safe
def layer_tile(request: HttpRequest, key: str, z: int, x: int, y: int) -> HttpResponse:
    """A tile of a layer, narrowed by the query as the layer's list is."""
    principal = request.principal  # type: ignore[attr-defined]
    layer = gate.layer_for(principal, key)
    asked = filters.parse(principal, layer, request.GET) if request.GET else filters.Filters()

    def rows() -> QuerySet[Any] | None:
        return filters.narrow(principal, layer, asked) if asked else None

    name = engine.tag(principal, layer, z, x, y, asked.canonical)
    return answer(request, name, lambda zipped: engine.tile(principal, layer, z, x, y, rows, name=name, zipped=zipped))


@require_safe
def region_tile(request: HttpRequest, z: int, x: int, y: int) -> HttpResponse:
    """A tile of the base map: the boundaries of provinces, cities and counties."""
    return answer(request, engine.region_tag(z, x, y), lambda zipped: engine.regions(z, x, y, zipped))


def answer(request: HttpRequest, name: str, body: Callable[[bool], bytes]) -> HttpResponse:
    """A tile under its tag: 304 where the client has it, gzipped where the client reads that."""
    etag = f'"{name}"'
    if etag in request.META.get("HTTP_IF_NONE_MATCH", ""):
        response: HttpResponse = HttpResponseNotModified()
    else:
        zipped = "gzip" in request.META.get("HTTP_ACCEPT_ENCODING", "")
        content = body(zipped)
        response = HttpResponse(content, content_type=MEDIA_TYPE)
        if zipped and content:
            response.headers["Content-Encoding"] = "gzip"
    response.headers["ETag"] = etag
    # Private: what is in a tile depends on who asks. The browser asks again, and mostly hears 304.
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept-Encoding, Authorization, Cookie"
    return response
