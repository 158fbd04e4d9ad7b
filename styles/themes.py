"""Themes: the palettes of desk (light, dark) and hall, and the ink that keeps every symbol readable on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from styles.colors import contrast, mix

WHITE = "#ffffff"
INK = "#0a1322"
NO_DATA = "#7d8899"
"""The colour of what is not known; its ink is the ground, so that it stays quiet and hollow."""


@dataclass(frozen=True)
class Theme:
    """One palette; every colour is ``#rrggbb``."""

    name: str
    dark: bool
    background: str
    land: str
    water: str
    road: str
    border_province: str
    border_city: str
    border_county: str
    label: str
    label_minor: str
    halo: str
    surface: str
    text: str
    muted: str
    accent: str
    alarm: Mapping[str, str]
    status: Mapping[str, str]

    def badge(self, color: str, ratio: float = 3) -> tuple[str, str]:
        """The colour to fill a symbol with and the ink of its outline and pictogram, ``ratio`` apart (WCAG 1.4.11).

        Ink is white where the colour, deepened a little at most, carries it; else near-black, as on yellow.
        Either the colour or the ink stands 3:1 from the land.
        """
        if color == NO_DATA:
            return color, self.halo
        for deeper in (mix(color, INK, step / 50) for step in range(9)):
            if contrast(deeper, WHITE) >= ratio and max(contrast(deeper, self.land), contrast(WHITE, self.land)) >= 3:
                return deeper, WHITE
        return color, INK

    def visible(self, color: str) -> str:
        """The colour moved towards the text colour until a thin line in it stands 3:1 from the land."""
        return self._towards_text(color, self.land, 3)

    def readable(self, color: str) -> str:
        """The colour moved towards the text colour until words in it reach 4.5:1 on the surface (WCAG 1.4.3)."""
        return self._towards_text(color, self.surface, 4.5)

    def _towards_text(self, color: str, ground: str, ratio: float) -> str:
        shades = (mix(color, self.text, step / 20) for step in range(21))
        return next(shade for shade in shades if contrast(shade, ground) >= ratio)


_ALARM = MappingProxyType({"red": "#d92d20", "orange": "#f38744", "yellow": "#f5c518", "blue": "#2e7cf6"})
_ALARM_DARK = MappingProxyType({"red": "#ff5a4f", "orange": "#ff9a4d", "yellow": "#ffd84a", "blue": "#58a6ff"})
_STATUS = MappingProxyType(
    {"ok": "#2fa84f", "warn": "#f59f00", "bad": "#d63939", "idle": "#7b8798", "info": "#206bc4", "done": "#6f5bd6"}
)
_STATUS_DARK = MappingProxyType(
    {"ok": "#3ddc84", "warn": "#ffb938", "bad": "#ff6b6b", "idle": "#94a3b8", "info": "#4dabf7", "done": "#a78bfa"}
)

DESK_LIGHT = Theme(
    name="desk-light", dark=False,
    background="#e6eaf0", land="#f7f8f6", water="#bcdcf2", road="#e2d9c6",
    border_province="#7a6fb0", border_city="#8a84ad", border_county="#b4b3c6",
    label="#28344a", label_minor="#56627a", halo="#ffffff",
    surface="#ffffff", text="#1a2234", muted="#5b6880", accent="#1d5fd1", alarm=_ALARM, status=_STATUS,
)  # fmt: skip

DESK_DARK = Theme(
    name="desk-dark", dark=True,
    background="#10151f", land="#1a2230", water="#17354d", road="#374355",
    border_province="#8f87c9", border_city="#6d74a0", border_county="#46506b",
    label="#dde5f0", label_minor="#a3b0c4", halo="#10151f",
    surface="#182030", text="#e8eef7", muted="#9aa8bd", accent="#4d9fff", alarm=_ALARM_DARK, status=_STATUS_DARK,
)  # fmt: skip

HALL = Theme(
    name="hall", dark=True,
    background="#040b1d", land="#0a1b3a", water="#0b3763", road="#1d3d70",
    border_province="#4cc9f0", border_city="#2f9be0", border_county="#1f5a9c",
    label="#d6ecff", label_minor="#8fb8e0", halo="#040b1d",
    surface="#071633", text="#e6f4ff", muted="#8fb3d9", accent="#2de2ff", alarm=_ALARM_DARK, status=_STATUS_DARK,
)  # fmt: skip

THEMES: Mapping[str, Theme] = MappingProxyType({theme.name: theme for theme in (DESK_LIGHT, DESK_DARK, HALL)})
