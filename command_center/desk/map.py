"""The desk's map: one MapLibre style of the base map and every layer the principal may see."""

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static

from command_center.desk.doors import region_filter, signed_in, visitor
from command_center.templatetags.screen import theme_named
from services.access import gate
from services.catalog.layer import Layer
from services.tiles.engine import LABEL_SUFFIX
from styles import Theme
from styles.basemap import basemap

REGION_TILES = "/tiles/regions/{z}/{x}/{y}.mvt"
MAXZOOM = 14


def tiles(layer: Layer, query: str = "") -> str:
    """The address template of a layer's vector tiles."""
    return f"/tiles/{layer.key}/{{z}}/{{x}}/{{y}}.mvt" + (f"?{query}" if query else "")


def style_of(layers: list[Layer], theme: Theme, region: str = "", own: str = "") -> dict[str, Any]:
    """The whole style, narrowed to a region; areas lie under lines, lines under points.

    ``own`` is the layer whose page it is: there its points, gathered where they are many, show from the whole city on.
    """
    style = basemap(
        theme,
        region_tiles_url=REGION_TILES,
        glyphs_url=static("glyphs") + "/{fontstack}/{range}.pbf",
        sprite_url=static("sprite/sprite"),
        label_suffix=LABEL_SUFFIX,
    )
    depth = {"polygon": 0, "any": 0, "line": 1, "point": 2}
    drawn: list[dict[str, Any]] = []
    for layer in sorted(layers, key=lambda layer: depth[layer.geometry_type]):
        query = f"{name}={quote(region)}" if region and (name := region_filter(layer)) else ""
        style["sources"][layer.key] = {
            "type": "vector", "tiles": [tiles(layer, query)], "promoteId": "id",
            "minzoom": 0 if layer.key == own and layer.geometry_type == "point" else layer.zoom, "maxzoom": MAXZOOM,
        }  # fmt: skip
        drawn += layer.style.maplibre(layer.key, layer.key, theme)
    # Whatever a layer gathers or selects stands above the single features of all layers.
    above = {"label": 1, "cluster": 2, "selected": 3}
    style["layers"] += sorted(drawn, key=lambda part: above.get(part["metadata"]["zhutu:role"], 0))
    return style


@signed_in
def style_json(request: HttpRequest) -> HttpResponse:
    """The style of the map for this principal, in the theme of the page."""
    theme = theme_named(request.GET.get("theme", ""))
    region, own = request.GET.get("region", ""), request.GET.get("own", "")
    return JsonResponse(style_of(gate.layers(visitor(request)), theme, region, own))
