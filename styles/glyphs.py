"""Glyph ranges for map text (signed distance fields in protobuf), made at build time from Noto Sans (OFL 1.1).

Chinese characters are not here: the browser draws them from its own fonts (``localIdeographFontFamily``).

Build step: ``python -m styles.glyphs OUT_DIR [FONT_DIR]`` writes OUT_DIR/<font stack>/<first>-<last>.pbf.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont

from styles import distance

FONT_DIR = Path("node_modules/@expo-google-fonts/noto-sans")
FILES: Mapping[str, str] = {
    "Noto Sans Regular": "400Regular/NotoSans_400Regular.ttf",
    "Noto Sans Bold": "700Bold/NotoSans_700Bold.ttf",
}
RANGES = (0, 1, 3, 32)
"""Latin, Greek, punctuation with sub- and superscripts. The font knows the rest (Ⅲ, ≥, →) in part only, and a
character that a range lacks is not drawn at all, while the browser draws every range that is not here."""
EM = 24
"""Pixels to the em in the format."""
BORDER = 3
"""Pixels around each glyph's box."""
ASCENDER = 26
"""Pixels from the top of the line to the baseline; the renderer counts every ``top`` from there."""


def build_glyphs(out_dir: Path, font_dir: Path = FONT_DIR) -> list[Path]:
    """Write the ranges of both weights; returns the files."""
    written = []
    for stack, file in FILES.items():
        ranges: dict[int, dict[int, bytes]] = {}
        with TTFont(font_dir / file) as font:
            for code, glyph in _glyphs(font):
                ranges.setdefault(code // 256, {})[code] = glyph
        folder = out_dir / stack
        folder.mkdir(parents=True, exist_ok=True)
        for number, glyphs in ranges.items():
            first, last = number * 256, number * 256 + 255
            body = _text(1, stack) + _text(2, f"{first}-{last}")
            body += b"".join(_bytes(3, glyphs[code]) for code in sorted(glyphs))
            path = folder / f"{first}-{last}.pbf"
            path.write_bytes(_bytes(1, body))
            written.append(path)
    return written


def _glyphs(font: TTFont) -> Iterator[tuple[int, bytes]]:
    """Code point and encoded glyph, for each character of a font."""
    shapes, scale = font.getGlyphSet(), EM / font["head"].unitsPerEm
    for code, name in font.getBestCmap().items():
        if code // 256 not in RANGES:
            continue
        pen = distance.Outline(shapes)
        shapes[name].draw(pen)
        contours = [np.array(c) * (scale, -scale) for c in pen.contours]
        advance = _number(7, round(shapes[name].width * scale))
        if not contours:
            yield code, _number(1, code) + _number(3, 0) + _number(4, 0) + _signed(5, 0) + _signed(6, 0) + advance
            continue
        points = np.vstack(contours)
        left, top = np.floor(points.min(axis=0)).astype(int).tolist()
        width, height = (np.ceil(points.max(axis=0)).astype(int) - (left, top)).tolist()
        cells = distance.grid(left - BORDER, top - BORDER, width + 2 * BORDER, height + 2 * BORDER, 1)
        bitmap = distance.levels(distance.to_area(cells, contours, evenodd=False))
        yield (
            code,
            _number(1, code) + _bytes(2, bitmap.tobytes()) + _number(3, width) + _number(4, height)
            + _signed(5, left) + _signed(6, -top - ASCENDER) + advance,
        )  # fmt: skip


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _signed(field: int, value: int) -> bytes:
    return _number(field, value << 1 if value >= 0 else (-value << 1) - 1)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


if __name__ == "__main__":
    build_glyphs(Path(sys.argv[1]), *map(Path, sys.argv[2:3]))
