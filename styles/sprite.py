"""The sprite: every pictogram on every badge as a distance field, so that one set serves all colours and themes.

A pictogram is cut out of its badge. The map paints the badge with ``icon-color`` and the halo with the ink, and the
halo also fills the cut, because the field says there that the badge's edge is never further away than ``CUT``.
The halo is one pixel wide, because MapLibre then paints badge and halo of a symbol together; with wider ones it paints
the halos of all symbols first, and where symbols overlap the pictogram of the upper one shows the lower badge.

Build step: ``python -m styles.sprite OUT_DIR`` writes sprite.json, sprite.png and their @2x twins.
"""

import json
import sys
from itertools import product
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from PIL import Image

from styles import distance, pictograms
from styles.distance import Array, Bytes
from styles.expressions import HATCH

SIZE = 40
"""Side of an image in map pixels: a badge of at most 32 and room for the halo."""
RATIO = 2
"""Pixels of the sprite to a pixel of the map; also used for plain screens, where it stays sharper than 1."""
CUT = 0.6
"""Of the halo's one pixel: enough to leave the badge's blurred edge, not so much as to leave the halo's."""
SOFT = 1.3
"""Outside the badge the field grows this much slower, so that a halo of one pixel shows 1.3."""
HATCH_SIZE = 12


def build_sprite(out_dir: Path) -> None:
    """Write the sprite files into ``out_dir``."""
    images = {HATCH: _hatch()}
    for name, badge in product(pictograms.names(), pictograms.BADGES):
        images[pictograms.image_name(name, badge)] = _on_badge(name, badge)
    columns = ceil(sqrt(len(images)))
    cell = SIZE * RATIO
    sheet = np.zeros((cell * ceil(len(images) / columns), cell * columns), dtype=np.uint8)
    index = {}
    for place, (name, alpha) in enumerate(sorted(images.items())):
        x, y = place % columns * cell, place // columns * cell
        height, width = alpha.shape
        sheet[y : y + height, x : x + width] = alpha
        index[name] = {
            "x": x, "y": y, "width": width, "height": height, "pixelRatio": RATIO,
            **({} if name == HATCH else {"sdf": True}),
        }  # fmt: skip
    out_dir.mkdir(parents=True, exist_ok=True)
    # Grey under the alpha: seen only in the hatch, the one image that is not a distance field.
    picture = Image.merge("LA", (Image.new("L", sheet.shape[::-1], 0x8A), Image.fromarray(sheet)))
    for suffix in ("", "@2x"):
        picture.save(out_dir / f"sprite{suffix}.png", optimize=True)
        (out_dir / f"sprite{suffix}.json").write_text(json.dumps(index, indent=0, sort_keys=True))


def _on_badge(name: str, badge: str) -> Bytes:
    """The alpha of one image."""
    ground = pictograms.BADGES[badge]
    points = distance.grid(-SIZE / 2, -SIZE / 2, SIZE * RATIO, SIZE * RATIO, 1 / RATIO)
    corners = np.array(ground.corners)
    if len(corners) == 1:
        field = distance.to_lines(points, [corners]) - ground.rounding
    else:
        field = distance.to_area(points, [corners], evenodd=False) - ground.rounding
    cut = _pictogram(name, points, ground)
    return distance.levels(np.maximum(np.where(field > 0, field / SOFT, field), np.minimum(-cut, CUT)))


def _pictogram(name: str, points: Array, ground: pictograms.Badge) -> Array:
    """Signed distance, in map pixels, to the pictogram as it lies on the badge."""
    half = pictograms.GRID / 2
    inner = (points - (0, ground.drop)) / ground.scale + half
    nearest = np.full(points.shape[:2], np.inf)
    for stroke in pictograms.strokes(name):
        contours = distance.svg_contours(stroke.d)
        if stroke.width is None:
            found = distance.to_area(inner, contours, evenodd=True)
        else:
            found = distance.to_lines(inner, contours) - stroke.width / 2
        nearest = np.minimum(nearest, found * ground.scale)
    return nearest


def _hatch() -> Bytes:
    """Diagonal lines that tile, for areas without data."""
    side = HATCH_SIZE * RATIO
    x, y = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    across = np.abs((x + y) % side - side / 2) / sqrt(2)
    alpha: Bytes = np.clip(255 * (RATIO - across + 0.5), 0, 255).astype(np.uint8)
    return alpha


if __name__ == "__main__":
    build_sprite(Path(sys.argv[1]))
