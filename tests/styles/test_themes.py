"""Contrast on every theme, by WCAG 2.2: 4.5 for words, 3 for symbols and lines."""

import pytest

from styles import THEMES, Icon
from styles.classes import GOOD_TO_BAD
from styles.colors import contrast, ramp
from styles.themes import Theme
from tests.styles.conftest import STYLES

COLOURS = (
    *GOOD_TO_BAD, *(color for count in range(2, 9) for color in ramp(GOOD_TO_BAD, count)),
    "#ffffff", "#000000", "#808080", "#2fb344", "#f59f00", "#d63939", "#206bc4", "#7b8798", "#f5c518", "#00ffff",
)  # fmt: skip
themes = pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)


def test_contrast_is_the_standards() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@themes
def test_words_reach_aa(theme: Theme) -> None:
    for words, ground in (
        (theme.text, theme.surface), (theme.muted, theme.surface), (theme.label, theme.land),
        (theme.label_minor, theme.land), (theme.label, theme.halo), (theme.label_minor, theme.halo),
    ):  # fmt: skip
        assert contrast(words, ground) >= 4.5


@themes
def test_accent_and_status_are_visible(theme: Theme) -> None:
    for color in (theme.accent, *theme.alarm.values(), *theme.status.values()):
        fill, ink = theme.badge(color)
        assert contrast(fill, ink) >= 3
        assert contrast(theme.readable(color), theme.surface) >= 4.5
    assert contrast(theme.accent, theme.land) >= 3


@themes
@pytest.mark.parametrize("color", COLOURS)
def test_any_colour_a_domain_chooses_is_readable(theme: Theme, color: str) -> None:
    fill, ink = theme.badge(color)
    assert contrast(fill, ink) >= 3
    assert max(contrast(fill, theme.land), contrast(ink, theme.land)) >= 3
    assert contrast(theme.visible(color), theme.land) >= 3
    number, ground = Icon("dot", color).paint(theme)
    assert contrast(number, ground) >= 4.5


@themes
def test_class_symbols_are_readable(theme: Theme) -> None:
    for style in STYLES.values():
        for found in style.classes():
            assert contrast(*found.symbol.paint(theme)) >= 3


@themes
def test_the_four_alarm_levels_are_there(theme: Theme) -> None:
    assert list(theme.alarm) == ["red", "orange", "yellow", "blue"]
