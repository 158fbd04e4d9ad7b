"""The doors."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, include, path

from command_center import batching, device_files, feed_push, log_push, surfaces, tiles

urlpatterns: list[URLPattern | URLResolver] = []
handler500 = "command_center.errors.server_error"


def healthz(request: HttpRequest) -> HttpResponse:
    """Whether this process answers and reaches its database."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("select 1")
    return JsonResponse({"status": "ok"})


# Tiles first: they are asked for most, and every pattern before theirs is tried for each of them.
urlpatterns += [
    path("tiles/regions/<int:z>/<int:x>/<int:y>.mvt", tiles.region_tile, name="region-tile"),
    path("tiles/<slug:key>/<int:z>/<int:x>/<int:y>.mvt", tiles.layer_tile, name="layer-tile"),
    path("surfaces/choices.json", surfaces.choices, name="surface-choices"),
    path("surfaces/<slug:key>/hours.json", surfaces.hours, name="surface-hours"),
    path("surfaces/<uuid:pk>/<int:z>/<int:x>/<int:y>.png", surfaces.picture, name="surface-tile"),
    path("surfaces/<uuid:pk>/<int:z>/<int:x>/<int:y>.mvt", surfaces.hexagons, name="surface-hexagons"),
    path("surfaces/<uuid:pk>/cells.geojson", surfaces.cells, name="surface-cells"),
    path("surfaces/<uuid:pk>/value.json", surfaces.value, name="surface-value"),
    path("surfaces/<uuid:pk>/surface.tif", surfaces.geotiff, name="surface-geotiff"),
    path("ogc", include("command_center.ogc_urls")),
    path("devices/files", device_files.receive, name="device-files"),
    path("devices/batches", batching.register, name="device-batches"),
    path("devices/charges", batching.charge, name="device-charges"),
    path("feeds/<int:pk>", feed_push.receive, name="feed-push"),
    path("logs", log_push.entries, name="log-entries"),
    path("logs/<slug:key>", log_push.receive, name="log-push"),
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("", include("command_center.desk.urls")),
]
