"""Addresses of the OGC API.

Its doors bring pygeoapi along, a third of a second that no command and no first page has to wait for: they are loaded
when the first of them is asked for, or shortly after the start of a web process (``command_center.wsgi``).
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


class Later:
    """The doors of a module, as if it were loaded."""

    def __init__(self, module: str) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Callable[..., HttpResponse]:
        # Exempt, as the doors that change something look for the token themselves (``command_center.ogc.changing``).
        @csrf_exempt
        def door(request: HttpRequest, **asked: Any) -> HttpResponse:
            answer: HttpResponse = getattr(import_module(self.module), name)(request, **asked)
            return answer

        door.__name__ = door.__qualname__ = name
        door.__module__ = self.module
        return door


edr, ogc = Later("command_center.edr"), Later("command_center.ogc")

COLLECTION, TILES = "/collections/<str:key>", "/collections/<str:key>/tiles/<str:matrix>"

urlpatterns = [
    path("", ogc.landing, name="ogc"),
    path("/", ogc.landing),
    path("/conformance", ogc.conformance),
    path("/openapi", ogc.api),
    path("/api", ogc.api),
    path("/collections", ogc.collections, name="ogc-collections"),
    path(COLLECTION, ogc.collection, name="ogc-collection"),
    path(f"{COLLECTION}/queryables", ogc.queryables),
    path(f"{COLLECTION}/schema", ogc.feature_schema),
    path(f"{COLLECTION}/coverage", ogc.coverage),
    path(f"{COLLECTION}/items", ogc.item_list, name="ogc-items"),
    path(f"{COLLECTION}/items/<str:pk>", ogc.item, name="ogc-item"),
    path(f"{COLLECTION}/position", edr.position),
    path(f"{COLLECTION}/radius", edr.radius),
    path(f"{COLLECTION}/area", edr.area),
    path(f"{COLLECTION}/locations", edr.locations),
    path(f"{COLLECTION}/locations/<str:pk>", edr.location),
    path(f"{COLLECTION}/tiles", ogc.tile_sets),
    path(TILES, ogc.tile_set),
    path(f"{TILES}/<int:z>/<int:y>/<int:x>", ogc.tile),
    path(f"{COLLECTION}/styles", ogc.style_list),
    path(f"{COLLECTION}/styles/<str:name>", ogc.style),
    path("/TileMatrixSets", ogc.matrix_sets),
    path("/tileMatrixSets", ogc.matrix_sets),
    path("/TileMatrixSets/<str:matrix>", ogc.matrix_set),
    path("/styles", ogc.style_list),
    path("/styles/<str:key>", ogc.style),
    path("/styles/<str:key>/metadata", ogc.style_metadata),
    path("/styles/<str:key>/legend", ogc.legend),
    path("/processes", ogc.process_list),
    path("/processes/<str:name>", ogc.process_list),
    path("/processes/<str:name>/execution", ogc.execution),
    path("/jobs", ogc.job_list),
    path("/jobs/<str:pk>", ogc.job),
    path("/jobs/<str:pk>/results", ogc.job_results),
]
