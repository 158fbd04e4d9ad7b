"""Signed distance fields from outlines: exact distances to flattened curves, no rasteriser.

Distances are negative inside. Grids are float arrays of shape ``(height, width, 2)`` holding x, y.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from fontTools.pens.basePen import BasePen
from fontTools.svgLib.path import parse_path
from numpy.typing import NDArray

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]

RADIUS = 8
"""The distance, in pixels, that the 256 levels of a MapLibre distance field span."""
EDGE = 0.75
"""The share of the levels at which MapLibre sees the outline."""


class Outline(BasePen):
    """A font pen that collects contours as polylines, curves flattened."""

    def __init__(self, glyphs: Any = None) -> None:
        super().__init__(glyphs)
        self.contours: list[list[tuple[float, float]]] = []

    def _moveTo(self, pt: tuple[float, float]) -> None:
        self.contours.append([pt])

    def _lineTo(self, pt: tuple[float, float]) -> None:
        self.contours[-1].append(pt)

    def _curveToOne(self, pt1: Any, pt2: Any, pt3: Any) -> None:
        start = self.contours[-1][-1]
        for t in np.linspace(0, 1, 13)[1:]:
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            x, y = np.dot(weights, (start, pt1, pt2, pt3))
            self.contours[-1].append((float(x), float(y)))

    def _closePath(self) -> None:
        self.contours[-1].append(self.contours[-1][0])


def svg_contours(d: str) -> list[Array]:
    """The polylines of an SVG path's ``d``."""
    pen = Outline()
    parse_path(d, pen)
    return [np.array(contour) for contour in pen.contours]


def grid(left: float, top: float, width: int, height: int, step: float) -> Array:
    """The centres of ``width`` × ``height`` pixels of size ``step``; y grows with the rows."""
    x = left + (np.arange(width) + 0.5) * step
    y = top + (np.arange(height) + 0.5) * step
    return np.stack(np.meshgrid(x, y), axis=-1)


def to_lines(points: Array, contours: Iterable[Array]) -> Array:
    """Unsigned distance to the nearest of the polylines; a polyline of one point is that point."""
    nearest = np.full(points.shape[:2], np.inf)
    for contour in contours:
        starts, ends = (contour, contour) if len(contour) == 1 else (contour[:-1], contour[1:])
        along = ends - starts
        length = np.maximum((along**2).sum(axis=1), 1e-12)
        offset = points[:, :, None, :] - starts
        share = np.clip((offset * along).sum(axis=-1) / length, 0, 1)
        gap = offset - share[..., None] * along
        nearest = np.minimum(nearest, np.sqrt((gap**2).sum(axis=-1)).min(axis=-1))
    return nearest


def winding(points: Array, contours: Iterable[Array]) -> NDArray[np.int64]:
    """How often the closed contours wind around each point."""
    turns = np.zeros(points.shape[:2], dtype=np.int64)
    x, y = points[..., None, 0], points[..., None, 1]
    for contour in contours:
        ring = contour if np.array_equal(contour[0], contour[-1]) else np.vstack([contour, contour[:1]])
        (x0, y0), (x1, y1) = ring[:-1].T, ring[1:].T
        side = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
        turns += ((y0 <= y) & (y1 > y) & (side > 0)).sum(axis=-1) - ((y0 > y) & (y1 <= y) & (side < 0)).sum(axis=-1)
    return turns


def to_area(points: Array, contours: list[Array], *, evenodd: bool) -> Array:
    """Signed distance to the area that the contours bound."""
    turns = winding(points, contours)
    inside = turns % 2 == 1 if evenodd else turns != 0
    rings = [np.vstack([c, c[:1]]) for c in contours]
    distance = to_lines(points, rings)
    return np.where(inside, -distance, distance)


def levels(distance: Array) -> Bytes:
    """Distances in pixels as the bytes MapLibre expects."""
    return np.clip(np.round(255 * (EDGE - distance / RADIUS)), 0, 255).astype(np.uint8)
