"""One kind of the statistics as the page shows it: its number, how it changed, its parts, a small line, its links."""

from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from command_center.desk.figures import state_colors
from services.catalog.layer import Layer, registry
from services.stats.figures import Division, Figure, Number, Total
from services.stats.frames import Frame, Window

LEVELS = {"red": "#e03131", "orange": "#e8590c", "yellow": "#d9a400", "blue": "#1c7ed6"}
"""The four levels of alarms, as everywhere on the desk."""
PALETTE = ("#2f6fd6", "#238a60", "#c77412", "#b2479a", "#7a6ff0", "#2b8cae", "#c0392b", "#8d7a3a")
ROWS = "/desk/statistics/rows?"
SAME, MANY = 0.0005, 10
"""Shares of change below which nothing changed, and from which on a multiple says more."""
SPARK = (100, 26)
"""Width and height of the small line, in its own units."""


@dataclass(frozen=True)
class Bar:
    """A part of a number: its share, its colour, and the list it leads to."""

    label: str
    count: int
    color: str
    share: float
    link: str


class Change(NamedTuple):
    """How a number changed: an arrow, and by how much in words; empty where nothing can be said."""

    mark: str
    text: str


@dataclass(frozen=True)
class Card:
    """A kind with its texts and links."""

    figure: Figure
    layer: Layer | None
    link: str
    value: str
    before: str
    last_year: str
    bars: list[tuple[str, list[Bar]]]
    flags: list[tuple[str, int, str]]
    changes: tuple["Change", "Change"]
    """Against the period before and the same one of the year before."""
    totals: list[tuple[Total, str]]
    spark: str
    """The points of the small line; empty where there is nothing to draw."""


def card(figure: Figure, query: dict[str, str]) -> Card:
    """A figure under the address of its choice."""
    link = ROWS + urlencode(query | {"kind": figure.key}) if figure.listed else ""
    bars = [
        (division.label, [
            Bar(
                tally.label, tally.count, color, tally.count / (float(figure.value or 0) or 1),
                f"{link}&{urlencode({'part': f'{division.name}:{tally.value}'})}" if link else "",
            )
            for tally, color in zip(division.tallies, colors(figure, division), strict=True) if tally.count
        ])
        for division in figure.divisions
    ]  # fmt: skip
    flags = [
        (flag.label, flag.count, f"{link}&{urlencode({'part': f'{flag.name}:true'})}" if link else "")
        for flag in figure.flags
    ]
    return Card(
        figure, registry.get(figure.layer), link, text(figure.value, figure.digits), text(figure.before, figure.digits),
        text(figure.last_year, figure.digits), [(name, some) for name, some in bars if some], flags,
        (
            _change(figure.change, figure.value, figure.before),
            _change(figure.change_of_year, figure.value, figure.last_year),
        ),
        [(each, text(each.value, each.digits)) for each in figure.totals if each.value is not None],
        _spark(figure.trend),
    )  # fmt: skip


def drawn(shown: Frame, figure: Figure, query: dict[str, str]) -> dict[str, Any]:
    """A figure as the script draws it: its trend, and that of its parts."""
    return {
        "key": figure.key, "title": figure.title, "unit": figure.unit, "digits": figure.digits,
        "trend": [plain(value) for value in figure.trend],
        "link": ROWS + urlencode(query | {"kind": figure.key}) if figure.listed else "",
        "buckets": [str(bucket) for bucket in shown.buckets],
        "divisions": [
            {
                "label": division.label, "name": division.name,
                "parts": [
                    {"label": tally.label, "value": tally.value, "trend": tally.trend, "color": color}
                    for tally, color in zip(division.tallies, colors(figure, division), strict=True)
                ],
            }
            for division in figure.divisions if division.tallies
        ],
    }  # fmt: skip


def colors(figure: Figure, division: Division) -> list[str]:
    """The colours of the parts of a division: those of the map or of the levels where they have them."""
    layer = registry.get(figure.layer)
    known = state_colors(layer) if layer is not None and division.name == "state" and figure.key == layer.key else {}
    if division.name == "level":
        known = LEVELS
    return [known.get(tally.value, PALETTE[n % len(PALETTE)]) for n, tally in enumerate(division.tallies)]


def label(shown: Frame) -> str:
    """A period as a person says it."""
    if shown.time.kind != "week":
        return shown.time.label
    year, week, _day = shown.time.first.isocalendar()
    return _("%(year)d年第%(week)d周（%(days)s）") % {"year": year, "week": week, "days": shown.time.label}


def part_label(shown: Frame, part: Window, *, whole: bool = False) -> str:
    """A part of a period: ``whole`` with its year."""
    if shown.step == "month" and part.first.day == 1:
        return f"{part.first:%Y-%m}"
    if part.first == part.last:
        return f"{part.first}" if whole else f"{part.first:%m-%d}"
    return f"{part.first} – {part.last}" if whole else f"{part.first:%m-%d} – {part.last:%m-%d}"


def _change(share: float | None, value: Number | None, before: Number | None) -> Change:
    if share is None:
        if before is None or before != 0 or value is None:
            return Change("", "")
        return Change("▲", pgettext("statistics", "新增")) if value else Change("", _("持平"))
    size = abs(share)
    if size < SAME:
        return Change("", _("持平"))
    said = f"{size + 1:,.0f} ×" if share >= MANY else f"{size:.0%}" if size >= 0.1 else f"{size:.1%}"
    return Change("▲" if share > 0 else "▼", said)


def text(value: Number | None, digits: int = 0) -> str:
    """A number as a person reads it; an em dash where it is missing."""
    if value is None:
        return "—"
    return str(localize(round(value) if digits == 0 else round(float(value), digits)))


def plain(value: Number | None) -> float | int | None:
    """A number as JSON has it."""
    return value if value is None or isinstance(value, int) else float(value)


def _spark(trend: list[Number | None]) -> str:
    known = [float(value) for value in trend if value is not None]
    if len(known) < 2 or not any(known):
        return ""
    width, height = SPARK
    most, least = max(known), min(0.0, *known)
    step = width / (len(trend) - 1)
    return " ".join(
        f"{n * step:.1f},{height - 1 - (float(value) - least) / ((most - least) or 1) * (height - 2):.1f}"
        for n, value in enumerate(trend)
        if value is not None
    )
