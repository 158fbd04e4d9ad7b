"""Symbols (Icon, Line, Fill, Heat) and what every style turns into: MapLibre layers, SLD, legend."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from styles import legend, maplibre, pictograms, sld
from styles.colors import hex_color
from styles.errors import StyleError
from styles.text import Text
from styles.themes import Theme

Geometry = Literal["point", "line", "polygon"]
Kind = Literal["icon", "line", "fill", "heat"]


@dataclass(frozen=True)
class Class:
    """One entry of a style: a symbol and the values that take it; with none of these it takes the rest."""

    symbol: "Symbol"
    key: str = ""
    title: Text = ""
    value: str | None = None
    low: float | None = None
    high: float | None = None


class Style(ABC):
    """How a feature class is drawn; ``label`` names the feature property written beside each feature."""

    label: str | None
    key: str | None = None
    """The property that decides a feature's class; None where all look alike."""
    number: str | None = None
    """The property whose numeric value is written on the map, in a graduated style."""
    decimals: int = 0

    @property
    @abstractmethod
    def geometry(self) -> Geometry:
        """What the features are."""

    @property
    @abstractmethod
    def fields(self) -> set[str]:
        """The feature properties the style reads."""

    @abstractmethod
    def classes(self) -> tuple[Class, ...]:
        """The entries in legend order; the last one takes what no other takes."""

    @abstractmethod
    def choose(self, values: Sequence[Any]) -> Any:
        """The MapLibre expression for a property that has one value a class, given in the order of the classes."""

    def maplibre(self, source_id: str, source_layer: str | None, theme: Theme) -> list[dict[str, Any]]:
        """MapLibre layers, bottom first; each one's ``metadata`` says its role (see `styles.maplibre`)."""
        return maplibre.layers(self, source_id, source_layer, theme)

    def sld(self, layer_name: str, title: Text, labels: Mapping[str, Text] | None = None) -> str:
        """An SLD 1.1 document (OGC 05-078r4 and 05-077r4)."""
        return sld.document(self, layer_name, title, labels or {})

    def legend(self, theme: Theme, labels: Mapping[str, Text] | None = None) -> list[legend.LegendItem]:
        """One item a class; ``labels`` gives the words for category values, and under ``""`` for the rest."""
        return legend.items(self, theme, labels or {})


class Symbol(Style):
    """A style that draws every feature alike; inside Categorized and Graduated, the look of one class."""

    color: str
    kind: ClassVar[Kind]

    def __post_init__(self) -> None:
        hex_color(self.color)

    @property
    def fields(self) -> set[str]:
        return {self.label} if self.label else set()

    def paint(self, theme: Theme) -> tuple[str, str]:
        """The colour and the ink of its outline and pictogram on this theme."""
        return theme.badge(self.color)

    def recolored(self, color: str) -> "Symbol":
        """The same symbol in another colour."""
        # Every concrete symbol is a dataclass; this class is not, so that each keeps its own order of arguments.
        return replace(self, color=hex_color(color))  # type: ignore[type-var]

    def classes(self) -> tuple[Class, ...]:
        return (Class(self),)

    def choose(self, values: Sequence[Any]) -> Any:
        return values[0]


@dataclass(frozen=True)
class Icon(Symbol):
    """A pictogram on a coloured badge; ``badge`` replaces the pictogram's own ground shape."""

    kind = "icon"
    name: str
    color: str = "#206bc4"
    badge: str | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in pictograms.names():
            raise StyleError(f"Icon({self.name!r}): no such icon; there are: {', '.join(pictograms.names())}")
        if self.badge is not None and self.badge not in pictograms.BADGES:
            raise StyleError(f"Icon(badge={self.badge!r}): no such badge; there are: {', '.join(pictograms.BADGES)}")

    @property
    def geometry(self) -> Geometry:
        return "point"

    def paint(self, theme: Theme) -> tuple[str, str]:
        # Numbers are written on dots, and text needs more contrast than a picture.
        return theme.badge(self.color, 4.5 if self.name == "dot" else 3)

    @property
    def image(self) -> str:
        """Its name in the sprite."""
        return pictograms.image_name(self.name, self.badge)


@dataclass(frozen=True)
class Line(Symbol):
    """A line with a thin contrasting casing; ``width`` in pixels at zoom 14, ``dash`` in line widths."""

    kind = "line"
    color: str = "#206bc4"
    width: float = 2
    dash: tuple[float, ...] | None = None
    label: str | None = None

    @property
    def geometry(self) -> Geometry:
        return "line"


@dataclass(frozen=True)
class Fill(Symbol):
    """An area; ``extrude`` names the property that holds a height in metres, ``mark`` stands in the middle."""

    kind = "fill"
    color: str = "#206bc4"
    outline: str | None = None
    opacity: float = 0.35
    extrude: str | None = None
    mark: Icon | None = None
    hatch: bool = False
    label: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        hex_color(self.outline or self.color)

    @property
    def geometry(self) -> Geometry:
        return "polygon"

    @property
    def fields(self) -> set[str]:
        return super().fields | ({self.extrude} if self.extrude else set())


@dataclass(frozen=True)
class Heat(Symbol):
    """Density of points as a glow; ``weight`` names a property and ``full`` the value that counts as one point."""

    kind = "heat"
    weight: str | None = None
    radius: float = 26
    ramp: tuple[str, ...] = ("#2b6cf6", "#19b9c9", "#7bd64f", "#f6c72c", "#f0532d")
    full: float = 1
    label: str | None = None

    def __post_init__(self) -> None:
        for color in self.ramp:
            hex_color(color)
        if len(self.ramp) < 2:
            raise StyleError("Heat(ramp=…): at least two colours")

    @property
    def geometry(self) -> Geometry:
        return "point"

    @property
    def color(self) -> str:  # type: ignore[override]
        """The hottest colour, for the single points that show when one comes close."""
        return self.ramp[-1]

    @property
    def fields(self) -> set[str]:
        return super().fields | ({self.weight} if self.weight else set())
