"""The doors."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, include, path

from command_center import device_files, tiles

urlpatterns: list[URLPattern | URLResolver] = []


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
    path("ogc", include("command_center.ogc_urls")),
    path("devices/files", device_files.receive, name="device-files"),
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("", include("command_center.desk.urls")),
]
