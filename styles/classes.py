"""Styles that divide features into classes: by value (Categorized) or by threshold (Graduated)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext_lazy as _

from styles.colors import hex_color, ramp
from styles.errors import StyleError
from styles.pictograms import BADGES
from styles.symbols import Class, Fill, Geometry, Heat, Icon, Line, Style, Symbol
from styles.text import Text
from styles.themes import NO_DATA

DOT = Icon("dot")
GOOD_TO_BAD = ("#1f9d55", "#e0b400", "#f08a24", "#d7263d", "#8e3b8c", "#6b1a2b")
DASHES = (None, (3.0, 1.5), (1.0, 1.2), (5.0, 1.2, 1.0, 1.2), (1.5, 3.0), (6.0, 2.0, 1.0, 2.0, 1.0, 2.0))


def no_data(like: Symbol) -> Symbol:
    """The grey symbol for a feature without a value: hollow, dashed or hatched."""
    if isinstance(like, Line):
        return Line(NO_DATA, width=like.width, dash=(0.6, 1.6))
    if isinstance(like, Fill):
        return Fill(NO_DATA, opacity=0.6, hatch=True, extrude=like.extrude)
    return Icon("no-data", NO_DATA)


@dataclass(frozen=True)
class Categorized(Style):
    """A symbol for each value of a property; a bare colour stands for a plain symbol like ``default``.

    Categories that would differ by colour alone get different badges, dashes or marks.
    """

    field: str
    symbols: Mapping[Any, Symbol | str]
    default: Symbol | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if not self.symbols:
            raise StyleError(f"Categorized({self.field!r}): name at least one value")
        other = (s for s in self.symbols.values() if isinstance(s, Symbol) and not isinstance(s, Icon))
        plain = self.default or next(other, DOT)
        symbols = [s if isinstance(s, Symbol) else plain.recolored(s) for s in self.symbols.values()]
        symbols = _distinct([*symbols, self.default or no_data(plain)], f"Categorized({self.field!r})")
        _check(symbols, f"Categorized({self.field!r})")
        keys = [str(key).lower() if isinstance(key, bool) else str(key) for key in self.symbols]
        object.__setattr__(self, "symbols", dict(zip(keys, symbols, strict=False)))
        object.__setattr__(self, "default", symbols[-1])

    @property
    def key(self) -> str:  # type: ignore[override]
        return self.field

    @property
    def geometry(self) -> Geometry:
        return self._rest.geometry

    @property
    def fields(self) -> set[str]:
        return {self.field, *([self.label] if self.label else [])}.union(*(c.symbol.fields for c in self.classes()))

    def classes(self) -> tuple[Class, ...]:
        named = [Class(s, key, key, value=key) for key, s in self.symbols.items() if isinstance(s, Symbol)]
        return (*named, Class(self._rest, title=_("其他或无数据")))

    def choose(self, values: Sequence[Any]) -> Any:
        pairs = [part for key, value in zip(self.symbols, values, strict=False) for part in (key, value)]
        return ["match", ["to-string", ["get", self.field]], *pairs, values[-1]]

    @property
    def _rest(self) -> Symbol:
        assert self.default is not None
        return self.default


@dataclass(frozen=True)
class Graduated(Style):
    """A colour for each range of a number, lower bound included; the number itself is written on the map.

    ``n`` breaks make ``n + 1`` classes. Zero is a value; a missing value is drawn grey and hollow.
    """

    field: str
    breaks: tuple[float, ...]
    colors: tuple[str, ...] | None = None
    unit: Text = ""
    symbol: Symbol = DOT
    label: str | None = None

    def __post_init__(self) -> None:
        name = f"Graduated({self.field!r})"
        if not self.breaks or any(a >= b for a, b in zip(self.breaks, self.breaks[1:], strict=False)):
            raise StyleError(f"{name}: breaks must rise, for example (50, 150, 250)")
        if self.colors is not None and len(self.colors) != len(self.breaks) + 1:
            raise StyleError(f"{name}: {len(self.breaks)} breaks need {len(self.breaks) + 1} colours")
        for color in self.colors or ():
            hex_color(color)
        _check([self.symbol], name)

    @property
    def geometry(self) -> Geometry:
        return self.symbol.geometry

    @property
    def fields(self) -> set[str]:
        return {self.field, *([self.label] if self.label else [])} | self.symbol.fields

    @property
    def key(self) -> str:  # type: ignore[override]
        return self.field

    @property
    def number(self) -> str:  # type: ignore[override]
        return self.field

    @property
    def decimals(self) -> int:  # type: ignore[override]
        """Digits after the point, as many as the breaks have."""
        return max(len(f"{b:.6f}".rstrip("0").partition(".")[2]) for b in self.breaks)

    def classes(self) -> tuple[Class, ...]:
        colors = self.colors or ramp(GOOD_TO_BAD, len(self.breaks) + 1)
        bounds = (None, *self.breaks, None)
        found = [
            Class(self.symbol.recolored(color), key, f"{key} {self.unit}".strip(), low=low, high=high)
            for color, low, high in zip(colors, bounds, bounds[1:], strict=False)
            for key in (_range(low, high),)
        ]
        return (*found, Class(no_data(self.symbol), title=_("无数据")))

    def choose(self, values: Sequence[Any]) -> Any:
        value = ["get", self.field]
        steps = [part for pair in zip(self.breaks, values[1:-1], strict=True) for part in pair]
        # Text form, because a tile may carry a decimal as a string and null must not become zero.
        missing = ["==", ["to-string", value], ""]
        return ["case", missing, values[-1], ["step", ["to-number", value], values[0], *steps]]


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return f"< {high:.10g}"
    return f"≥ {low:.10g}" if high is None else f"{low:.10g}–{high:.10g}"


def _check(symbols: Iterable[Symbol], name: str) -> None:
    """Raise unless the symbols can stand in one style."""
    symbols = list(symbols)
    if any(isinstance(s, Heat) or not isinstance(s, Symbol) for s in symbols):
        raise StyleError(f"{name}: the symbol of a class is an Icon, a Line or a Fill")
    if len({s.geometry for s in symbols}) > 1:
        raise StyleError(f"{name}: all symbols must be of one kind, Icon or Line or Fill")
    if any(s.label for s in symbols):
        raise StyleError(f"{name}: say label= on the style, not on a symbol inside it")


def _distinct(symbols: Sequence[Symbol], name: str) -> list[Symbol]:
    """The symbols with a badge, dash or mark of their own wherever colour alone would tell two apart."""
    used: set[Any] = set()
    result = []
    for symbol in symbols:
        shape = _shape(symbol)
        if shape in used or (isinstance(symbol, Fill) and shape is None):
            free = (s for s in _variants(symbol) if _shape(s) not in used)
            found = next(free, None)
            if found is None:
                raise StyleError(f"{name}: too many classes look alike; give some an icon, a dash or a mark")
            symbol, shape = found, _shape(found)
        used.add(shape)
        result.append(symbol)
    return result


def _shape(symbol: Symbol) -> Any:
    """What tells a symbol from another without colour."""
    match symbol:
        case Icon():
            return symbol.image
        case Line():
            return symbol.dash, symbol.width
        case Fill():
            return "hatch" if symbol.hatch else symbol.mark and symbol.mark.image
    return None


def _variants(symbol: Symbol) -> Iterable[Symbol]:
    match symbol:
        case Icon():
            return (replace(symbol, badge=badge) for badge in BADGES)
        case Line():
            return (replace(symbol, dash=dash) for dash in DASHES)
        case Fill():
            return (replace(symbol, mark=Icon("dot", symbol.outline or symbol.color, badge=b)) for b in BADGES)
    return ()
