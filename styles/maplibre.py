"""MapLibre layers from a style.

Each layer's ``metadata["zhutu:role"]`` says what it is for: ``feature`` (click and hover it), ``cluster`` (click
zooms in), ``label``, ``selected`` (its filter, `styles.expressions.selected_filter`, names the feature to show).
Hover is the feature state ``hover``; the source promotes the property ``id`` to the feature id.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from styles.expressions import (
    LABEL_ZOOM,
    NUMBER_ZOOM,
    REGULAR,
    SINGLE,
    Layer,
    by_zoom,
    layer,
    number,
    number_inside,
)  # fmt: skip
from styles.points import heat, icons
from styles.shapes import fills, lines
from styles.themes import Theme

if TYPE_CHECKING:
    from styles.symbols import Fill, Style


def layers(style: "Style", source_id: str, source_layer: str | None, theme: Theme) -> list[Layer]:
    """The layers of a style, bottom first; ``source_layer`` is None for a GeoJSON source."""
    drawn = _DRAW[style.classes()[0].symbol.kind](style, theme)
    drawn += _label(style, theme)
    for part in drawn:
        part["id"] = f"{source_id}-{part['id']}"
        part["source"] = source_id
        if source_layer is not None:
            part["source-layer"] = source_layer
    return drawn


def _label(style: "Style", theme: Theme) -> list[Layer]:
    """The name and, where it is not on the badge, the number, beside each feature."""
    name: Any = ["to-string", ["get", style.label]] if style.label else ""
    if style.number and not number_inside(style):
        value = number(style)
        text = ["step", ["zoom"], value, LABEL_ZOOM, ["concat", name, "\n", value]] if name else value
        minzoom = NUMBER_ZOOM
    elif name:
        text, minzoom = name, LABEL_ZOOM
    else:
        return []
    layout: dict[str, Any] = {
        "text-field": text, "text-font": REGULAR, "text-size": by_zoom((13, 11), (17, 13)), "text-max-width": 9,
    }  # fmt: skip
    marked = any(cast("Fill", c.symbol).mark for c in style.classes()) if style.geometry == "polygon" else False
    if style.geometry == "point":
        layout |= {"text-anchor": "top", "text-offset": [0, 1.25]}
    elif style.geometry == "line":
        layout |= {"symbol-placement": "line", "symbol-spacing": 320}
    elif marked:
        layout |= {"text-anchor": "top", "text-offset": [0, 1.1]}
    found = layer(
        "label", "symbol", "label",
        minzoom=minzoom, layout=layout,
        paint={"text-color": theme.label, "text-halo-color": theme.halo, "text-halo-width": 1.6},
    )  # fmt: skip
    if style.geometry == "point":
        found["filter"] = SINGLE
    return [found]


_DRAW: dict[str, Callable[["Style", Theme], list[Layer]]] = {
    "icon": icons,
    "line": lines,
    "fill": fills,
    "heat": heat,
}
