"""MapLibre layers of lines and areas."""

from typing import TYPE_CHECKING, Any, cast

from styles.expressions import HATCH, HOVER, Layer, by_zoom, choose, layer, selected_filter
from styles.themes import Theme

if TYPE_CHECKING:
    from styles.symbols import Class, Fill, Line, Style, Symbol


def lines(style: "Style", theme: Theme) -> list[Layer]:
    """Lines over a casing in their ink, which keeps them apart from any ground."""
    width = choose(style, lambda c: cast("Line", c.symbol).width)
    color = choose(style, lambda c: c.symbol.paint(theme)[0])
    ink = choose(style, lambda c: c.symbol.paint(theme)[1])
    dashes = [cast("Line", c.symbol).dash for c in style.classes()]
    round_ends = {"line-cap": "round", "line-join": "round"}

    def wide(extra: float) -> list[Any]:
        grown = ["+", width, ["case", HOVER, 2, 0], extra]
        return by_zoom((7, ["*", 0.5, grown]), (14, grown), (18, ["*", 2, grown]))

    line = layer(
        "line", "line", "feature",
        layout={"line-join": "round"},
        paint={"line-color": color, "line-width": wide(0)},
    )  # fmt: skip
    if any(dashes):
        line["paint"]["line-dasharray"] = choose(style, lambda c: cast("Line", c.symbol).dash or (1, 0))
    else:
        line["layout"] = round_ends
    return [
        layer(
            "selected", "line", "selected",
            filter=selected_filter(""), layout=round_ends,
            paint={"line-color": theme.accent, "line-width": wide(9), "line-opacity": 0.55},
        ),
        layer(
            "casing", "line", "casing",
            layout=round_ends, paint={"line-color": ink, "line-width": wide(2), "line-opacity": 0.75},
        ),
        line,
    ]  # fmt: skip


def fills(style: "Style", theme: Theme) -> list[Layer]:
    """Areas: fill or hatch, raised where a height is named, outline, mark in the middle."""
    symbols = [cast("Fill", c.symbol) for c in style.classes()]
    hatched = choose(style, lambda c: cast("Fill", c.symbol).hatch)
    color = choose(style, lambda c: c.symbol.color)
    opacity = choose(style, lambda c: cast("Fill", c.symbol).opacity)
    edge = choose(style, lambda c: theme.visible(cast("Fill", c.symbol).outline or c.symbol.color))
    result: list[Layer] = []
    if hatched is not True:
        plain = {} if hatched is False else {"filter": ["!", hatched]}
        lifted = ["+", opacity, ["case", HOVER, 0.2, 0]]
        result.append(layer("fill", "fill", "feature", **plain, paint={"fill-color": color, "fill-opacity": lifted}))
    if hatched is not False:
        only = {} if hatched is True else {"filter": hatched}
        result.append(layer("hatch", "fill", "feature", **only, paint={"fill-pattern": HATCH, "fill-opacity": 0.7}))
    height = symbols[0].extrude
    if height:
        metres = ["to-number", ["coalesce", ["get", height], 0]]
        result.append(
            layer(
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
        layer(
            "outline", "line", "outline",
            layout=joined, paint={"line-color": edge, "line-width": by_zoom((8, 0.8), (14, ["case", HOVER, 3, 1.6]))},
        )
    )  # fmt: skip
    result.append(
        layer(
            "selected", "line", "selected",
            filter=selected_filter(""), layout=joined,
            paint={"line-color": theme.accent, "line-width": by_zoom((8, 2.5), (14, 4))},
        )
    )  # fmt: skip
    marks = [s.mark for s in symbols]
    if any(marks):
        result.append(
            layer(
                "mark", "symbol", "mark",
                minzoom=11,
                layout={
                    "icon-image": choose(style, lambda c: m.image if (m := cast("Fill", c.symbol).mark) else ""),
                    "icon-size": by_zoom((11, 0.45), (16, 0.8)),
                },
                paint={
                    "icon-color": choose(style, lambda c: _marked(c).paint(theme)[0]),
                    "icon-halo-color": choose(style, lambda c: _marked(c).paint(theme)[1]),
                    "icon-halo-width": 1,
                },
            )
        )  # fmt: skip
    return result


def _marked(found: "Class") -> "Symbol":
    """The mark of an area's class, or the class's own symbol where it has none."""
    return cast("Fill", found.symbol).mark or found.symbol
