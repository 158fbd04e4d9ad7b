"""Ramps: colours along a scale of numbers, said once for tiles, map expressions and legends."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from styles.colors import channels, hex_color
from styles.errors import StyleError


@dataclass(frozen=True)
class Ramp:
    """Stops of value and colour in rising order; between two stops colours are mixed, beyond the last they stay."""

    stops: tuple[tuple[float, str], ...]

    def __post_init__(self) -> None:
        values = [value for value, _color in self.stops]
        if len(values) < 2 or any(a >= b for a, b in pairwise(values)):
            raise StyleError("Ramp: at least two stops, their values rising")
        for _value, color in self.stops:
            hex_color(color)

    @property
    def low(self) -> float:
        return self.stops[0][0]

    @property
    def high(self) -> float:
        return self.stops[-1][0]

    def color(self, value: float) -> str:
        """The colour of a value as ``#rrggbb``."""
        red, green, blue, _alpha = self.paint(np.array([value]))[0]
        return f"#{red:02x}{green:02x}{blue:02x}"

    def paint(self, values: NDArray[Any], alpha: int = 255) -> NDArray[np.uint8]:
        """Red, green, blue and alpha for every value; transparent where there is none (NaN)."""
        known = np.isfinite(values)
        given = np.where(known, values, self.low)
        at = [value for value, _color in self.stops]
        parts = [np.interp(given, at, band) for band in zip(*(channels(c) for _v, c in self.stops), strict=True)]
        parts.append(np.where(known, alpha, 0))
        return np.stack([np.rint(part) for part in parts], axis=-1).astype(np.uint8)

    def maplibre(self, value: Any) -> list[Any]:
        """The MapLibre expression of a colour from an expression of a number."""
        return ["interpolate", ["linear"], value, *(part for stop in self.stops for part in stop)]

    def legend(self) -> list[dict[str, Any]]:
        """A line for every stop: its value, colour and place along the evenly divided scale, in per cent."""
        last = len(self.stops) - 1
        return [
            {"value": value, "color": color, "place": round(100 * n / last, 2)}
            for n, (value, color) in enumerate(self.stops)
        ]

    def gradient(self) -> str:
        """The legend's bar as a CSS gradient, its stops evenly divided."""
        return "linear-gradient(to right," + ",".join(f"{s['color']} {s['place']:g}%" for s in self.legend()) + ")"


_GOOD, _FAIR, _LIGHT, _MEDIUM, _HEAVY, _SEVERE = "#00e400", "#ffff00", "#ff7e00", "#ff0000", "#99004c", "#7e0023"
"""The six colours of HJ 633."""

RAMPS: Mapping[str, Ramp] = MappingProxyType(
    {
        "pm10": Ramp(((0, _GOOD), (50, _FAIR), (120, _LIGHT), (250, _MEDIUM), (350, _HEAVY), (420, _SEVERE))),
        "pm25": Ramp(((0, _GOOD), (35, _FAIR), (60, _LIGHT), (115, _MEDIUM), (150, _HEAVY), (250, _SEVERE))),
        "tsp": Ramp(((0, _GOOD), (120, _FAIR), (300, _LIGHT), (500, _MEDIUM), (800, _HEAVY), (1000, _SEVERE))),
        "noise": Ramp(
            ((40, "#1a9850"), (50, "#a6d96a"), (55, "#fee08b"), (65, "#fdae61"), (70, "#f46d43"), (85, "#a50026"))
        ),
        "plain": Ramp(((0, "#ffffcc"), (25, "#a1dab4"), (50, "#41b6c4"), (75, "#2c7fb8"), (100, "#253494"))),
        "risk": Ramp(
            ((0, "#fff7bc"), (20, "#fee391"), (40, "#fec44f"), (60, "#fe7d29"), (80, "#d7301f"), (100, "#7f0000"))
        ),
    }
)  # fmt: skip
"""By name; the class borders of particles are those of 2026 (24 h), which only divide the scale here."""
