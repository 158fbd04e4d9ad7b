"""Doors to surfaces: their hours, tiles, values, hexagons and files, each as far as somebody's regions reach."""

from collections.abc import Callable
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.surfaces import download, scope, tiles, timeline
from services.surfaces.models import Surface


@require_safe
def choices(request: HttpRequest) -> HttpResponse:
    """The surfaces and regions that one may choose from."""
    principal = _principal(request)
    regions = [{"code": region.code, "name": region.name} for region in timeline.choices(principal)]
    rows = Surface.objects.filter(active=True) if regions else ()
    surfaces = [{"key": surface.key, "name": str(surface), "kind": surface.kind} for surface in rows]
    return _private(JsonResponse({"surfaces": surfaces, "regions": regions}))


@require_safe
def hours(request: HttpRequest, key: str) -> HttpResponse:
    """The last hours of a surface in a region, with its legend."""
    principal = _principal(request)
    surface = scope.surface_for(principal, key)
    region = scope.region_for(principal, request.GET.get("region", ""))
    count = request.GET.get("hours", str(timeline.HOURS))
    if not count.isdigit() or not 1 <= int(count) <= timeline.MOST_HOURS:
        raise Invalid(_("小时数无效。"), {"hours": [_("应为 1 到 %d。") % timeline.MOST_HOURS]})
    scale = surface.scale
    told = {
        "surface": surface.key, "name": str(surface), "kind": surface.kind, "unit": surface.unit,
        "digits": surface.factor.digits if surface.factor else 0, "region": {"code": region.code, "name": region.name},
        "legend": scale.legend(), "gradient": scale.gradient(), "paint": scale.maplibre(["get", "score"]),
        "extent": region.geom.extent if region.geom else None,
        "hours": timeline.hours(principal, surface, region, count=int(count)),
    }  # fmt: skip
    return _private(JsonResponse(told))


@require_safe
def picture(request: HttpRequest, pk: UUID, z: int, x: int, y: int) -> HttpResponse:
    """A PNG tile of a run."""
    run = scope.run_for(_principal(request), pk)
    return _tagged(request, tiles.tag(run, z, x, y), "image/png", lambda: tiles.picture(run, z, x, y))


@require_safe
def hexagons(request: HttpRequest, pk: UUID, z: int, x: int, y: int) -> HttpResponse:
    """A vector tile of a risk run."""
    run = scope.run_for(_principal(request), pk)
    media = "application/vnd.mapbox-vector-tile"
    return _tagged(request, tiles.tag(run, z, x, y), media, lambda: tiles.hexagons(run, z, x, y))


@require_safe
def cells(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The hexagons of a risk run as GeoJSON."""
    run = scope.run_for(_principal(request), pk)
    if run.surface.kind != Surface.Kind.RISK:
        raise NotFound(_("该分布没有六边形网格。"))
    return _private(HttpResponse(tiles.geojson(run), content_type="application/geo+json"))


@require_safe
def value(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The value of a run at a place, with the stations around it that one may see."""
    principal = _principal(request)
    run = scope.run_for(principal, pk)
    try:
        lon, lat = float(request.GET["lon"]), float(request.GET["lat"])
    except (KeyError, ValueError):
        raise Invalid(_("请给出经度和纬度。"), {"lon": [_("应为数字。")], "lat": [_("应为数字。")]}) from None
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise Invalid(_("经纬度超出范围。"), {"lon": ["-180…180"], "lat": ["-90…90"]})
    found = timeline.at_place(principal, run, lon, lat)
    told = {"rmse": run.rmse, "unit": run.surface.unit, "value": None, "stations": [], "parts": []} | (found or {})
    return _private(JsonResponse(told))


@require_safe
def geotiff(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A run as a GeoTIFF."""
    run = scope.run_for(_principal(request), pk, "layout")
    response = HttpResponse(download.geotiff([run]), content_type="image/tiff; application=geotiff")
    name = f"{run.surface_id}-{run.region_id}-{run.at:%Y%m%dT%H}Z.tif"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return _private(response)


def _principal(request: HttpRequest) -> Principal:
    principal: Principal = request.principal  # type: ignore[attr-defined]
    scope.signed_in(principal)
    return principal


def _tagged(request: HttpRequest, name: str, media: str, body: Callable[[], bytes]) -> HttpResponse:
    etag = f'"{name}"'
    if etag in request.META.get("HTTP_IF_NONE_MATCH", ""):
        response: HttpResponse = HttpResponseNotModified()
    else:
        response = HttpResponse(body(), content_type=media)
    response.headers["ETag"] = etag
    return _private(response)


def _private(response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ["Authorization", "Cookie"])
    patch_cache_control(response, private=True, no_cache=True)
    return response
