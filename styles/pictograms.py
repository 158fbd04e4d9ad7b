"""Our pictograms (``icons/*.svg``, 24×24, filled or stroked paths) and the badges they stand on."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent / "icons"
GRID = 24
SVG_NAMESPACE = "http://www.w3.org/2000/svg"


@dataclass(frozen=True)
class Badge:
    """The ground of a pictogram: a polygon around (0, 0) grown by ``rounding``; one corner makes a circle."""

    corners: tuple[tuple[float, float], ...]
    rounding: float
    scale: float
    drop: float = 0.0


@dataclass(frozen=True)
class Stroke:
    """One ``<path>``: filled where ``width`` is None, else stroked with round caps and joins."""

    d: str
    width: float | None


def _regular(count: int, radius: float, turn: float) -> tuple[tuple[float, float], ...]:
    return tuple(
        (round(radius * cos(turn + 2 * pi * i / count), 2), round(radius * sin(turn + 2 * pi * i / count), 2))
        for i in range(count)
    )


BADGES: Mapping[str, Badge] = MappingProxyType(
    {
        "circle": Badge(((0.0, 0.0),), 13.5, 0.84),
        "square": Badge(((-9.0, -9.0), (9.0, -9.0), (9.0, 9.0), (-9.0, 9.0)), 3.5, 0.88),
        "diamond": Badge(_regular(4, 13.2, 0), 3.0, 0.74),
        "triangle": Badge(((0.0, -11.6), (12.2, 9.6), (-12.2, 9.6)), 3.0, 0.76, 3.2),
        "hexagon": Badge(_regular(6, 12.6, 0), 2.5, 0.82),
        "octagon": Badge(_regular(8, 13.0, pi / 8), 1.6, 0.86),
        "house": Badge(((0.0, -12.8), (11.6, -3.2), (9.4, 10.6), (-9.4, 10.6), (-11.6, -3.2)), 2.4, 0.8, 1.4),
    }
)
"""In the order in which categories without icons of their own take them."""


@cache
def names() -> tuple[str, ...]:
    """The names of all pictograms."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.svg")))


@cache
def _root(name: str) -> ET.Element:
    return ET.parse(FOLDER / f"{name}.svg").getroot()  # noqa: S314 our own files


def natural_badge(name: str) -> str:
    """The badge a pictogram stands on unless another is asked for."""
    return _root(name).get("data-badge", "circle")


@cache
def strokes(name: str) -> tuple[Stroke, ...]:
    """The paths of a pictogram in drawing order."""
    paths = _root(name).iter(f"{{{SVG_NAMESPACE}}}path")
    return tuple(
        Stroke(path.attrib["d"], float(path.attrib["stroke-width"]) if "stroke-width" in path.attrib else None)
        for path in paths
    )


def image_name(icon: str, badge: str | None = None) -> str:
    """The name of a pictogram in the sprite; ``icon.badge`` where it does not stand on its own badge."""
    return icon if badge is None or badge == natural_badge(icon) else f"{icon}.{badge}"


def badge_svg(icon: str, badge: str | None, color: str, ink: str) -> str:
    """Inline SVG markup of a badge and its pictogram around (0, 0), 32 units wide, drawn as the sprite draws it."""
    ground = BADGES[badge or natural_badge(icon)]
    points = " ".join(f"{x:g},{y:g}" for x, y in ground.corners)
    if len(ground.corners) == 1:
        shape = "".join(f'<circle r="{ground.rounding + grow:g}" fill="{c}"/>' for grow, c in ((1.5, ink), (0, color)))
    else:
        shape = "".join(
            f'<polygon points="{points}" fill="{c}" stroke="{c}" stroke-width="{2 * (ground.rounding + grow):g}"'
            ' stroke-linejoin="round"/>'
            for grow, c in ((1.5, ink), (0, color))
        )
    paths = "".join(
        f'<path d="{s.d}" fill="{ink}" fill-rule="evenodd"/>'
        if s.width is None
        else f'<path d="{s.d}" fill="none" stroke="{ink}" stroke-width="{s.width:g}"'
        ' stroke-linecap="round" stroke-linejoin="round"/>'
        for s in strokes(icon)
    )
    half = GRID / 2 * ground.scale
    move = f"translate({-half:g} {ground.drop - half:g}) scale({ground.scale:g})"
    return f'{shape}<g transform="{move}">{paths}</g>'
