"""A sheet as it is kept: plain values in each language, and the digest by which two of them are told apart."""

import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.utils import translation

from services.telemetry.reports import Heading, Line, Sheet

Kept = dict[str, Any]
ATTEMPTS = 3


def in_languages(make: Callable[[], Sheet]) -> dict[str, Kept]:
    """Language → the sheet that ``make`` gives in it, all with the same figures.

    What comes in between two languages would make them differ: then all are made again.
    """
    kept: dict[str, Kept] = {}
    for _attempt in range(ATTEMPTS):
        for language, _name in settings.LANGUAGES:
            with translation.override(language):
                kept[language] = plain(make())
        if len({orjson.dumps(_figures(each)) for each in kept.values()}) == 1:
            break
    return kept


def spoken(sheets: dict[str, Kept]) -> Sheet:
    """The sheet in the current language."""
    language = translation.get_language() or ""
    return sheet(sheets.get(language) or sheets.get(settings.LANGUAGE_CODE) or next(iter(sheets.values())))


def plain(made: Sheet) -> Kept:
    """A sheet as JSON."""
    return {
        "headings": [[str(head.label), head.unit, head.digits] for head in made.headings],
        "lines": [_line(line) for line in made.lines],
        "summary": [_line(line) for line in made.summary],
        "notes": [str(note) for note in made.notes],
    }


def sheet(kept: Kept) -> Sheet:
    """The sheet that was kept."""
    return Sheet(
        [Heading(*head) for head in kept["headings"]], [_read(line) for line in kept["lines"]],
        [_read(line) for line in kept["summary"]], list(kept["notes"]),
    )  # fmt: skip


def digest(sheets: dict[str, Kept]) -> str:
    """SHA-256 of the content."""
    return hashlib.sha256(orjson.dumps(sheets, option=orjson.OPT_SORT_KEYS)).hexdigest()


def changed(before: Sheet, after: Sheet) -> set[tuple[int, int]]:
    """Places (line, cell) of ``after`` that were not so in ``before``; lines are known by their words and links."""
    earlier: dict[Any, list[Any]] = {}
    for name, line in zip(_names(before), before.lines, strict=True):
        earlier.setdefault(name, line.cells)
    found: set[tuple[int, int]] = set()
    for number, (name, line) in enumerate(zip(_names(after), after.lines, strict=True)):
        old = earlier.get(name)
        for place, value in enumerate(line.cells):
            if old is None or len(old) != len(line.cells) or old[place] != value:
                found.add((number, place))
    return found


def _names(of: Sheet) -> list[Any]:
    """What a line is known by: its feature where it has one of its own, and its first words."""
    often = Counter(line.link for line in of.lines)
    return [
        line.link if line.link is not None and often[line.link] == 1
        else (line.link, next((cell for cell in line.cells if isinstance(cell, str)), None))
        for line in of.lines
    ]  # fmt: skip


def _line(line: Line) -> list[Any]:
    link = None if line.link is None else [line.link[0], str(line.link[1])]
    return [[_cell(value) for value in line.cells], link, line.marked]


def _read(kept: list[Any]) -> Line:
    cells, link, marked = kept
    return Line(cells, None if link is None else (link[0], UUID(link[1])), marked)


def _cell(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            # Twelve digits: what differs behind them is no other figure.
            return float(f"{value:.12g}")
        case Decimal():
            return float(value)
        case datetime() | date():
            return value.isoformat()
    return str(value)


def _figures(kept: Kept) -> list[Any]:
    """The numbers of a sheet in their places; words are those of a language."""
    return [
        [None if isinstance(value, str) else value for value in cells]
        for cells, _link, _marked in (*kept["lines"], *kept["summary"])
    ]
