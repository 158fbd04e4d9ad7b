"""MapLibre layers from a style.

Each layer's ``metadata["zhutu:role"]`` says what it is for: ``feature`` (click and hover it), ``cluster`` (click
zooms in), ``label``, ``selected`` (shows the feature whose id is put into its filter with `selected_filter`'s form).
Hover is the feature state ``hover``; the source promotes the property ``id`` to the feature id.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from styles.colors import mix
from styles.themes import Theme

if TYPE_CHECKING:
    from styles.symbols import Class, Fill, Heat, Icon, Line, Style, Symbol

Layer = dict[str, Any]

REGULAR = ["Noto Sans Regular"]
BOLD = ["Noto Sans Bold"]
HATCH = "hatch"
LABEL_ZOOM = 13
NUMBER_ZOOM = 10

HOVER = ["boolean", ["feature-state", "hover"], False]
CLUSTER = ["has", "point_count"]
SINGLE = ["!", CLUSTER]


def selected_filter(feature_id: str) -> list[Any]:
    """The filter that a ``selected`` layer carries to show one feature."""
    return ["==", ["get", "id"], feature_id]


def layers(style: "Style", source_id: str, source_layer: str | None, theme: Theme) -> list[Layer]:
    """The layers of a style, bottom first; ``source_layer`` is None for a GeoJSON source."""
    drawn = _DRAW[style.classes()[0].symbol.kind](style, theme)
    drawn += _label(style, theme)
    for layer in drawn:
        layer["id"] = f"{source_id}-{layer['id']}"
        layer["source"] = source_id
        if source_layer is not None:
            layer["source-layer"] = source_layer
    return drawn


def _choose(style: "Style", value_of: Callable[["Class"], Any]) -> Any:
    """One value a class as an expression, or the value itself where all classes share it."""
    values = [["literal", v] if isinstance(v, tuple | list) else v for v in map(value_of, style.classes())]
    return values[0] if all(v == values[0] for v in values) else style.choose(values)


def _layer(name: str, kind: str, role: str, **parts: Any) -> Layer:
    return {"id": name, "type": kind, "metadata": {"zhutu:role": role}, **parts}


def _by_zoom(*stops: tuple[float, Any]) -> list[Any]:
    return ["interpolate", ["linear"], ["zoom"], *(part for stop in stops for part in stop)]


def _both(*conditions: Any) -> Any:
    """All conditions that are not plainly true, as one filter."""
    real = [c for c in conditions if c is not True]
    return ["all", *real] if len(real) > 1 else real[0]


# Points


def _icons(style: "Style", theme: Theme) -> list[Layer]:
    image = _choose(style, lambda c: cast("Icon", c.symbol).image)
    color = _choose(style, lambda c: c.symbol.paint(theme)[0])
    ink = _choose(style, lambda c: c.symbol.paint(theme)[1])
    lit = _choose(style, lambda c: mix(c.symbol.paint(theme)[0], theme.accent, 0.4))
    layout = {"icon-image": image, "icon-allow-overlap": True, "icon-ignore-placement": True}
    icon = _layer(
        "icon", "symbol", "feature",
        filter=SINGLE,
        layout=layout | {"icon-size": _by_zoom((6, 0.55), (10, 0.7), (13, 0.85), (16, 1))},
        paint={"icon-color": ["case", HOVER, lit, color], "icon-halo-color": ink, "icon-halo-width": 1},
    )  # fmt: skip
    ring = _layer(
        "selected-ring", "circle", "selected",
        filter=selected_filter(""),
        paint={
            "circle-radius": 23, "circle-color": theme.accent, "circle-opacity": 0.22,
            "circle-stroke-color": theme.accent, "circle-stroke-width": 2.5,
        },
    )  # fmt: skip
    chosen = _layer(
        "selected", "symbol", "selected",
        filter=selected_filter(""),
        layout=layout | {"icon-size": 1.1},
        paint={"icon-color": color, "icon-halo-color": ink, "icon-halo-width": 1},
    )  # fmt: skip
    if _number_inside(style):
        for layer in (icon, chosen):
            layer["layout"] |= {
                "text-field": ["step", ["zoom"], "", NUMBER_ZOOM, _number(style)],
                "text-font": BOLD, "text-size": _by_zoom((10, 9), (14, 11)), "text-optional": True,
            }  # fmt: skip
            layer["paint"] |= {"text-color": ink}
    return [*_clusters(style, theme), icon, ring, chosen]


def _clusters(style: "Style", theme: Theme) -> list[Layer]:
    """Circles with a count for the gathered points of low zooms, ringed in the first class's colour."""
    symbol = cast("Icon", style.classes()[0].symbol)
    count = ["get", "point_count"]
    circle = _layer(
        "cluster", "circle", "cluster",
        filter=CLUSTER,
        paint={
            "circle-radius": ["step", count, 14, 10, 16, 100, 19, 1000, 23, 10000, 28],
            "circle-color": theme.surface, "circle-opacity": 0.92,
            "circle-stroke-color": theme.visible(symbol.color), "circle-stroke-width": ["case", HOVER, 4, 2.5],
        },
    )  # fmt: skip
    number = _layer(
        "cluster-count", "symbol", "cluster",
        filter=CLUSTER,
        layout={
            "text-field": ["number-format", count, {}], "text-font": BOLD,
            "text-size": 12, "text-allow-overlap": True, "text-ignore-placement": True,
        },
        paint={"text-color": theme.text},
    )  # fmt: skip
    return [circle, number]


