"""MapLibre layers and base maps: valid by MapLibre's own library, right class for each value."""

from typing import Any

import pytest

from styles import DESK_LIGHT, HALL, THEMES, Categorized, Graduated, Icon, StyleError
from styles.basemap import TileLayer, basemap
from styles.expressions import selected_filter
from tests.styles.conftest import STYLES

TILES = "https://map.test/{z}/{x}/{y}"
URLS = {
    "region_tiles_url": TILES,
    "glyphs_url": "https://map.test/{fontstack}/{range}.pbf",
    "sprite_url": "https://map.test/sprite",
}


def test_every_style_on_every_theme_is_valid(style_library) -> None:
    documents = {}
    for theme in THEMES.values():
        document = basemap(
            theme, **URLS, roads=TileLayer(TILES, "roads"), water=TileLayer(TILES, "water"),
            places=TileLayer(TILES, "places"), label_suffix="_label",
        )  # fmt: skip
        for name, style in STYLES.items():
            document["sources"][name] = {"type": "vector", "tiles": [TILES], "promoteId": "id"}
            document["layers"] += style.maplibre(name, name, theme)
        documents[theme.name] = document
        documents[f"{theme.name}-tianditu"] = basemap(
            theme, **URLS, tianditu_urls=[TILES, TILES], approval="GS(2024)1号"
        )
    found = style_library("Object.values(input).map(d => spec.validateStyleMin(d).map(e => e.message))", documents)
    assert found == [[]] * len(documents)


def _evaluate(style_library, expression: Any, features: list[dict[str, Any]]) -> list[Any]:
    return style_library(
        """input.features.map(properties => {
            const made = spec.createExpression(input.expression, 'test');
            if (made.result === 'error') throw new Error(made.value.map(e => e.message).join());
            return made.value.evaluate({zoom: 14}, {type: 'Point', properties});
        })""",
        {"expression": expression, "features": features},
    )


def test_each_number_falls_into_its_class_and_zero_is_not_missing(style_library) -> None:
    style = Graduated("v", breaks=(50, 150))
    values = [0, -3, 49.9, 50, 149, 150, 9999, "75.5", "", None]
    found = _evaluate(style_library, style.choose(["low", "mid", "high", "none"]), [*({"v": v} for v in values), {}])
    assert found == ["low", "low", "low", "mid", "mid", "high", "high", "mid", "none", "none", "none"]


def test_the_written_number_keeps_the_digits_of_the_breaks(style_library) -> None:
    label = next(x for x in STYLES["flow"].maplibre("s", "s", HALL) if x["id"] == "s-label")
    features = [{"flow": v, "name": "甲"} for v in (0, 1.239, None)]
    assert _evaluate(style_library, label["layout"]["text-field"], features) == ["甲\n0", "甲\n1.24", "甲\n"]


def test_each_value_takes_its_category_and_others_the_default(style_library) -> None:
    style = Categorized("s", {"a": Icon("camera"), True: Icon("pin"), 3: Icon("alarm")})
    features = [{"s": "a"}, {"s": True}, {"s": 3}, {"s": "b"}, {"s": None}, {}]
    found = _evaluate(style_library, style.choose(["a", "yes", "three", "rest"]), features)
    assert found == ["a", "yes", "three", "rest", "rest", "rest"]


def test_selection_shows_nothing_until_a_feature_is_named(style, style_library) -> None:
    layers = [x for x in style.maplibre("s", "s", DESK_LIGHT) if x["metadata"]["zhutu:role"] == "selected"]
    assert layers
    for filter_, shown in ((layers[0]["filter"], [False, False]), (selected_filter("x"), [True, False])):
        found = style_library(
            "[{id: 'x'}, {}].map(properties =>"
            " spec.featureFilter(input, 'test').filter({zoom: 9}, {type: 'Point', properties}))",
            filter_,
        )
        assert found == shown


def test_layers_name_source_and_role(style) -> None:
    for layer in style.maplibre("s1", "lay", DESK_LIGHT):
        assert layer["id"].startswith("s1-")
        assert (layer["source"], layer["source-layer"]) == ("s1", "lay")
        assert layer["metadata"]["zhutu:role"]
    assert all("source-layer" not in layer for layer in style.maplibre("s1", None, DESK_LIGHT))


def test_points_cluster() -> None:
    roles = [layer["metadata"]["zhutu:role"] for layer in STYLES["pm10"].maplibre("s", "s", HALL)]
    assert roles.count("cluster") == 2


def test_basemap_reaches_only_the_given_addresses() -> None:
    document = basemap(HALL, **URLS)
    assert set(document["sources"]) == {"regions"}
    assert {layer.get("source", "regions") for layer in document["layers"]} == {"regions"}


def test_tianditu_shows_its_approval_number_as_text() -> None:
    document = basemap(DESK_LIGHT, **URLS, tianditu_urls=[TILES], approval="GS(2024)<b>0568号")
    assert document["sources"]["tianditu-0"]["attribution"] == "天地图 审图号：GS(2024)&lt;b&gt;0568号"
    with pytest.raises(StyleError):
        basemap(DESK_LIGHT, **URLS, tianditu_urls=[TILES])
