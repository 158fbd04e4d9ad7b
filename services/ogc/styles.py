"""Styles of the layers (OGC API Styles): MapLibre, SLD and legend, from the one declaration."""

from typing import Any

from django.templatetags.static import static
from django.utils.translation import gettext as _

from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer
from services.ogc import tilesets
from styles import DESK_LIGHT, Theme

MEDIA_TYPES = {
    "mapbox": "application/vnd.mapbox.style+json",
    "sld11": "application/vnd.ogc.sld+xml;version=1.1",
}


def listed(principal: Principal, base_url: str, layer: Layer | None = None) -> dict[str, Any]:
    """The styles of one layer, or of all that the principal may see: each layer has one, of its own name."""
    layers = [layer] if layer else gate.layers(principal)
    return {
        "styles": [summary(each, base_url) for each in layers],
        "default": layer.key if layer else None,
        "links": [
            {
                "rel": "self", "type": "application/json", "title": _("样式"),
                "href": f"{base_url}/collections/{layer.key}/styles" if layer else f"{base_url}/styles",
            }
        ],
    }  # fmt: skip


def summary(layer: Layer, base_url: str) -> dict[str, Any]:
    """One style with the addresses of its stylesheets."""
    address = f"{base_url}/styles/{layer.key}"
    sheets = [
        {"rel": "stylesheet", "type": media, "title": layer.title, "href": f"{address}?f={form}"}
        for form, media in MEDIA_TYPES.items()
    ]
    return {
        "id": layer.key,
        "title": layer.title,
        "description": layer.description,
        "links": [
            *sheets,
            {"rel": "describedby", "type": "application/json", "href": f"{address}/metadata"},
            {"rel": "preview", "type": "text/html", "title": _("图例"), "href": f"{address}/legend?f=html"},
        ],
    }


def mapbox(principal: Principal, layer: Layer, base_url: str, theme: Theme = DESK_LIGHT) -> dict[str, Any]:
    """A MapLibre style of the layer alone, with absolute addresses."""
    host = base_url.removesuffix("/ogc")
    described = tilesets.tilejson(principal, layer, base_url)
    source = {name: described[name] for name in ("tiles", "minzoom", "maxzoom", "bounds") if name in described}
    return {
        "version": 8,
        "name": layer.title,
        "metadata": {"description": layer.description},
        "sources": {layer.key: {"type": "vector", "promoteId": "id"} | source},
        "sprite": host + static("sprite/sprite"),
        "glyphs": host + static("glyphs") + "/{fontstack}/{range}.pbf",
        "layers": layer.style.maplibre(layer.key, layer.key, theme),
    }


def sld(layer: Layer) -> str:
    """The layer's SLD 1.1 document."""
    document: str = layer.style.sld(layer.key, layer.title, words(layer))
    return document


def legend(layer: Layer, theme: Theme = DESK_LIGHT) -> list[dict[str, str]]:
    """The legend, an entry a class, each with a small SVG picture."""
    return [{"key": item.key, "label": item.label, "svg": item.svg} for item in layer.style.legend(theme, words(layer))]


def words(layer: Layer) -> dict[str, str]:
    """The label of each value by which the style divides the features."""
    described = layer.field.get(layer.style.key or "")
    return {str(value): label for value, label in described.choices.items()} if described else {}
