"""MapLibre layers of points: pictograms, clusters, heat."""

from typing import TYPE_CHECKING, Any, cast

from styles.colors import mix
from styles.expressions import (
    BOLD,
    CLUSTER,
    HOVER,
    NUMBER_ZOOM,
    SINGLE,
    Layer,
    by_zoom,
    choose,
    layer,
    number,
    number_inside,
    selected_filter,
)  # fmt: skip
from styles.themes import Theme

if TYPE_CHECKING:
    from styles.symbols import Heat, Icon, Style


def icons(style: "Style", theme: Theme) -> list[Layer]:
    """Pictograms on their badges, with the value on plain dots, clusters below, the selected one on top."""
    image = choose(style, lambda c: cast("Icon", c.symbol).image)
    color = choose(style, lambda c: c.symbol.paint(theme)[0])
    ink = choose(style, lambda c: c.symbol.paint(theme)[1])
    lit = choose(style, lambda c: mix(c.symbol.paint(theme)[0], theme.accent, 0.4))
    layout = {"icon-image": image, "icon-allow-overlap": True, "icon-ignore-placement": True}
    icon = layer(
        "icon", "symbol", "feature",
        filter=SINGLE,
        layout=layout | {"icon-size": by_zoom((6, 0.55), (10, 0.7), (13, 0.85), (16, 1))},
        paint={"icon-color": ["case", HOVER, lit, color], "icon-halo-color": ink, "icon-halo-width": 1},
    )  # fmt: skip
    ring = layer(
        "selected-ring", "circle", "selected",
        filter=selected_filter(""),
        paint={
            "circle-radius": 23, "circle-color": theme.accent, "circle-opacity": 0.22,
            "circle-stroke-color": theme.accent, "circle-stroke-width": 2.5,
        },
    )  # fmt: skip
    chosen = layer(
        "selected", "symbol", "selected",
        filter=selected_filter(""),
        layout=layout | {"icon-size": 1.1},
        paint={"icon-color": color, "icon-halo-color": ink, "icon-halo-width": 1},
    )  # fmt: skip
    if number_inside(style):
        for drawn in (icon, chosen):
            drawn["layout"] |= {
                "text-field": ["step", ["zoom"], "", NUMBER_ZOOM, number(style)],
                "text-font": BOLD, "text-size": by_zoom((10, 9), (14, 11)), "text-optional": True,
            }  # fmt: skip
            drawn["paint"] |= {"text-color": ink}
    return [*_clusters(style, theme), icon, ring, chosen]


def _clusters(style: "Style", theme: Theme) -> list[Layer]:
    """Circles with a count for the gathered points of low zooms, ringed in the first class's colour."""
    symbol = cast("Icon", style.classes()[0].symbol)
    count = ["get", "point_count"]
    circle = layer(
        "cluster", "circle", "cluster",
        filter=CLUSTER,
        paint={
            "circle-radius": ["step", count, 14, 10, 16, 100, 19, 1000, 23, 10000, 28],
            "circle-color": theme.surface, "circle-opacity": 0.92,
            "circle-stroke-color": theme.visible(symbol.color), "circle-stroke-width": ["case", HOVER, 4, 2.5],
        },
    )  # fmt: skip
    total = layer(
        "cluster-count", "symbol", "cluster",
        filter=CLUSTER,
        layout={
            "text-field": ["number-format", count, {}], "text-font": BOLD,
            "text-size": 12, "text-allow-overlap": True, "text-ignore-placement": True,
        },
        paint={"text-color": theme.text},
    )  # fmt: skip
    return [circle, total]


def heat(style: "Style", theme: Theme) -> list[Layer]:
    """A glow that gives way to single points when one comes close."""
    symbol = cast("Heat", style)
    count = ["coalesce", ["get", "point_count"], 1]
    weight: Any = count
    if symbol.weight:
        # A cluster has no weight of its own: its points count fully.
        value = ["to-number", ["coalesce", ["get", symbol.weight], 0]]
        weight = ["case", CLUSTER, count, ["/", value, symbol.full]]
    stops = [part for i, c in enumerate(symbol.ramp) for part in ((i + 1) / len(symbol.ramp), c)]
    clear = f"rgba({int(symbol.ramp[0][1:3], 16)},{int(symbol.ramp[0][3:5], 16)},{int(symbol.ramp[0][5:7], 16)},0)"
    glow = layer(
        "heat", "heatmap", "heat",
        paint={
            "heatmap-weight": weight,
            "heatmap-intensity": by_zoom((6, 0.3), (14, 1.2)),
            "heatmap-radius": by_zoom((6, symbol.radius / 2), (14, symbol.radius)),
            "heatmap-color": ["interpolate", ["linear"], ["heatmap-density"], 0, clear, *stops],
            "heatmap-opacity": by_zoom((14, 0.8), (17, 0.35)),
        },
    )  # fmt: skip
    color, ink = symbol.paint(theme)
    point = {"circle-color": color, "circle-stroke-color": ink, "circle-stroke-width": 1.5}
    return [
        glow,
        layer("point", "circle", "feature", filter=SINGLE, minzoom=14, paint=point | {"circle-radius": 5}),
        layer("selected", "circle", "selected", filter=selected_filter(""), paint=point | {"circle-radius": 9}),
    ]
