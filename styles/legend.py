"""Legend items with small inline SVG swatches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from styles.pictograms import badge_svg
from styles.text import Text
from styles.themes import Theme

if TYPE_CHECKING:
    from styles.symbols import Fill, Heat, Icon, Line, Style, Symbol


@dataclass(frozen=True)
class LegendItem:
    """One line of a legend; ``svg`` is trusted markup made of numbers and colours only."""

    key: str
    label: str
    svg: str


def items(style: "Style", theme: Theme, labels: Mapping[str, Text]) -> list[LegendItem]:
    """The legend of a style, a class an item, the rest last."""
    return [LegendItem(c.key, str(labels.get(c.key, c.title)), swatch(c.symbol, theme)) for c in style.classes()]


def swatch(symbol: "Symbol", theme: Theme) -> str:
    """A 24×24 picture of a symbol as the map draws it on this theme."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-18 -18 36 36" width="24" height="24" aria-hidden="true">'
        f"{_DRAW[symbol.kind](symbol, theme)}</svg>"
    )


def _icon(symbol: "Icon", theme: Theme) -> str:
    return badge_svg(symbol.name, symbol.badge, *symbol.paint(theme))


def _line(symbol: "Line", theme: Theme) -> str:
    color, ink = symbol.paint(theme)
    width = min(symbol.width + 1.5, 7)
    bend = '<path d="M-14 7L-5 -5L5 5L14 -7" fill="none" stroke-linejoin="round"'
    dash = " ".join(f"{part * width * 0.7:g}" for part in symbol.dash or ())
    return (
        f'{bend} stroke="{ink}" stroke-width="{width + 2:g}" opacity=".8"/>'
        f'{bend} stroke="{color}" stroke-width="{width:g}" stroke-dasharray="{dash or "none"}"/>'
    )


def _fill(symbol: "Fill", theme: Theme) -> str:
    edge = theme.visible(symbol.outline or symbol.color)
    body = (
        f'<rect x="-14" y="-11" width="28" height="22" rx="3" fill="{symbol.color}" '
        f'fill-opacity="{0.12 if symbol.hatch else symbol.opacity:g}" stroke="{edge}" stroke-width="2"/>'
    )
    if symbol.hatch:
        body += f'<path d="M-13 3L1 -10M-8 10L13 -9M5 10L13 3" stroke="{edge}" stroke-width="2"/>'
    if symbol.mark:
        body += f'<g transform="scale(.55)">{_icon(symbol.mark, theme)}</g>'
    return body


def _heat(symbol: "Heat", theme: Theme) -> str:
    step = 28 / len(symbol.ramp)
    return "".join(
        f'<rect x="{-14 + i * step:g}" y="-8" width="{step + 0.2:g}" height="16" fill="{color}"/>'
        for i, color in enumerate(symbol.ramp)
    )


_DRAW: dict[str, Callable[[Any, Theme], str]] = {"icon": _icon, "line": _line, "fill": _fill, "heat": _heat}
