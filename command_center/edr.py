"""Doors of OGC API – EDR: what was measured at a position, within a circle or an area, or at a location."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from command_center import ogc
from services.access.errors import NotFound
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.ogc import edr, observations, query

MOST_LOCATIONS = 10_000


def _measured(request: HttpRequest, key: str) -> tuple[Principal, Layer]:
    principal, layer = ogc.seen(request, key)
    if not observations.measures(principal, layer):
        raise NotFound(_("图层“%s”没有观测数据。") % layer.title)
    return principal, layer


def _form(request: HttpRequest) -> str:
    asked = request.GET.get("f")
    if asked is None:
        accepted = request.get_preferred_type([edr.COVERAGE, ogc.JSON, edr.GEOJSON, "text/csv"])
        return {edr.GEOJSON: "geojson", "text/csv": "csv"}.get(accepted or "", "covjson")
    if asked not in edr.FORMATS:
        raise query.not_among("f", edr.FORMATS)
    return asked


def _values(request: HttpRequest, key: str, kind: str, pk: str = "") -> HttpResponse:
    principal, layer = _measured(request, key)
    form = _form(request)
    pieces = edr.body(form, observations.parse(principal, layer, kind, request.GET, pk))
    response = StreamingHttpResponse(pieces, content_type=edr.FORMATS[form])
    if form == "csv":
        response.headers["Content-Disposition"] = f'attachment; filename="{layer.key}.csv"'
    return ogc.private(response)  # type: ignore[arg-type]


def _door(kind: str) -> Callable[..., HttpResponse]:
    def door(request: HttpRequest, key: str) -> HttpResponse:
        return _values(request, key, kind)

    door.__doc__ = f"The values of a {kind} query."
    return require_safe(door)


position, radius, area = _door("position"), _door("radius"), _door("area")


@require_safe
def location(request: HttpRequest, key: str, pk: str) -> HttpResponse:
    """The values of one feature."""
    return _values(request, key, "locations", pk)


@require_safe
def locations(request: HttpRequest, key: str) -> HttpResponse:
    """The features that have values."""
    principal, layer = _measured(request, key)
    if unknown := [name for name in request.GET if name not in ("f", "lang")]:
        raise query.wrong(unknown[0], _("可用的参数：%s。") % "f, lang")
    known = observations.parameters(principal, layer)
    found = observations.read(observations.locations(principal, layer)[:MOST_LOCATIONS])
    address = f"{ogc.base(request)}/collections/{layer.key}"
    return ogc.answer(request, edr.places(layer, known, found, address), media=edr.GEOJSON)
