"""Colours as ``#rrggbb``: contrast by WCAG 2.2, mixing and ramps."""

import re
from collections.abc import Sequence

from styles.errors import StyleError

_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def hex_color(value: str) -> str:
    """The colour itself in lower case, or a StyleError: colours go into SVG and XML, so only ``#rrggbb`` passes."""
    if not _HEX.fullmatch(value):
        raise StyleError(f"{value!r} is not a colour: write #rrggbb")
    return value.lower()


def channels(color: str) -> tuple[int, int, int]:
    """Red, green and blue from 0 to 255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def luminance(color: str) -> float:
    """Relative luminance from 0 (black) to 1 (white), WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in channels(color))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio from 1 to 21, WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """``one`` with ``share`` (0 to 1) of ``other`` in it."""
    return "#" + "".join(
        f"{round(a + (b - a) * share):02x}" for a, b in zip(channels(one), channels(other), strict=True)
    )


def ramp(stops: Sequence[str], count: int) -> tuple[str, ...]:
    """``count`` colours spread evenly over the stops."""
    if count == 1:
        return (stops[0],)
    picked = []
    for i in range(count):
        at = i * (len(stops) - 1) / (count - 1)
        low = min(int(at), len(stops) - 2)
        picked.append(mix(stops[low], stops[low + 1], at - low))
    return tuple(picked)