def _heat(style: "Style", theme: Theme) -> list[Layer]:
    heat = cast("Heat", style)
    count = ["coalesce", ["get", "point_count"], 1]
    weight: Any = count
    if heat.weight:
        # A cluster has no weight of its own: its points count fully.
        value = ["to-number", ["coalesce", ["get", heat.weight], 0]]
        weight = ["case", CLUSTER, count, ["/", value, heat.full]]
    stops = [part for i, c in enumerate(heat.ramp) for part in ((i + 1) / len(heat.ramp), c)]
    clear = f"rgba({int(heat.ramp[0][1:3], 16)},{int(heat.ramp[0][3:5], 16)},{int(heat.ramp[0][5:7], 16)},0)"
    glow = _layer(
        "heat", "heatmap", "heat",
        paint={
            "heatmap-weight": weight,
            "heatmap-intensity": _by_zoom((6, 0.3), (14, 1.2)),
            "heatmap-radius": _by_zoom((6, heat.radius / 2), (14, heat.radius)),
            "heatmap-color": ["interpolate", ["linear"], ["heatmap-density"], 0, clear, *stops],
            "heatmap-opacity": _by_zoom((14, 0.8), (17, 0.35)),
        },
    )  # fmt: skip
    color, ink = heat.paint(theme)
    point = {"circle-color": color, "circle-stroke-color": ink, "circle-stroke-width": 1.5}
    return [
        glow,
        _layer("point", "circle", "feature", filter=SINGLE, minzoom=14, paint=point | {"circle-radius": 5}),
        _layer("selected", "circle", "selected", filter=selected_filter(""), paint=point | {"circle-radius": 9}),
    ]


# Lines


def _lines(style: "Style", theme: Theme) -> list[Layer]:
    width = _choose(style, lambda c: cast("Line", c.symbol).width)
    color = _choose(style, lambda c: c.symbol.paint(theme)[0])
    ink = _choose(style, lambda c: c.symbol.paint(theme)[1])
    dashes = [cast("Line", c.symbol).dash for c in style.classes()]
    round_ends = {"line-cap": "round", "line-join": "round"}

    def wide(extra: float) -> list[Any]:
        grown = ["+", width, ["case", HOVER, 2, 0], extra]
        return _by_zoom((7, ["*", 0.5, grown]), (14, grown), (18, ["*", 2, grown]))

    line = _layer(
        "line", "line", "feature",
        layout={"line-join": "round"},
        paint={"line-color": color, "line-width": wide(0)},
    )  # fmt: skip
    if any(dashes):
        line["paint"]["line-dasharray"] = _choose(style, lambda c: cast("Line", c.symbol).dash or (1, 0))
    else:
        line["layout"] = round_ends
    return [
        _layer(
            "selected", "line", "selected",
            filter=selected_filter(""), layout=round_ends,
            paint={"line-color": theme.accent, "line-width": wide(9), "line-opacity": 0.55},
        ),
        _layer(
            "casing", "line", "casing",
            layout=round_ends, paint={"line-color": ink, "line-width": wide(2), "line-opacity": 0.75},
        ),
        line,
    ]  # fmt: skip


# Areas


