"""Symbology: one style declaration gives MapLibre layers, SLD, legend and sprite."""

from styles.classes import Categorized, Graduated
from styles.errors import StyleError
from styles.symbols import Fill, Heat, Icon, Line, Style
from styles.themes import DESK_DARK, DESK_LIGHT, HALL, THEMES, Theme

__all__ = [
    "DESK_DARK",
    "DESK_LIGHT",
    "HALL",
    "THEMES",
    "Categorized",
    "Fill",
    "Graduated",
    "Heat",
    "Icon",
    "Line",
    "Style",
    "StyleError",
    "Theme",
]
