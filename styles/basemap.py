"""The base map: a complete MapLibre style drawn from our own region boundaries, roads and water."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from styles.errors import StyleError
from styles.expressions import BOLD, REGULAR
from styles.themes import Theme

LEVELS = ("province", "city", "county")
Layer = dict[str, Any]


@dataclass(frozen=True)
class TileLayer:
    """One source layer of a vector tile set; ``url`` is a template with {z}/{x}/{y}."""

    url: str
    source_layer: str
    maxzoom: int = 14


def basemap(
    theme: Theme,
    *,
    region_tiles_url: str,
    glyphs_url: str,
    sprite_url: str,
    regions_maxzoom: int = 12,
    label_suffix: str = "",
    roads: TileLayer | None = None,
    water: TileLayer | None = None,
    places: TileLayer | None = None,
    tianditu_urls: Sequence[str] = (),
    approval: str = "",
) -> dict[str, Any]:
    """A style document (version 8) that reaches nothing but the given addresses.

    Parameters
    ----------
    region_tiles_url
        Template of vector tiles with the layers province, city and county and the property ``name``.
    label_suffix
        Names come from the source layer ``<level><label_suffix>``: give the suffix of point layers where the tiles
        have them, since an area cut by tile borders is otherwise named once a tile.
    roads, water, places
        Optional tiles; roads may carry ``class`` (motorway, trunk, primary, …), water areas or lines, places ``name``.
    tianditu_urls
        Templates of our own proxy for Tianditu rasters, lowest first; they replace land, water and roads.
    approval
        The map approval number (审图号), required with Tianditu and shown in the attribution.
    """
    if tianditu_urls and not approval:
        raise StyleError("basemap: Tianditu needs its approval number (审图号)")
    sources: dict[str, Any] = {
        "regions": {"type": "vector", "tiles": [region_tiles_url], "maxzoom": regions_maxzoom, "promoteId": "code"}
    }
    layers: list[Layer] = [_layer("background", "background", paint={"background-color": theme.background})]
    if tianditu_urls:
        for number, url in enumerate(tianditu_urls):
            name = f"tianditu-{number}"
            credit = {"attribution": f"天地图 审图号：{escape(approval)}"} if number == 0 else {}
            sources[name] = {"type": "raster", "tiles": [url], "tileSize": 256, "maxzoom": 18, **credit}
            dim = {"raster-brightness-max": 0.55, "raster-saturation": -0.4} if theme.dark else {}
            layers.append(_layer(name, "raster", name, paint=dim))
    else:
        layers += _land(theme)
        for name, tiles, draw in (("water", water, _water), ("roads", roads, _roads)):
            if tiles:
                sources[name] = _vector(tiles)
                layers += draw(theme, tiles.source_layer)
    layers += [layer for level in reversed(LEVELS) for layer in _border(theme, level)]
    if places:
        sources["places"] = _vector(places)
        layers.append(_names("place-name", "places", places.source_layer, theme, REGULAR, (10, 11, 14, 13), 10.5, 24))
    layers += [
        _names("county-name", "regions", f"county{label_suffix}", theme, REGULAR, (7, 11, 11, 15), 7, 13),
        _names("city-name", "regions", f"city{label_suffix}", theme, BOLD, (5, 12, 9, 17), 4.5, 9),
        _names("province-name", "regions", f"province{label_suffix}", theme, BOLD, (3, 12, 6, 17), 2, 5.5),
    ]
    return {
        "version": 8,
        "name": f"zhutu-{theme.name}",
        "glyphs": glyphs_url,
        "sprite": sprite_url,
        "sources": sources,
        "layers": layers,
    }


def _vector(tiles: TileLayer) -> dict[str, Any]:
    return {"type": "vector", "tiles": [tiles.url], "maxzoom": tiles.maxzoom}


def _layer(name: str, kind: str, source: str | None = None, source_layer: str | None = None, **parts: Any) -> Layer:
    found: Layer = {"id": name, "type": kind, "metadata": {"zhutu:role": "basemap"}}
    if source:
        found["source"] = source
    if source_layer:
        found["source-layer"] = source_layer
    return found | parts


def _land(theme: Theme) -> list[Layer]:
    # The finest level last: where a city has counties they cover it seamlessly, elsewhere the city stays land.
    return [
        _layer(f"{level}-land", "fill", "regions", level, paint={"fill-color": theme.land, "fill-antialias": False})
        for level in LEVELS
    ]


def _water(theme: Theme, source_layer: str) -> list[Layer]:
    width = ["interpolate", ["exponential", 1.5], ["zoom"], 8, 0.8, 14, 3, 18, 14]
    return [
        _layer(
            "water-area", "fill", "water", source_layer,
            filter=["==", ["geometry-type"], "Polygon"], paint={"fill-color": theme.water},
        ),
        _layer(
            "water-line", "line", "water", source_layer,
            filter=["==", ["geometry-type"], "LineString"],
            layout={"line-cap": "round", "line-join": "round"},
            paint={"line-color": theme.water, "line-width": width},
        ),
    ]  # fmt: skip


def _roads(theme: Theme, source_layer: str) -> list[Layer]:
    rank = ["match", ["get", "class"], ["motorway", "trunk"], 1.6, ["primary"], 1.25, ["secondary"], 1, 0.7]
    width: list[Any] = ["interpolate", ["exponential", 1.5], ["zoom"]]
    for zoom, pixels in ((7, 0.6), (12, 1.8), (15, 5), (18, 16)):
        width += [zoom, ["*", rank, pixels]]
    return [
        _layer(
            "road", "line", "roads", source_layer,
            layout={"line-cap": "round", "line-join": "round"},
            paint={"line-color": theme.road, "line-width": width},
        )
    ]  # fmt: skip


def _border(theme: Theme, level: str) -> list[Layer]:
    color = {"province": theme.border_province, "city": theme.border_city, "county": theme.border_county}[level]
    start, wide = {"province": (2, 2.2), "city": (4, 1.8), "county": (6, 1.1)}[level]
    line = _layer(
        f"{level}-border", "line", "regions", level,
        minzoom=start, layout={"line-join": "round"},
        paint={"line-color": color, "line-width": ["interpolate", ["linear"], ["zoom"], start, wide / 2, 12, wide]},
    )  # fmt: skip
    if level == "county":
        line["paint"]["line-dasharray"] = [4, 2]
        return [line]
    # A soft band along the border lets a city stand out from its neighbours without a second hue.
    band = _layer(
        f"{level}-band", "line", "regions", level,
        minzoom=start, layout={"line-join": "round"},
        paint={"line-color": color, "line-width": wide * 5, "line-blur": wide * 4, "line-opacity": 0.35},
    )  # fmt: skip
    return [band, line]


def _names(
    name: str, source: str, source_layer: str, theme: Theme, font: list[str],
    size: tuple[float, float, float, float], minzoom: float, maxzoom: float,
) -> Layer:  # fmt: skip
    """Region or place names; ``size`` is zoom, pixels, zoom, pixels."""
    return _layer(
        name, "symbol", source, source_layer,
        minzoom=minzoom, maxzoom=maxzoom,
        layout={
            "text-field": ["get", "name"], "text-font": font, "text-max-width": 7, "text-padding": 6,
            "text-size": ["interpolate", ["linear"], ["zoom"], *size],
        },
        paint={
            "text-color": theme.label if font is BOLD else theme.label_minor,
            "text-halo-color": theme.halo, "text-halo-width": 1.5,
        },
    )  # fmt: skip