def _fills(style: "Style", theme: Theme) -> list[Layer]:
    symbols = [cast("Fill", c.symbol) for c in style.classes()]
    hatched = _choose(style, lambda c: cast("Fill", c.symbol).hatch)
    color = _choose(style, lambda c: c.symbol.color)
    opacity = _choose(style, lambda c: cast("Fill", c.symbol).opacity)
    edge = _choose(style, lambda c: theme.visible(cast("Fill", c.symbol).outline or c.symbol.color))
    result: list[Layer] = []
    if hatched is not True:
        plain = {} if hatched is False else {"filter": ["!", hatched]}
        lifted = ["+", opacity, ["case", HOVER, 0.2, 0]]
        result.append(_layer("fill", "fill", "feature", **plain, paint={"fill-color": color, "fill-opacity": lifted}))
    if hatched is not False:
        only = {} if hatched is True else {"filter": hatched}
        result.append(_layer("hatch", "fill", "feature", **only, paint={"fill-pattern": HATCH, "fill-opacity": 0.7}))
    height = symbols[0].extrude
    if height:
        metres = ["to-number", ["coalesce", ["get", height], 0]]
        result.append(
            _layer(
                "extrusion", "fill-extrusion", "feature",
                minzoom=14,
                paint={
                    "fill-extrusion-color": color, "fill-extrusion-opacity": 0.85,
                    "fill-extrusion-height": metres, "fill-extrusion-vertical-gradient": True,
                },
            )
        )  # fmt: skip
    joined = {"line-join": "round"}
    result.append(
        _layer(
            "outline", "line", "outline",
            layout=joined, paint={"line-color": edge, "line-width": _by_zoom((8, 0.8), (14, ["case", HOVER, 3, 1.6]))},
        )
    )  # fmt: skip
    result.append(
        _layer(
            "selected", "line", "selected",
            filter=selected_filter(""), layout=joined,
            paint={"line-color": theme.accent, "line-width": _by_zoom((8, 2.5), (14, 4))},
        )
    )  # fmt: skip
    marks = [s.mark for s in symbols]
    if any(marks):
        result.append(
            _layer(
                "mark", "symbol", "mark",
                minzoom=11,
                layout={
                    "icon-image": _choose(style, lambda c: m.image if (m := cast("Fill", c.symbol).mark) else ""),
                    "icon-size": _by_zoom((11, 0.45), (16, 0.8)),
                },
                paint={
                    "icon-color": _choose(style, lambda c: _marked(c).paint(theme)[0]),
                    "icon-halo-color": _choose(style, lambda c: _marked(c).paint(theme)[1]),
                    "icon-halo-width": 1,
                },
            )
        )  # fmt: skip
    return result


def _marked(found: "Class") -> "Symbol":
    """The mark of an area's class, or the class's own symbol where it has none."""
    return cast("Fill", found.symbol).mark or found.symbol


# Words


def _number_inside(style: "Style") -> bool:
    """Whether the value is written on the badge itself: a graduated plain dot."""
    symbol = style.classes()[0].symbol
    return style.number is not None and symbol.kind == "icon" and cast("Icon", symbol).name == "dot"


def _number(style: "Style") -> list[Any]:
    value = ["get", style.number]
    written = ["number-format", ["to-number", value], {"max-fraction-digits": style.decimals}]
    return ["case", ["==", ["to-string", value], ""], "", written]


def _label(style: "Style", theme: Theme) -> list[Layer]:
    """The name and, where it is not on the badge, the number, beside each feature."""
    name: Any = ["to-string", ["get", style.label]] if style.label else ""
    if style.number and not _number_inside(style):
        number = _number(style)
        text = ["step", ["zoom"], number, LABEL_ZOOM, ["concat", name, "\n", number]] if name else number
        minzoom = NUMBER_ZOOM
    elif name:
        text, minzoom = name, LABEL_ZOOM
    else:
        return []
    layout: dict[str, Any] = {
        "text-field": text, "text-font": REGULAR, "text-size": _by_zoom((13, 11), (17, 13)), "text-max-width": 9,
    }  # fmt: skip
    marked = any(cast("Fill", c.symbol).mark for c in style.classes()) if style.geometry == "polygon" else False
    if style.geometry == "point":
        layout |= {"text-anchor": "top", "text-offset": [0, 1.25]}
    elif style.geometry == "line":
        layout |= {"symbol-placement": "line", "symbol-spacing": 320}
    elif marked:
        layout |= {"text-anchor": "top", "text-offset": [0, 1.1]}
    found = _layer(
        "label", "symbol", "label",
        minzoom=minzoom, layout=layout,
        paint={"text-color": theme.label, "text-halo-color": theme.halo, "text-halo-width": 1.6},
    )  # fmt: skip
    if style.geometry == "point":
        found["filter"] = SINGLE
    return [found]


_DRAW: dict[str, Callable[["Style", Theme], list[Layer]]] = {
    "icon": _icons,
    "line": _lines,
    "fill": _fills,
    "heat": _heat,
}
