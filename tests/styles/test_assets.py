"""Sprite and glyphs as the build makes them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styles import THEMES, pictograms
from styles.expressions import BOLD, REGULAR
from styles.glyphs import FONT_DIR, build_glyphs
from styles.sprite import build_sprite
from tests.styles.conftest import ROOT, STYLES

EDGE = 191


@pytest.fixture(scope="module")
def sprite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sprite")
    build_sprite(folder)
    return folder


def alpha(sprite: Path, name: str) -> np.ndarray:
    place = json.loads((sprite / "sprite.json").read_text())[name]
    x, y = place["x"], place["y"]
    with Image.open(sprite / "sprite.png") as picture:
        return np.asarray(picture.convert("RGBA"))[y : y + place["height"], x : x + place["width"], 3]


def test_every_pictogram_stands_on_every_badge(sprite: Path) -> None:
    index = json.loads((sprite / "sprite@2x.json").read_text())
    assert len(index) == len(pictograms.names()) * len(pictograms.BADGES) + 1
    assert sum(not entry.get("sdf", False) for entry in index.values()) == 1


@pytest.mark.parametrize("name", pictograms.names())
def test_each_image_has_a_badge_with_a_pictogram_cut_out(sprite: Path, name: str) -> None:
    field = alpha(sprite, name)
    inside = field >= EDGE
    assert inside.sum() > 600
    assert field[0].max() < EDGE, "the badge leaves room for its outline"
    assert field[-1].max() < EDGE
    plain = alpha(sprite, pictograms.image_name("dot", pictograms.natural_badge(name))) >= EDGE
    cut = plain & ~inside
    assert cut.any() == (name != "dot")
    assert not (inside & ~plain).any(), "nothing sticks out of the badge"


def test_project_states_differ_in_outline_and_pictogram(sprite: Path) -> None:
    fields = [alpha(sprite, f"site-{s}") >= EDGE for s in ("active", "rectify", "suspended", "completed", "planned")]
    for i, one in enumerate(fields):
        for other in fields[i + 1 :]:
            assert (one != other).mean() > 0.05


def test_layers_ask_only_for_images_in_the_sprite(sprite: Path) -> None:
    index = json.loads((sprite / "sprite.json").read_text())

    def images(value: object) -> set[str]:
        if isinstance(value, str):
            return {value}
        return set().union(*map(images, value)) if isinstance(value, list) else set()

    words = {"match", "case", "step", "==", "to-string", "to-number", "get", ""}
    for style in STYLES.values():
        fields = style.fields | {c.key for c in style.classes()}
        for layer in style.maplibre("s", "s", THEMES["hall"]):
            for key in ("icon-image", "fill-pattern"):
                value = {**layer.get("layout", {}), **layer.get("paint", {})}.get(key)
                assert images(value) - words - fields <= set(index)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Field numbers and raw values of a protobuf message."""
    found, at = [], 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 2:
            found.append((tag >> 3, data[at : at + value]))
            at += value
        else:
            found.append((tag >> 3, value))
    return found


def test_glyphs_are_distance_fields_in_protobuf(tmp_path: Path) -> None:
    fonts = ROOT / FONT_DIR
    if not fonts.exists():
        pytest.skip("needs the npm package @expo-google-fonts/noto-sans (npm ci)")
    build_glyphs(tmp_path, fonts)
    assert {folder.name for folder in tmp_path.iterdir()} == {*REGULAR, *BOLD}
    for stack in (*REGULAR, *BOLD):
        ((_, marks),) = _fields((tmp_path / stack / "8192-8447.pbf").read_bytes())
        assert {*map(ord, "–—‰₂₅⁻")} <= {dict(_fields(raw))[1] for field, raw in _fields(marks) if field == 3}
        ((_, body),) = _fields((tmp_path / stack / "0-255.pbf").read_bytes())
        message = _fields(body)
        assert message[:2] == [(1, stack.encode()), (2, b"0-255")]
        glyphs = {dict(g)[1]: dict(g) for _, raw in message[2:] for g in [_fields(raw)]}
        assert {*map(ord, "0123456789AZaz.,-%µ³°·")} <= set(glyphs)
        for glyph in glyphs.values():
            assert len(glyph.get(2, b"")) == ((glyph[3] + 6) * (glyph[4] + 6) if glyph[3] else 0)
            assert 0 <= glyph[7] < 40
        ink = np.frombuffer(glyphs[ord("H")][2], np.uint8).reshape(glyphs[ord("H")][4] + 6, -1) >= EDGE
        assert ink[4:-4].any(axis=1).all(), "an H has ink in every row of its box"
        assert not ink[:, :2].any()
