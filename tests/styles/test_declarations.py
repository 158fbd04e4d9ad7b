"""Style declarations: what they need, what they refuse, and that colour never stands alone."""

import pytest
from django.utils.translation import override

from styles import DESK_LIGHT, HALL, Categorized, Fill, Graduated, Heat, Icon, Line, StyleError
from styles.symbols import Class
from tests.styles.conftest import STYLES


def shape(found: Class) -> object:
    """What is left of a symbol without its colour."""
    symbol = found.symbol
    if isinstance(symbol, Icon):
        return symbol.image
    if isinstance(symbol, Line):
        return symbol.dash, symbol.width
    assert isinstance(symbol, Fill)
    return symbol.hatch, symbol.mark and symbol.mark.image


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("icon", {"name"}),
        ("fill", {"name", "height"}),
        ("heat", {"weight"}),
        ("sites", {"state", "name"}),
        ("pm10", {"pm10", "name"}),
        ("risk", {"risk", "height"}),
    ],
)
def test_fields_are_the_properties_a_tile_must_carry(name: str, fields: set[str]) -> None:
    assert STYLES[name].fields == fields


@pytest.mark.parametrize(
    ("name", "geometry"),
    [
        ("icon", "point"),
        ("lines", "line"),
        ("fills", "polygon"),
        ("heat", "point"),
        ("pm10", "point"),
        ("flow", "line"),
    ],
)
def test_geometry(name: str, geometry: str) -> None:
    assert STYLES[name].geometry == geometry


@pytest.mark.parametrize("name", ["sites", "colours", "lines", "fills"])
def test_categories_differ_without_colour(name: str) -> None:
    shapes = [shape(found) for found in STYLES[name].classes()]
    assert len(set(shapes)) == len(shapes)


@pytest.mark.covers("DZ-009")
def test_project_states_have_icons_of_their_own() -> None:
    images = [found.symbol.image for found in STYLES["sites"].classes() if isinstance(found.symbol, Icon)]
    assert len(set(images)) == 6


def test_graduated_classes() -> None:
    found = STYLES["pm10"].classes()
    assert [(c.low, c.high) for c in found] == [
        (None, 50),
        (50, 150),
        (150, 250),
        (250, 350),
        (350, None),
        (None, None),
    ]
    assert [c.key for c in found] == ["< 50", "50–150", "150–250", "250–350", "≥ 350", ""]
    assert isinstance(found[-1].symbol, Icon)
    assert found[-1].symbol.name == "no-data"


def test_large_breaks_are_written_out() -> None:
    assert Graduated("n", breaks=(1234567,)).classes()[0].key == "< 1234567"


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Icon("no-such-icon"),
        lambda: Icon("camera", "red"),
        lambda: Icon("camera", "#2fb344", badge="star"),
        lambda: Line("#2fb344\n"),
        lambda: Fill("#2fb344", outline='"/><script>'),
        lambda: Heat(ramp=("#2fb344",)),
        lambda: Categorized("state", {}),
        lambda: Categorized("state", {"a": Icon("dot"), "b": Line()}),
        lambda: Categorized("state", {"a": Heat()}),
        lambda: Categorized("state", {"a": "#12345"}),
        lambda: Categorized("state", {"a": Icon("dot", label="name")}),
        lambda: Categorized("state", {str(i): "#2fb344" for i in range(12)}),
        lambda: Graduated("v", breaks=()),
        lambda: Graduated("v", breaks=(3, 2)),
        lambda: Graduated("v", breaks=(1, 2), colors=("#2fb344",)),
        lambda: Graduated("v", breaks=(1,), symbol=Heat()),
    ],
)
def test_a_declaration_that_cannot_be_drawn_is_refused(declare) -> None:
    with pytest.raises(StyleError):
        declare()


def test_legend_has_every_class_and_the_rest(style) -> None:
    items = style.legend(DESK_LIGHT)
    assert [item.key for item in items] == [c.key for c in style.classes()]
    if len(items) > 1:
        assert items[-1].key == ""
        assert all(item.label for item in items)


def test_legend_takes_words_from_the_caller() -> None:
    items = STYLES["sites"].legend(HALL, {"active": "在建", "": "未知"})
    assert (items[0].label, items[-1].label) == ("在建", "未知")


def test_legend_speaks_chinese_unless_told_otherwise() -> None:
    with override("zh-hans"):
        assert STYLES["pm10"].legend(HALL)[-1].label == "无数据"
