"""Addresses of the OGC API."""

from django.urls import path

from command_center import edr, ogc

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
